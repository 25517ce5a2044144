#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "models/config/yaml_tree.h"

namespace ps {
namespace {

// Characters that mean nothing to YAML wherever they stand in a scalar.
bool IsPlainSafe(const std::string& text) {
  if (text.empty() || text == "-" || text == "---" || text == "...") return false;
  for (char c : text) {
    const bool safe = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '.' || c == '/' || c == '+' || c == '-';
    if (!safe) return false;
  }
  return true;
}

std::string Quote(const std::string& text) {
  std::string quoted = "\"";
  for (char c : text) {
    const unsigned char byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      absl::StrAppend(&quoted, "\\", std::string(1, c));
    } else if (byte < 0x20 || byte == 0x7f) {
      absl::StrAppendFormat(&quoted, "\\x%02x", byte);
    } else {
      quoted.push_back(c);
    }
  }
  quoted.push_back('"');
  return quoted;
}

bool IsFlat(const YamlNode& node) {
  for (const YamlNode& item : node.items) {
    if (item.kind == YamlNode::Kind::kMap || item.kind == YamlNode::Kind::kSequence) return false;
  }
  return true;
}

}  // namespace

std::string WriteFlow(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "null";
    case YamlNode::Kind::kScalar:
      return WriteScalar(node);
    case YamlNode::Kind::kSequence: {
      std::string text = "[";
      for (const YamlNode& item : node.items) {
        absl::StrAppend(&text, text.size() > 1 ? ", " : "", WriteFlow(item));
      }
      return text + "]";
    }
    case YamlNode::Kind::kMap: {
      std::string text = "{";
      for (const YamlEntry& entry : node.entries) {
        absl::StrAppend(&text, text.size() > 1 ? ", " : "",
                        IsPlainSafe(entry.key) ? entry.key : Quote(entry.key), ": ",
                        WriteFlow(entry.value));
      }
      return text + "}";
    }
  }
  return "";
}

namespace {

void WriteBlock(const YamlNode& node, int indent, std::string* out) {
  const std::string margin(static_cast<std::size_t>(indent), ' ');
  for (const YamlNode& item : node.items) {
    absl::StrAppend(out, margin, "- ", WriteFlow(item), "\n");
  }
  for (const YamlEntry& entry : node.entries) {
    const YamlNode& value = entry.value;
    const std::string key = IsPlainSafe(entry.key) ? entry.key : Quote(entry.key);
    const bool block = (value.kind == YamlNode::Kind::kMap && !value.entries.empty()) ||
                       (value.kind == YamlNode::Kind::kSequence && !IsFlat(value));
    if (block) {
      absl::StrAppend(out, margin, key, ":\n");
      WriteBlock(value, indent + 2, out);
    } else {
      absl::StrAppend(out, margin, key, ": ", WriteFlow(value), "\n");
    }
  }
}

}  // namespace

std::string WriteScalar(const YamlNode& scalar) {
  if (!scalar.quoted && IsPlainSafe(scalar.text)) return scalar.text;
  return Quote(scalar.text);
}

std::string WriteYaml(const YamlNode& node) {
  std::string out;
  WriteBlock(node, 0, &out);
  return out;
}

}  // namespace ps
