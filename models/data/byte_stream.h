// The decompressed bytes of one gzip or zstd file, front to back. gzip files may hold several
// members and zstd files several frames. A stream belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "models/data/data_files.h"

namespace ps {

class ByteStream {
 public:
  // `file` is compressed.
  static absl::StatusOr<std::unique_ptr<ByteStream>> Open(const DataFile& file);
  virtual ~ByteStream() = default;

  // Fills `out`; fewer than `bytes` are returned only at the end of the stream. DataLoss for
  // damaged or truncated input, with the path and the decompressed offset up to which it was
  // readable.
  virtual absl::StatusOr<std::size_t> Read(char* out, std::size_t bytes) = 0;

  // Bytes of the stored file consumed so far.
  virtual std::uint64_t stored_position() const = 0;
};

// The file's compression, by its first bytes. Text and files too short to tell are kNone.
Compression CompressionOf(const char* first_bytes, std::size_t bytes);
inline constexpr std::size_t kCompressionMagicBytes = 4;

}  // namespace ps
