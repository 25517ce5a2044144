#include "models/config/value_reader.h"

#include <cmath>
#include <cstdlib>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace ps {
namespace {

std::string Shown(const YamlNode& node) {
  constexpr std::size_t kLongest = 60;
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kMap:
      return "a section";
    case YamlNode::Kind::kSequence:
      return "a list";
    case YamlNode::Kind::kScalar:
      break;
  }
  if (node.text.size() > kLongest) return absl::StrCat(node.text.substr(0, kLongest), "...");
  return node.quoted ? absl::StrCat("the text \"", node.text, "\"") : node.text;
}

// Reads one value; every function returns false after adding what is wrong.
class ValueReader {
 public:
  ValueReader(const SchemaRow& row, const std::string& shown_path, ConfigErrors* errors)
      : row_(row), path_(shown_path), errors_(errors) {}

  bool Read(const YamlNode& node, Value* value) {
    switch (row_.type) {
      case ValueType::kText:
        return ReadText(node, &value->text);
      case ValueType::kInteger:
        return ReadInteger(node, &value->integer);
      case ValueType::kReal:
        return ReadReal(node, &value->real);
      case ValueType::kDuration:
        return ReadDuration(node, &value->real);
      case ValueType::kFlag:
        return ReadFlag(node, &value->flag);
      case ValueType::kWord:
        return ReadWord(node, &value->integer);
      case ValueType::kTextList:
        return ReadTextList(node, &value->texts);
      case ValueType::kColumn:
        return ReadColumn(node, &value->columns.emplace_back());
      case ValueType::kColumnList:
        return ReadColumnList(node, &value->columns);
      case ValueType::kChoices:
        return ReadChoices(node, &value->choices);
      case ValueType::kSection:
        return node.kind == YamlNode::Kind::kMap || node.kind == YamlNode::Kind::kNull ||
               Expected(node, "a section");
    }
    return false;
  }

 private:
  bool Expected(const YamlNode& node, const std::string& what) {
    errors_->Add(node.place, absl::StrCat(path_, ": expected ", what, ", got ", Shown(node)));
    return false;
  }

  static bool IsPlain(const YamlNode& node) {
    return node.kind == YamlNode::Kind::kScalar && !node.quoted;
  }

  // The number parsers skip blanks around a number; a plain scalar may hold a carriage return.
  static bool IsPlainNumber(const YamlNode& node) {
    return IsPlain(node) && node.text.find_first_of(" \t\n\v\f\r") == std::string::npos;
  }

  bool FindWord(const YamlNode& node, std::int64_t* number) const {
    if (node.kind != YamlNode::Kind::kScalar) return false;
    for (const auto& [word, meaning] : row_.words) {
      if (node.text == word) {
        *number = meaning;
        return true;
      }
    }
    return false;
  }

  bool ReadWord(const YamlNode& node, std::int64_t* number) {
    if (FindWord(node, number)) return true;
    for (const char* later : row_.later_words) {
      if (node.kind != YamlNode::Kind::kScalar || node.text != later) continue;
      errors_->Add(node.place,
                   absl::StrCat(path_, ": ", later, " is not available in this version"));
      return false;
    }
    return Expected(node, DescribeAllowed(row_));
  }

  bool IsInBounds(double number) const {
    const Bounds& bounds = row_.bounds;
    return (bounds.min_included ? number >= bounds.min : number > bounds.min) &&
           (bounds.max_included ? number <= bounds.max : number < bounds.max);
  }

  bool OutOfBounds(const YamlNode& node) {
    errors_->Add(node.place,
                 absl::StrCat(path_, ": must be ", DescribeAllowed(row_), ", is ", Shown(node)));
    return false;
  }

  bool ReadText(const YamlNode& node, std::string* text) {
    if (node.kind != YamlNode::Kind::kScalar) return Expected(node, "a text");
    *text = node.text;
    if (text->find('\0') != std::string::npos) return Expected(node, "a text without NUL bytes");
    if (!absl::StartsWith(*text, "env:")) return true;
    const char* secret = std::getenv(text->c_str() + 4);
    if (secret == nullptr) {
      errors_->Add(node.place, absl::StrCat(path_, ": the environment has no variable \"",
                                            text->substr(4), "\", which env: asks for"));
      return false;
    }
    *text = secret;
    return true;
  }

  bool ReadInteger(const YamlNode& node, std::int64_t* integer) {
    if (FindWord(node, integer)) return true;
    const std::string digits =
        IsPlain(node) && absl::StartsWith(node.text, "+") ? node.text.substr(1) : node.text;
    if (!IsPlainNumber(node) || !absl::SimpleAtoi(digits, integer)) {
      const std::string allowed = DescribeAllowed(row_);
      return Expected(node, allowed.empty() ? "a whole number" : "a whole number, " + allowed);
    }
    return IsInBounds(static_cast<double>(*integer)) || OutOfBounds(node);
  }

