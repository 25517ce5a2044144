#include "models/features/split_row.h"

#include "models/features/delimiter_index.h"

namespace ps {

void SplitRow::EndField() {
  ends_.push_back(static_cast<std::uint32_t>(text_.size()));
  text_.push_back('\0');
}

// Appends the quoted field that begins at line[*at] and moves *at to the delimiter after it.
bool SplitRow::Quoted(std::string_view line, const TextLayout& layout, std::size_t* at) {
  const std::size_t opening = *at;
  std::size_t i = opening + 1;
  for (;;) {
    const std::size_t quote = line.find(layout.quote, i);
    if (quote == std::string_view::npos) {
      problem_ = "a quote is not closed on its line (a newline inside quotes is not supported)";
      problem_at_ = opening;
      return false;
    }
    text_.append(line.substr(i, quote - i));
    i = quote + 1;
    if (i >= line.size() || line[i] != layout.quote) break;
    text_.push_back(layout.quote);
    ++i;
  }
  if (layout.trim) {
    while (i < line.size() && line[i] == ' ') ++i;
  }
  if (i < line.size() && line[i] != layout.delimiter) {
    problem_ = "text after a closing quote";
    problem_at_ = i;
    return false;
  }
  *at = i;
  return true;
}

bool SplitRow::Split(std::string_view line, const TextLayout& layout) {
  text_.clear();
  ends_.assign(1, ~std::uint32_t{0});
  std::size_t at = 0;
  for (;;) {
    std::size_t begin = at;
    if (layout.trim) {
      while (begin < line.size() && line[begin] == ' ') ++begin;
    }
    if (layout.quote != 0 && begin < line.size() && line[begin] == layout.quote) {
      at = begin;
      if (!Quoted(line, layout, &at)) return false;
    } else {
      at = line.find(layout.delimiter, at);
      if (at == std::string_view::npos) at = line.size();
      std::size_t end = at;
      if (layout.trim) {
        while (end > begin && line[end - 1] == ' ') --end;
      }
      if (end > begin) text_.append(line.substr(begin, end - begin));
    }
    EndField();
    if (at >= line.size()) break;
    ++at;
  }
  text_.append(DelimiterIndex::kPadding, '\0');
  return true;
}

}  // namespace ps
