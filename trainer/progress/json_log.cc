#include "trainer/progress/json_log.h"

#include <charconv>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace ps {
namespace {

// Bytes of the UTF-8 sequence at `at`, or 0 where there is none (RFC 3629: no overlong forms, no
// surrogates, nothing above U+10FFFF).
std::size_t Utf8Length(const std::string& text, std::size_t at) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0;
  };
  const auto continues = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xc2) return 0;
  if (first < 0xe0) return continues(1) ? 2 : 0;
  if (first < 0xf0) {
    const bool overlong = first == 0xe0 && byte(1) < 0xa0;
    const bool surrogate = first == 0xed && byte(1) >= 0xa0;
    return !overlong && !surrogate && continues(1) && continues(2) ? 3 : 0;
  }
  if (first > 0xf4 || (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) >= 0x90)) {
    return 0;
  }
  return continues(1) && continues(2) && continues(3) ? 4 : 0;
}

void AppendAscii(char c, std::string* out) {
  switch (c) {
    case '"':
      *out += "\\\"";
      return;
    case '\\':
      *out += "\\\\";
      return;
    case '\n':
      *out += "\\n";
      return;
    case '\t':
      *out += "\\t";
      return;
    default:
      break;
  }
  if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
    absl::StrAppendFormat(out, "\\u%04x", static_cast<unsigned>(c));
  } else {
    out->push_back(c);
  }
}

}  // namespace

std::string JsonString(const std::string& text) {
  std::string json = "\"";
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = Utf8Length(text, at);
    if (length == 0) {
      json += "\xef\xbf\xbd";
      ++at;
    } else if (length == 1) {
      AppendAscii(text[at++], &json);
    } else {
      json.append(text, at, length);
      at += length;
    }
  }
  json.push_back('"');
  return json;
}

std::string JsonNumber(double number) {
  if (!std::isfinite(number)) return "null";
  char buffer[32];
  const std::to_chars_result result = std::to_chars(buffer, buffer + sizeof buffer, number);
  return std::string(buffer, result.ptr);
}

JsonObject& JsonObject::AddText(const char* name, const std::string& json) {
  absl::StrAppend(&members_, members_.empty() ? "" : ",", JsonString(name), ":", json);
  return *this;
}

JsonObject& JsonObject::Add(const char* name, const std::string& text) {
  return AddText(name, JsonString(text));
}
JsonObject& JsonObject::Add(const char* name, const char* text) {
  return AddText(name, JsonString(text));
}
JsonObject& JsonObject::Add(const char* name, double number) {
  return AddText(name, JsonNumber(number));
}
JsonObject& JsonObject::Add(const char* name, std::int64_t number) {
  return AddText(name, absl::StrCat(number));
}
JsonObject& JsonObject::Add(const char* name, std::uint64_t number) {
  return AddText(name, absl::StrCat(number));
}
JsonObject& JsonObject::Add(const char* name, int number) {
  return AddText(name, absl::StrCat(number));
}
JsonObject& JsonObject::Add(const char* name, bool flag) {
  return AddText(name, flag ? "true" : "false");
}
JsonObject& JsonObject::Add(const char* name, const JsonObject& object) {
  return AddText(name, object.ToString());
}
JsonObject& JsonObject::Add(const char* name, const std::vector<JsonObject>& objects) {
  std::string json = "[";
  for (const JsonObject& object : objects) {
    absl::StrAppend(&json, json.size() > 1 ? "," : "", object.ToString());
  }
  return AddText(name, json + "]");
}
JsonObject& JsonObject::Add(const char* name, const std::optional<double>& number) {
  return number ? Add(name, *number) : *this;
}

std::string JsonObject::ToString() const { return absl::StrCat("{", members_, "}"); }

std::string JsonLines(const std::vector<JsonObject>& objects) {
  std::string text = "[";
  for (std::size_t i = 0; i < objects.size(); ++i) {
    absl::StrAppend(&text, i > 0 ? ",\n    " : "\n    ", objects[i].ToString());
  }
  return text + "\n  ]";
}

}  // namespace ps
