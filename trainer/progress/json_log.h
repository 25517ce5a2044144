// JSON objects on one line, for --log_format=json: every line a log reader gets is well-formed.
//
// A JsonObject belongs to one thread. Members keep the order in which they were added; the caller
// keeps their names distinct.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ps {

// The text as a JSON string with its quotes. Bytes that are not UTF-8 (a path may hold some) become
// U+FFFD.
std::string JsonString(const std::string& text);

// The shortest text that reads back as the same double; null for NaN and infinities, which JSON has
// no words for.
std::string JsonNumber(double number);

class JsonObject {
 public:
  JsonObject& Add(const char* name, const std::string& text);
  JsonObject& Add(const char* name, const char* text);
  JsonObject& Add(const char* name, double number);
  JsonObject& Add(const char* name, std::int64_t number);
  JsonObject& Add(const char* name, std::uint64_t number);
  JsonObject& Add(const char* name, int number);
  JsonObject& Add(const char* name, bool flag);
  JsonObject& Add(const char* name, const JsonObject& object);
  JsonObject& Add(const char* name, const std::vector<JsonObject>& objects);
  JsonObject& Add(const char* name, const std::optional<double>& number);  // unset: no member

  std::string ToString() const;  // "{...}", without a line end

 private:
  JsonObject& AddText(const char* name, const std::string& json);

  std::string members_;
};

// The objects as an array, each on a line of its own: for files that people read too.
std::string JsonLines(const std::vector<JsonObject>& objects);

}  // namespace ps
