// A file opened for reading at offsets. Reads may come from many threads at once (pread moves no
// shared position). Owns the descriptor. Errors name the path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace ps {

class InputFile {
 public:
  // NotFound or PermissionDenied as the system says; a directory is InvalidArgument.
  static absl::StatusOr<InputFile> Open(const std::string& path);

  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&& other) noexcept;
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  ~InputFile();

  // Fills `out` from `offset` on; fewer than `bytes` are returned only at the end of the file.
  absl::StatusOr<std::size_t> ReadAt(std::uint64_t offset, char* out, std::size_t bytes) const;

  const std::string& path() const { return path_; }
  std::uint64_t bytes() const { return bytes_; }  // when it was opened

 private:
  InputFile(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}

  std::string path_;
  int descriptor_ = -1;
  std::uint64_t bytes_ = 0;
};

}  // namespace ps
