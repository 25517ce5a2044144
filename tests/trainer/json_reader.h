// A strict reader of JSON (RFC 8259) for tests: it accepts nothing that the grammar does not, so a
// text that it reads is well-formed for everybody.
#pragma once

#include <cctype>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ps {

struct JsonValue {
  enum class Kind { kNull, kFlag, kNumber, kText, kList, kObject };

  Kind kind = Kind::kNull;
  bool flag = false;
  double number = 0;
  std::string text;
  std::vector<JsonValue> items;
  std::map<std::string, JsonValue> members;  // a name given twice makes the document malformed
};

class JsonReader {
 public:
  // Nothing when the text is not exactly one JSON value.
  static std::optional<JsonValue> Read(const std::string& text) {
    JsonReader reader(text);
    JsonValue value;
    if (!reader.ReadValue(&value)) return std::nullopt;
    reader.SkipBlanks();
    if (reader.at_ != text.size()) return std::nullopt;
    return value;
  }

 private:
  explicit JsonReader(const std::string& text) : text_(text) {}

  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  bool Eat(const std::string& word) {
    if (text_.compare(at_, word.size(), word) != 0) return false;
    at_ += word.size();
    return true;
  }

  void SkipBlanks() {
    while (Peek() == ' ' || Peek() == '\t' || Peek() == '\n' || Peek() == '\r') ++at_;
  }

  bool ReadValue(JsonValue* value) {
    using Kind = JsonValue::Kind;
    SkipBlanks();
    if (Eat("null")) return true;
    if (Eat("true") || Eat("false")) {
      value->kind = Kind::kFlag;
      value->flag = text_[at_ - 2] == 'u';  // tr-u-e, fal-s-e
      return true;
    }
    if (Peek() == '"') {
      value->kind = Kind::kText;
      return ReadText(&value->text);
    }
    if (Eat("{")) {
      value->kind = Kind::kObject;
      return ReadMembers(value);
    }
    if (Eat("[")) {
      value->kind = Kind::kList;
      return ReadItems(value);
    }
    value->kind = Kind::kNumber;
    return ReadNumber(&value->number);
  }

  bool ReadMembers(JsonValue* object) {
    SkipBlanks();
    if (Eat("}")) return true;
    do {
      SkipBlanks();
      std::string name;
      JsonValue value;
      if (!ReadText(&name)) return false;
      SkipBlanks();
      if (!Eat(":") || !ReadValue(&value)) return false;
      if (!object->members.emplace(name, value).second) return false;
      SkipBlanks();
    } while (Eat(","));
    return Eat("}");
  }

  bool ReadItems(JsonValue* list) {
    SkipBlanks();
    if (Eat("]")) return true;
    do {
      if (!ReadValue(&list->items.emplace_back())) return false;
      SkipBlanks();
    } while (Eat(","));
    return Eat("]");
  }

  bool ReadDigits() {
    const std::size_t start = at_;
    while (std::isdigit(static_cast<unsigned char>(Peek()))) ++at_;
    return at_ > start;
  }

  bool ReadNumber(double* number) {
    const std::size_t start = at_;
    Eat("-");
    if (!Eat("0") && !ReadDigits()) return false;
    if (Eat(".") && !ReadDigits()) return false;
    if (Eat("e") || Eat("E")) {
      if (!Eat("+")) Eat("-");
      if (!ReadDigits()) return false;
    }
    *number = std::strtod(text_.substr(start, at_ - start).c_str(), nullptr);
    return true;
  }

  bool ReadText(std::string* out) {
    if (!Eat("\"")) return false;
    while (Peek() != '"') {
      if (at_ >= text_.size() || static_cast<unsigned char>(Peek()) < 0x20) return false;
      if (!Eat("\\")) {
        out->push_back(text_[at_++]);
        continue;
      }
      static constexpr char kNames[] = "\"\\/bfnrt";
      static constexpr char kCharacters[] = "\"\\/\b\f\n\r\t";
      if (Eat("u")) {
        if (!ReadCodePoint(out)) return false;
        continue;
      }
      const std::size_t which = std::string(kNames).find(Peek());
      if (Peek() == '\0' || which == std::string::npos) return false;
      out->push_back(kCharacters[which]);
      ++at_;
    }
    return Eat("\"");
  }

  // Escapes beyond ASCII are refused: the writers under test do not make them.
  bool ReadCodePoint(std::string* out) {
    const std::string digits = text_.substr(at_, 4);
    if (digits.size() != 4 ||
        digits.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos)
      return false;
    const long point = std::strtol(digits.c_str(), nullptr, 16);
    if (point >= 0x80) return false;
    out->push_back(static_cast<char>(point));
    at_ += 4;
    return true;
  }

  const std::string& text_;
  std::size_t at_ = 0;
};

}  // namespace ps
