// The files behind one part (train, valid, test) of a job's data: globs resolved in sorted order,
// compression recognised by content (gzip, zstd, plain), and byte ranges of the decompressed stream
// as the unit of reading.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ps {

enum class Compression { kNone, kGzip, kZstd };

struct DataFile {
  std::string path;
  Compression compression = Compression::kNone;
  std::uint64_t stored_bytes = 0;  // on disk
};

// The rows whose first byte lies in [begin, end) of the file's decompressed stream. Adjacent ranges
// part a file's rows exactly: every row belongs to one of them.
struct FileRange {
  std::uint32_t file = 0;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

class DataFiles {
 public:
  // Resolves globs (each pattern must match something; "-" is not a file). NotFound names the
  // pattern. A file that two patterns name is InvalidArgument: its rows would count twice. An empty
  // file is kept (it has no rows); a directory or unreadable file is an error that names it.
  static absl::StatusOr<DataFiles> Open(const std::vector<std::string>& patterns);

  const std::vector<DataFile>& files() const { return files_; }
  std::uint64_t stored_bytes() const;

  // Paths of these files that are among `other`, too, be it in another spelling.
  std::vector<std::string> SharedWith(const DataFiles& other) const;

  // What decides the files' content, as far as it can be known without reading them: a line for each,
  // of path, bytes, time of the last change and inode. An error where one is gone.
  absl::StatusOr<std::string> Origin() const;

  // Decompressed length of a file. Plain: stat. gzip and zstd: found by decompressing the file once
  // and kept (a gzip trailer gives the length of its last member only, modulo 2^32). Thread-safe.
  absl::StatusOr<std::uint64_t> DecompressedBytes(std::uint32_t file) const;
  absl::StatusOr<std::uint64_t> DecompressedBytes() const;  // of all files

  // Cuts all files into ranges of about `range_bytes`, in order.
  absl::StatusOr<std::vector<FileRange>> PlanRanges(std::uint64_t range_bytes) const;

 private:
  struct SizeCache;

  std::vector<DataFile> files_;
  std::shared_ptr<SizeCache> sizes_;  // shared by copies
};

// Reads the rows of ranges as text. One reader belongs to one thread.
class RangeReader {
 public:
  static std::unique_ptr<RangeReader> Create(const DataFiles& files);
  virtual ~RangeReader() = default;

  // Replaces *text by the whole lines that begin in `range` (the last line of a file may lack its
  // newline) and sets *first_offset to the offset of its first byte. *text is empty when no line
  // begins there. Plain files: pread. Compressed files: a stream is kept open, so reading ranges in
  // ascending order decompresses once; an earlier range starts again from the beginning.
  // `range.end` may lie beyond the end of the file.
  // DataLoss: damaged compression, with file and offset. A line above 64 MiB: InvalidArgument.
  virtual absl::Status Read(const FileRange& range, std::string* text,
                            std::uint64_t* first_offset) = 0;
};

// Hands out consecutive pieces of all files, in order, to many threads: what a streaming pass over
// the data uses. Plain files are cut by arithmetic and read by the calling threads in parallel; a
// compressed file is decompressed by one caller at a time (under a lock), the others meanwhile
// parse.
class BlockStream {
 public:
  struct Block {
    std::uint64_t sequence = 0;  // 0, 1, 2, ... without gaps, in data order
    std::uint32_t file = 0;
    std::uint64_t offset = 0;  // of text's first byte in the decompressed stream
    std::string text;          // whole lines
  };

  static std::unique_ptr<BlockStream> Create(const DataFiles& files, std::uint64_t block_bytes);
  virtual ~BlockStream() = default;

  // Fills *block (reusing text's memory) and returns true, or false at the end of the data.
  // Thread-safe. Text may be empty. After an error the stream is at its end for every caller.
  virtual absl::StatusOr<bool> Next(Block* block) = 0;
  // Bytes of stored input handed out so far (for progress and ETA). Thread-safe.
  virtual std::uint64_t stored_bytes_read() const = 0;
};

}  // namespace ps
