#include "models/data/line_source.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr std::size_t kSlackBytes = 16 << 10;  // read past a range, where its last line ends
constexpr std::size_t kSearchBytes = 4 << 10;  // read to find where a range's first line begins
constexpr std::size_t kStepBytes = 4 << 20;    // a range may claim to be longer than the file

absl::Status LineTooLong(const std::string& path, std::uint64_t offset) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": the line at offset ", offset,
                                                 " is longer than ", kMaxLineBytes >> 20,
                                                 " MiB; is this a text file with one row a line?"));
}

// Index just behind the first newline at or behind `from`, or npos.
std::size_t LineEnd(const char* text, std::size_t from, std::size_t bytes) {
  if (from >= bytes) return std::string::npos;
  const void* found = std::memchr(text + from, '\n', bytes - from);
  if (found == nullptr) return std::string::npos;
  return static_cast<std::size_t>(static_cast<const char*>(found) - text) + 1;
}

// Index of the first byte of the line that holds the byte before `index`.
std::size_t LineBegin(const char* text, std::size_t index) {
  const void* found = ::memrchr(text, '\n', index);
  return found == nullptr ? 0
                          : static_cast<std::size_t>(static_cast<const char*>(found) - text) + 1;
}

// Offset of the first line that begins in the range, or range.end when none does.
absl::StatusOr<std::uint64_t> FirstLine(const InputFile& file, ByteRange range) {
  if (range.begin == 0) return range.begin < range.end ? 0 : range.end;
  char buffer[kSearchBytes];
  // A line begins behind a newline, so the newline lies in [begin - 1, end - 1).
  for (std::uint64_t at = range.begin - 1; at + 1 < range.end;) {
    const std::size_t want = std::min<std::uint64_t>(sizeof(buffer), range.end - 1 - at);
    PS_ASSIGN_OR_RETURN(const std::size_t got, file.ReadAt(at, buffer, want));
    const std::size_t line = LineEnd(buffer, 0, got);
    if (line != std::string::npos) return at + line;
    if (got < want) break;
    at += got;
  }
  return range.end;
}

}  // namespace

absl::Status ReadPlainLines(const InputFile& file, ByteRange range, std::string* text,
                            std::uint64_t* first_offset) {
  range.end = std::min(range.end, file.bytes());
  *first_offset = range.begin;
  if (range.begin >= range.end) {
    text->clear();
    return absl::OkStatus();
  }
  PS_ASSIGN_OR_RETURN(const std::uint64_t first, FirstLine(file, range));
  if (first >= range.end) {
    text->clear();
    return absl::OkStatus();
  }
  *first_offset = first;
  const std::size_t last_byte = range.end - 1 - first;  // a line that holds it is still ours
  std::size_t bytes = 0;
  std::size_t want = std::min<std::uint64_t>(last_byte + 1 + kSlackBytes, file.bytes() - first);
  while (true) {
    text->resize(want);
    PS_ASSIGN_OR_RETURN(const std::size_t got,
                        file.ReadAt(first + bytes, text->data() + bytes, want - bytes));
    const std::size_t searched = std::max(bytes, last_byte);
    bytes += got;
    const std::size_t end = LineEnd(text->data(), searched, bytes);
    const bool is_last = bytes < want || first + bytes == file.bytes();
    const std::size_t stop = end != std::string::npos ? end : bytes;
    const std::size_t line = LineBegin(text->data(), std::min(last_byte, bytes));
    if (stop - line > kMaxLineBytes) return LineTooLong(file.path(), first + line);
    if (end != std::string::npos || is_last) {
      text->resize(stop);
      return absl::OkStatus();
    }
    want =
        std::min<std::uint64_t>(bytes + std::max(bytes - line, kSlackBytes), file.bytes() - first);
  }
}

absl::Status CompressedLines::Read(ByteRange range, std::string* text,
                                   std::uint64_t* first_offset) {
  if (stream_ == nullptr || range.begin < floor_) PS_RETURN_IF_ERROR(Restart());
  *first_offset = range.begin;
  PS_ASSIGN_OR_RETURN(const bool found, Seek(range));
  if (!found) {
    text->clear();
  } else {
    *first_offset = next_;
    PS_RETURN_IF_ERROR(Gather(range.end, text));
  }
  floor_ = std::max(floor_, std::min(range.end, next_));
  return absl::OkStatus();
}

