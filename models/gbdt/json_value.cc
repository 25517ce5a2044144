#include "models/gbdt/json_value.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>

#include "absl/strings/str_cat.h"

namespace ps {
namespace {

constexpr int kDeepest = 64;

void AppendUtf8(std::uint32_t code, std::string* out) {
  const auto add = [out](std::uint32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    add(code);
  } else if (code < 0x800) {
    add(0xc0 | code >> 6);
    add(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    add(0xe0 | code >> 12);
    add(0x80 | (code >> 6 & 0x3f));
    add(0x80 | (code & 0x3f));
  } else {
    add(0xf0 | code >> 18);
    add(0x80 | (code >> 12 & 0x3f));
    add(0x80 | (code >> 6 & 0x3f));
    add(0x80 | (code & 0x3f));
  }
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  absl::StatusOr<JsonNode> Read() {
    JsonNode node;
    if (!Value(0, &node)) return Problem();
    Blanks();
    if (at_ != text_.size()) return Problem();
    return node;
  }

 private:
  absl::Status Problem() const {
    return absl::InvalidArgumentError(absl::StrCat("not JSON at byte ", at_));
  }
  void Blanks() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) {
      ++at_;
    }
  }
  bool Eat(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  bool Value(int depth, JsonNode* node) {
    using Kind = JsonNode::Kind;
    if (depth > kDeepest) return false;
    Blanks();
    if (at_ == text_.size()) return false;
    const auto number = [&](double value) {
      node->kind = Kind::kNumber;
      node->number = value;
      return true;
    };
    switch (text_[at_]) {
      case '{':
        return Object(depth, node);
      case '[':
        return List(depth, node);
      case '"':
        node->kind = Kind::kText;
        return Text(&node->text);
      case 'n':
        return Eat("null");
      case 't':
        node->kind = Kind::kFlag;
        node->number = 1;
        return Eat("true");
      case 'f':
        node->kind = Kind::kFlag;
        return Eat("false");
      case 'N':
        return Eat("NaN") && number(std::numeric_limits<double>::quiet_NaN());
      case 'I':
        return Eat("Infinity") && number(HUGE_VAL);
      default:
        if (Eat("-Infinity")) return number(-HUGE_VAL);
        return Number(node);
    }
  }

  bool Number(JsonNode* node) {
    const char* const begin = text_.data() + at_;
    const bool sign = *begin == '-';
    if (at_ + sign >= text_.size() || begin[sign] < '0' || begin[sign] > '9') return false;
    double value = 0;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error != std::errc()) return false;
    at_ += static_cast<std::size_t>(end - begin);
    node->kind = JsonNode::Kind::kNumber;
    node->number = value;
    return true;
  }

  bool Hex4(std::uint32_t* code) {
    if (text_.size() - at_ < 4) return false;
    const char* const begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, begin + 4, *code, 16);
    if (error != std::errc() || end != begin + 4) return false;
    at_ += 4;
    return true;
  }

  bool Escape(std::string* out) {
    static constexpr std::string_view kNames = "\"\\/bfnrt", kMeaning = "\"\\/\b\f\n\r\t";
    if (at_ == text_.size()) return false;
    const char c = text_[at_++];
    if (const std::size_t i = kNames.find(c); i != std::string_view::npos) {
      out->push_back(kMeaning[i]);
      return true;
    }
    std::uint32_t code = 0, low = 0;
    if (c != 'u' || !Hex4(&code)) return false;
    if (code >= 0xdc00 && code < 0xe000) return false;
    if (code >= 0xd800 && code < 0xdc00) {
      if (!Eat("\\u") || !Hex4(&low) || low < 0xdc00 || low >= 0xe000) return false;
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    AppendUtf8(code, out);
    return true;
  }

  bool Text(std::string* out) {
    for (++at_; at_ < text_.size();) {
      const char c = text_[at_++];
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c != '\\') {
        out->push_back(c);
      } else if (!Escape(out)) {
        return false;
      }
    }
    return false;
  }

  bool List(int depth, JsonNode* node) {
    node->kind = JsonNode::Kind::kList;
    ++at_;
    Blanks();
    if (Eat("]")) return true;
    do {
      if (!Value(depth + 1, &node->items.emplace_back())) return false;
      Blanks();
    } while (Eat(","));
    return Eat("]");
  }

  bool Object(int depth, JsonNode* node) {
    node->kind = JsonNode::Kind::kObject;
    ++at_;
    Blanks();
    if (Eat("}")) return true;
    do {
      Blanks();
      std::string name;
      if (at_ == text_.size() || text_[at_] != '"' || !Text(&name)) return false;
      Blanks();
      if (!Eat(":")) return false;
      const auto [member, added] = node->members.try_emplace(std::move(name));
      if (!added || !Value(depth + 1, &member->second)) return false;
      Blanks();
    } while (Eat(","));
    return Eat("}");
  }

  const std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

const JsonNode* JsonNode::Find(std::string_view name) const {
  const auto found = members.find(name);
  return found == members.end() ? nullptr : &found->second;
}

absl::StatusOr<JsonNode> ParseJson(std::string_view text) { return Reader(text).Read(); }

bool IsUtf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t more = lead < 0x80                    ? 0
                             : lead >= 0xc2 && lead < 0xe0  ? 1
                             : lead >= 0xe0 && lead < 0xf0  ? 2
                             : lead >= 0xf0 && lead <= 0xf4 ? 3
                                                            : text.size();
    if (more >= text.size() - i) return false;
    // Neither longer than need be, nor half of a surrogate pair, nor beyond U+10FFFF.
    const auto next = more == 0 ? 0u : static_cast<unsigned char>(text[i + 1]);
    if ((lead == 0xe0 && next < 0xa0) || (lead == 0xed && next >= 0xa0) || (lead == 0xf0 && next < 0x90) ||
        (lead == 0xf4 && next >= 0x90))
      return false;
    for (std::size_t k = 1; k <= more; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xc0) != 0x80) return false;
    }
    i += more + 1;
  }
  return true;
}

}  // namespace ps
