// A file written front to back through a buffer, with a running CRC-32C of the current section.
// One thread; owns its descriptor. Errors name the path.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ps {

class SectionFile {
 public:
  // The file must not exist.
  static absl::StatusOr<std::unique_ptr<SectionFile>> Create(const std::string& path);
  ~SectionFile();
  SectionFile(const SectionFile&) = delete;
  SectionFile& operator=(const SectionFile&) = delete;

  absl::Status Append(std::string_view bytes);
  // Zeros up to the next multiple of `alignment`; the checksum starts again there.
  void BeginSection(std::uint64_t alignment);
  std::uint32_t section_crc32c() const { return crc32c_; }
  std::uint64_t offset() const { return written_ + buffer_.size(); }

  absl::Status Flush();
  absl::Status OverwriteFront(std::string_view bytes);  // of what has been flushed
  absl::Status Sync();

 private:
  explicit SectionFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  const std::string path_;
  const int fd_;
  std::string buffer_;
  std::uint64_t written_ = 0;
  std::uint32_t crc32c_ = 0;
};

}  // namespace ps
