#include "models/bundle/section_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "ps/base/crc32c.h"
#include "ps/base/file.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr std::size_t kBufferBytes = 1 << 20;

}  // namespace

absl::StatusOr<std::unique_ptr<SectionFile>> SectionFile::Create(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) return FileError("create", path, errno);
  return std::unique_ptr<SectionFile>(new SectionFile(path, fd));
}

SectionFile::~SectionFile() { ::close(fd_); }

absl::Status SectionFile::Append(std::string_view bytes) {
  crc32c_ = ExtendCrc32c(crc32c_, bytes);
  buffer_.append(bytes);
  return buffer_.size() < kBufferBytes ? absl::OkStatus() : Flush();
}

void SectionFile::BeginSection(std::uint64_t alignment) {
  buffer_.append((alignment - offset() % alignment) % alignment, '\0');
  crc32c_ = 0;
}

absl::Status SectionFile::Flush() {
  std::string_view left = buffer_;
  while (!left.empty()) {
    const ssize_t wrote = ::write(fd_, left.data(), left.size());
    if (wrote < 0) {
      if (errno == EINTR) continue;
      return FileError("write", path_, errno);
    }
    left.remove_prefix(static_cast<std::size_t>(wrote));
    written_ += static_cast<std::uint64_t>(wrote);
  }
  buffer_.clear();
  return absl::OkStatus();
}

absl::Status SectionFile::OverwriteFront(std::string_view bytes) {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t wrote =
        ::pwrite(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (wrote < 0) {
      if (errno == EINTR) continue;
      return FileError("write", path_, errno);
    }
    done += static_cast<std::size_t>(wrote);
  }
  return absl::OkStatus();
}

absl::Status SectionFile::Sync() {
  if (::fsync(fd_) != 0) return FileError("fsync", path_, errno);
  return absl::OkStatus();
}

}  // namespace ps
