#include "models/config/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <exception>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ps {
namespace {

constexpr std::size_t kMaxDocumentBytes = 1 << 20;

absl::Status ErrorAtLine(const std::string& name, int line, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(name, ":", line, ": ", what));
}

// Builds the tree from the parser's events. Nodes under construction are on a stack; a finished
// node is moved into its parent.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const std::string& name) : name_(name) {}

  absl::Status error() const { return error_; }
  YamlNode TakeRoot() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    Finish(NodeAt(mark, YamlNode::Kind::kNull));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    Fail(mark, "an alias (*name) is not allowed; write the value out");
    Finish(NodeAt(mark, YamlNode::Kind::kNull));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& value) override {
    CheckTag(mark, tag);
    YamlNode node = NodeAt(mark, YamlNode::Kind::kScalar);
    node.text = value;
    node.quoted = tag == "!";  // the parser's mark of a quoted scalar
    Finish(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    CheckTag(mark, tag);
    open_.push_back({NodeAt(mark, YamlNode::Kind::kSequence), {}, false});
  }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    CheckTag(mark, tag);
    open_.push_back({NodeAt(mark, YamlNode::Kind::kMap), {}, false});
  }

  void OnSequenceEnd() override { Close(); }
  void OnMapEnd() override { Close(); }

 private:
  struct OpenNode {
    YamlNode node;
    YamlNode key;  // kMap: the key whose value comes next
    bool has_key;
  };

  static YamlNode NodeAt(const YAML::Mark& mark, YamlNode::Kind kind) {
    YamlNode node;
    node.kind = kind;
    node.place.line = mark.line + 1;
    return node;
  }

  void Fail(const YAML::Mark& mark, const std::string& what) {
    if (error_.ok()) error_ = ErrorAtLine(name_, mark.line + 1, what);
  }

  void CheckTag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!") {
      Fail(mark, absl::StrCat("a tag (", tag, ") is not allowed"));
    }
  }

  void Close() {
    YamlNode node = std::move(open_.back().node);
    open_.pop_back();
    Finish(std::move(node));
  }

  void Finish(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    OpenNode& parent = open_.back();
    if (parent.node.kind == YamlNode::Kind::kSequence) {
      parent.node.items.push_back(std::move(node));
    } else if (!parent.has_key) {
      if (node.kind != YamlNode::Kind::kScalar && error_.ok()) {
        error_ = ErrorAtLine(name_, node.place.line, "a key must be a plain word");
      }
      parent.key = std::move(node);
      parent.has_key = true;
    } else {
      parent.node.entries.push_back(
          {std::move(parent.key.text), parent.key.place, std::move(node)});
      parent.has_key = false;
    }
  }

  const std::string& name_;
  std::vector<OpenNode> open_;
  YamlNode root_;
  absl::Status error_;
};

}  // namespace

const YamlNode* YamlNode::Find(const std::string& key) const {
  for (const YamlEntry& entry : entries) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

YamlNode* YamlNode::Find(const std::string& key) {
  return const_cast<YamlNode*>(std::as_const(*this).Find(key));
}

absl::StatusOr<YamlNode> ParseYaml(const std::string& text, const std::string& name) {
  if (text.size() > kMaxDocumentBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        name, ": has ", text.size(), " bytes; a job file has at most ", kMaxDocumentBytes));
  }
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    TreeBuilder builder(name);
    if (!parser.HandleNextDocument(builder)) return YamlNode();
    if (!builder.error().ok()) return builder.error();
    TreeBuilder second(name);
    if (parser.HandleNextDocument(second)) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ": holds several documents; a job file is one"));
    }
    return builder.TakeRoot();
  } catch (const YAML::Exception& exception) {
    return ErrorAtLine(name, exception.mark.line + 1, exception.msg);
  } catch (const std::exception& exception) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": not YAML: ", exception.what()));
  }
}

}  // namespace ps
