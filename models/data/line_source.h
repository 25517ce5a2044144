// Whole lines by byte range, of one file: the code behind RangeReader and BlockStream. A line
// belongs to the range that holds its first byte, so adjacent ranges part the lines of a file
// exactly.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "models/data/byte_stream.h"
#include "models/data/data_files.h"
#include "models/data/input_file.h"

namespace ps {

// A longer line is taken for a damaged file (a binary one, or one without newlines).
inline constexpr std::uint64_t kMaxLineBytes = 64 << 20;

// A stretch of a decompressed stream: [begin, end).
struct ByteRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

// Replaces *text by the lines that begin in `range` and sets *first_offset (to range.begin when
// there is none). Keeps text's memory: std::string::resize fills with zeros only what grows, so a
// buffer that is used again costs nothing. Thread-safe.
absl::Status ReadPlainLines(const InputFile& file, ByteRange range, std::string* text,
                            std::uint64_t* first_offset);

// The same of a compressed file. Ascending ranges cost one decompression; an earlier range starts
// again from the beginning. Belongs to one thread at a time.
class CompressedLines {
 public:
  explicit CompressedLines(DataFile file) : file_(std::move(file)) {}

  absl::Status Read(ByteRange range, std::string* text, std::uint64_t* first_offset);

  // Offset of the first byte not handed out yet.
  std::uint64_t next_offset() const { return next_; }
  // Bytes decompressed so far: those that stored_position() bytes of the file gave.
  std::uint64_t decompressed_position() const { return next_ + carry_.size(); }
  bool at_end() const { return stream_end_ && carry_.empty(); }
  std::uint64_t stored_position() const { return stream_ ? stream_->stored_position() : 0; }

 private:
  absl::Status Restart();
  absl::Status Discard(std::uint64_t bytes);
  // Moves to the first line that begins in the range. False when none does.
  absl::StatusOr<bool> Seek(ByteRange range);
  absl::Status FillCarry();
  absl::Status Gather(std::uint64_t end, std::string* text);

  const DataFile file_;
  std::unique_ptr<ByteStream> stream_;
  bool stream_end_ = false;
  std::string carry_;  // decompressed but not handed out; its first byte is at next_
  std::uint64_t next_ = 0;
  bool at_line_start_ = true;  // of the byte at next_
  std::uint64_t floor_ = 0;    // no line begins in [floor_, next_)
};

}  // namespace ps
