// Scanning lines of text rows: shared by the libsvm and the Vowpal Wabbit parser. The text always
// ends in a newline (TerminatedLines sees to it), so that a scan stops there and needs no other
// bound.
#pragma once

#include <cstring>
#include <string>
#include <string_view>

#include "absl/strings/string_view.h"
#include "models/data/row_parser.h"

namespace ps {

inline bool IsBlank(char c) { return c == ' ' || c == '\t'; }
inline bool IsDigit(char c) { return static_cast<unsigned char>(c - '0') <= 9; }
inline bool IsLineEnd(const char* p) { return *p == '\n' || (*p == '\r' && p[1] == '\n'); }

// The begin of the line behind the one that holds p.
inline const char* NextLine(const char* p, const char* end) {
  if (*p == '\n') return p + 1;
  return static_cast<const char*>(std::memchr(p, '\n', static_cast<std::size_t>(end - p))) + 1;
}

// The text from p on up to a blank or the end of the line, short enough to be quoted in a message.
inline absl::string_view QuotableToken(const char* p) {
  constexpr std::ptrdiff_t kQuotedBytes = 40;
  const char* stop = p;
  while (!IsBlank(*stop) && !IsLineEnd(stop) && stop - p < kQuotedBytes) ++stop;
  return {p, static_cast<std::size_t>(stop - p)};
}

// Calls parse(lines, origin) with the lines of `text`; a last line that lacks its newline is given
// apart, with one. A byte order mark at the front of a file is no part of its first line.
template <typename Parse>
void TerminatedLines(std::string_view text, TextOrigin origin, const Parse& parse) {
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  if (origin.offset == 0 && text.substr(0, kMark.size()) == kMark) {
    text.remove_prefix(kMark.size());
    origin.offset = kMark.size();
  }
  const std::size_t whole = text.rfind('\n') + 1;  // 0 when there is no newline
  parse(text.substr(0, whole), origin);
  if (whole == text.size()) return;
  std::string last(text.substr(whole));
  last.push_back('\n');
  parse(std::string_view(last), TextOrigin{origin.file, origin.offset + whole});
}

}  // namespace ps