  bool ReadReal(const YamlNode& node, double* real) {
    if (!IsPlainNumber(node) || !absl::SimpleAtod(node.text, real) || !std::isfinite(*real)) {
      return Expected(node, "a number");
    }
    return IsInBounds(*real) || OutOfBounds(node);
  }

  bool ReadDuration(const YamlNode& node, double* seconds) {
    double unit = 0;
    if (IsPlainNumber(node) && !node.text.empty()) {
      const char last = node.text.back();
      unit = last == 's' ? 1 : last == 'm' ? 60 : last == 'h' ? 3600 : 0;
    }
    if (unit == 0 || !absl::SimpleAtod(node.text.substr(0, node.text.size() - 1), seconds) ||
        !std::isfinite(*seconds)) {
      return Expected(node, "a duration, as 90s, 15m or 2h");
    }
    *seconds *= unit;
    if (IsInBounds(*seconds)) return true;
    errors_->Add(node.place, absl::StrCat(path_, ": must be ", DescribeAllowed(row_), " seconds, is ", Shown(node)));
    return false;
  }

  bool ReadFlag(const YamlNode& node, bool* flag) {
    if (!IsPlain(node) || (node.text != "true" && node.text != "false")) {
      return Expected(node, "true or false");
    }
    *flag = node.text == "true";
    return true;
  }

  bool ReadTextList(const YamlNode& node, std::vector<std::string>* texts) {
    if (node.kind == YamlNode::Kind::kScalar) return ReadText(node, &texts->emplace_back());
    if (node.kind != YamlNode::Kind::kSequence) return Expected(node, "a list of texts");
    bool ok = true;
    for (const YamlNode& item : node.items) {
      ok = ReadText(item, &texts->emplace_back()) && ok;
    }
    return ok;
  }

  bool ReadColumn(const YamlNode& node, ColumnRef* column) {
    const std::string what = "a column: its name, or its position from 0";
    if (node.kind != YamlNode::Kind::kScalar || node.text.empty()) return Expected(node, what);
    if (node.quoted || node.text.find_first_not_of("+-0123456789") != std::string::npos) {
      return ReadText(node, &column->name);
    }
    return (absl::SimpleAtoi(node.text, &column->index) && column->index >= 0) ||
           Expected(node, what);
  }

  bool ReadColumnList(const YamlNode& node, std::vector<ColumnRef>* columns) {
    if (node.kind != YamlNode::Kind::kSequence) return Expected(node, "a list of columns");
    bool ok = true;
    for (const YamlNode& item : node.items) {
      ok = ReadColumn(item, &columns->emplace_back()) && ok;
    }
    return ok;
  }

  bool ReadChoices(const YamlNode& node, std::vector<VariedKey>* choices) {
    if (node.kind != YamlNode::Kind::kMap) return Expected(node, "keys, each with a list of values");
    bool ok = true;
    std::set<std::string> seen;
    for (const YamlEntry& entry : node.entries) {
      const std::string shown = absl::StrCat(path_, ", ", entry.key);
      if (!seen.insert(entry.key).second) {
        errors_->Add(entry.place, absl::StrCat(shown, ": given twice"));
        ok = false;
      }
      if (entry.value.kind != YamlNode::Kind::kSequence || entry.value.items.empty()) {
        errors_->Add(entry.value.place, absl::StrCat(shown, ": expected a list of at least one value, got ",
                                                  entry.value.kind == YamlNode::Kind::kSequence ? "an empty one" : Shown(entry.value)));
        ok = false;
      }
      VariedKey& varied = choices->emplace_back();
      varied.key = entry.key;
      for (const YamlNode& item : entry.value.items) varied.values.push_back(WriteFlow(item));
    }
    return ok;
  }

  const SchemaRow& row_;
  const std::string& path_;
  ConfigErrors* const errors_;
};

}  // namespace

bool ReadValue(const SchemaRow& row, const YamlNode& node, const std::string& shown_path,
               ConfigErrors* errors, Value* value) {
  return ValueReader(row, shown_path, errors).Read(node, value);
}

bool ReadDefault(const SchemaRow& row, Value* value) {
  if (row.default_text == nullptr) return false;
  absl::StatusOr<YamlNode> node = ParseYaml(row.default_text, row.path);
  ConfigErrors errors(row.path, {});
  return node.ok() && ReadValue(row, *node, row.path, &errors, value);
}

}  // namespace ps
