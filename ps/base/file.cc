#include "ps/base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }

 private:
  const int fd_;
};

std::string DirectoryOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status WriteAll(int fd, const std::string& path, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return FileError("write", path, errno);
    }
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status WriteAndSync(const std::string& path, const std::vector<std::string_view>& pieces) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!file.ok()) return FileError("create", path, errno);
  for (const std::string_view piece : pieces) PS_RETURN_IF_ERROR(WriteAll(file.get(), path, piece));
  if (::fsync(file.get()) != 0) return FileError("fsync", path, errno);
  return absl::OkStatus();
}

}  // namespace

absl::Status FileError(const char* action, const std::string& path, int error_number) {
  const std::string message =
      absl::StrCat(action, " ", path, ": ", std::system_category().message(error_number));
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return absl::ResourceExhaustedError(message);
    default:
      return absl::UnavailableError(message);
  }
}

absl::StatusOr<std::string> ReadWholeFile(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.ok()) return FileError("open", path, errno);
  struct stat info;
  if (::fstat(file.get(), &info) != 0) return FileError("stat", path, errno);
  // The size is a hint: files of /proc say 0, and another process may be appending.
  std::string content;
  std::size_t filled = 0;
  content.resize(static_cast<std::size_t>(info.st_size) + 1);
  for (;;) {
    if (filled == content.size()) content.resize(content.size() * 2 + 4096);
    const ssize_t got = ::read(file.get(), content.data() + filled, content.size() - filled);
    if (got < 0) {
      if (errno == EINTR) continue;
      return FileError("read", path, errno);
    }
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  content.resize(filled);
  return content;
}

absl::Status WriteFileAtomically(const std::string& path, std::string_view content) {
  return WriteFileAtomically(path, std::vector<std::string_view>{content});
}

absl::Status WriteFileAtomically(const std::string& path,
                                 const std::vector<std::string_view>& pieces) {
  // The name is unlike any other writer's, in this process or another.
  static std::atomic<unsigned> writes{0};
  const std::string temporary = absl::StrCat(path, ".tmp.", ::getpid(), ".", writes.fetch_add(1));
  absl::Status status = WriteAndSync(temporary, pieces);
  if (status.ok() && ::rename(temporary.c_str(), path.c_str()) != 0) {
    status = FileError("rename to", path, errno);
  }
  if (!status.ok()) {
    ::unlink(temporary.c_str());
    return status;
  }
  return SyncDirectory(DirectoryOf(path));
}

absl::Status SyncDirectory(const std::string& directory) {
  const Descriptor handle(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!handle.ok()) return FileError("open directory", directory, errno);
  // Some network and overlay file systems refuse to sync a directory; nothing can be done there.
  if (::fsync(handle.get()) != 0 && errno != EINVAL && errno != ENOTSUP) {
    return FileError("fsync directory", directory, errno);
  }
  return absl::OkStatus();
}

absl::Status MakeDirs(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return FileError("create directory", directory, error.value());
  return absl::OkStatus();
}

absl::Status MakeParentDirs(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? absl::OkStatus() : MakeDirs(parent);
}

absl::Status RemoveTree(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) return FileError("remove", path, error.value());
  return absl::OkStatus();
}

absl::StatusOr<MappedFile> MappedFile::Open(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.ok()) return FileError("open", path, errno);
  struct stat info;
  if (::fstat(file.get(), &info) != 0) return FileError("stat", path, errno);
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat("map ", path, ": not a regular file"));
  }
  const std::size_t size = static_cast<std::size_t>(info.st_size);
  if (size == 0) return MappedFile(nullptr, 0);  // mmap refuses an empty range
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (data == MAP_FAILED) return FileError("map", path, errno);
  return MappedFile(static_cast<const char*>(data), size);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<char*>(data_), size_);
}

void MappedFile::ExpectSequentialRead() const {
  if (data_ != nullptr) ::madvise(const_cast<char*>(data_), size_, MADV_SEQUENTIAL);
}

bool LiesIn(const std::string& path, const std::string& directory) {
  if (path.empty() || path.find("://") != std::string::npos) return false;
  // A last slash would be a last, empty part.
  const auto whole = [](const std::string& name) {
    std::error_code error;
    std::filesystem::path at = std::filesystem::weakly_canonical(std::filesystem::absolute(name, error), error);
    return at.has_filename() ? at : at.parent_path();
  };
  const std::filesystem::path at = whole(path), root = whole(directory);
  return std::mismatch(root.begin(), root.end(), at.begin(), at.end()).first == root.end();
}

}  // namespace ps
