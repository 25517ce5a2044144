// One line of a table to its fields, with quotes and trimming: the general way, for lines with
// quotes, for headers and for the sample. Fields are copied, so that an unescaped field is
// contiguous.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ps {

struct TextLayout {
  char delimiter = '\t';
  char quote = 0;     // 0: no quoting
  bool trim = false;  // spaces around a field are not part of it
};

// Reusable; belongs to one thread.
class SplitRow {
 public:
  // Replaces the row by the fields of `line`, without its line end. Quotes follow RFC 4180: a field
  // that begins with a quote ends with one, and a doubled quote inside it is one quote; a quote
  // elsewhere is an ordinary character. False when the line is malformed: problem() and
  // problem_at() say how.
  bool Split(std::string_view line, const TextLayout& layout);

  std::size_t fields() const { return ends_.size() - 1; }
  std::string_view field(std::size_t i) const {
    const std::uint32_t begin = ends_[i] + 1;
    return std::string_view(text_).substr(begin, ends_[i + 1] - begin);
  }
  // The same form as a line of a DelimiterIndex: field i ends at ends()[i] and begins after
  // ends()[i - 1].
  const char* text() const { return text_.data(); }
  const std::uint32_t* ends() const { return ends_.data() + 1; }

  const char* problem() const { return problem_; }
  std::size_t problem_at() const { return problem_at_; }  // byte of the line

 private:
  bool Quoted(std::string_view line, const TextLayout& layout, std::size_t* at);
  void EndField();

  std::string text_;  // fields, each followed by one byte, then padding
  std::vector<std::uint32_t> ends_;
  const char* problem_ = "";
  std::size_t problem_at_ = 0;
};

}  // namespace ps