absl::Status CompressedLines::Restart() {
  PS_ASSIGN_OR_RETURN(stream_, ByteStream::Open(file_));
  stream_end_ = false;
  carry_.clear();
  next_ = 0;
  at_line_start_ = true;
  floor_ = 0;
  return absl::OkStatus();
}

absl::Status CompressedLines::FillCarry() {
  carry_.resize(kSlackBytes);
  PS_ASSIGN_OR_RETURN(const std::size_t got, stream_->Read(carry_.data(), carry_.size()));
  stream_end_ = got < carry_.size();
  carry_.resize(got);
  return absl::OkStatus();
}

absl::Status CompressedLines::Discard(std::uint64_t bytes) {
  while (bytes > 0) {
    if (carry_.empty()) {
      if (stream_end_) break;
      PS_RETURN_IF_ERROR(FillCarry());
      continue;
    }
    const std::size_t now = std::min<std::uint64_t>(bytes, carry_.size());
    carry_.erase(0, now);
    next_ += now;
    bytes -= now;
    at_line_start_ = false;
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> CompressedLines::Seek(ByteRange range) {
  // The newline before a line that begins in the range lies in [begin - 1, end - 1).
  if (range.begin > 0 && next_ + 1 < range.begin) {
    PS_RETURN_IF_ERROR(Discard(range.begin - 1 - next_));
  }
  if (next_ < range.begin) at_line_start_ = false;  // a line that begins here is not of the range
  while (!at_line_start_ && next_ + 1 < range.end) {
    if (carry_.empty()) {
      if (stream_end_) return false;
      PS_RETURN_IF_ERROR(FillCarry());
      continue;
    }
    const std::size_t window = std::min<std::uint64_t>(carry_.size(), range.end - 1 - next_);
    const std::size_t line = LineEnd(carry_.data(), 0, window);
    PS_RETURN_IF_ERROR(Discard(line == std::string::npos ? window : line));
    at_line_start_ = line != std::string::npos;
  }
  if (!at_line_start_ || next_ >= range.end) return false;
  if (carry_.empty() && !stream_end_) PS_RETURN_IF_ERROR(FillCarry());
  return !carry_.empty();
}

// Moves the lines from next_ (a line's begin) to the first newline at or behind end - 1 into *text.
absl::Status CompressedLines::Gather(std::uint64_t end, std::string* text) {
  const std::uint64_t last_byte = end - 1 - next_;
  std::size_t bytes = carry_.size();
  std::size_t searched = 0;
  std::size_t want = bytes;
  text->resize(std::max(text->size(), bytes));
  std::memcpy(text->data(), carry_.data(), bytes);
  std::size_t cut = LineEnd(text->data(), last_byte, bytes);
  while (cut == std::string::npos && !stream_end_) {
    if (bytes <= last_byte) {
      const std::uint64_t missing = last_byte + 1 - bytes;
      want = bytes + std::min<std::uint64_t>(missing, kStepBytes) + kSlackBytes;
    } else {
      const std::size_t line = LineBegin(text->data(), last_byte);
      if (bytes - line > kMaxLineBytes) break;
      want = bytes + std::max(bytes - line, kSlackBytes);
    }
    searched = bytes;
    if (text->size() < want) text->resize(want);
    PS_ASSIGN_OR_RETURN(const std::size_t got, stream_->Read(text->data() + bytes, want - bytes));
    bytes += got;
    stream_end_ = bytes < want;
    cut = LineEnd(text->data(), std::max<std::uint64_t>(searched, last_byte), bytes);
  }
  if (cut == std::string::npos) cut = bytes;
  const std::size_t line = LineBegin(text->data(), std::min<std::uint64_t>(last_byte, cut));
  if (cut - line > kMaxLineBytes) return LineTooLong(file_.path, next_ + line);
  carry_.assign(*text, cut, bytes - cut);
  text->resize(cut);
  next_ += cut;
  at_line_start_ = true;
  return absl::OkStatus();
}

}  // namespace ps
