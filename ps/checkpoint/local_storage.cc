#include "ps/checkpoint/local_storage.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ps/base/file.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

namespace fs = std::filesystem;

constexpr char kWriting[] = ".writing.";
// Dirty pages beyond this are sent to the disk at once, so that the last fsync is short and the
// page cache stays for the data that is being read.
constexpr std::uint64_t kFlushBytes = std::uint64_t{8} << 20;

class LocalWriter : public ObjectWriter {
 public:
  LocalWriter(std::string path, std::string temporary, int fd)
      : path_(std::move(path)), temporary_(std::move(temporary)), fd_(fd) {}
  ~LocalWriter() override {
    if (fd_ >= 0) ::close(fd_);
    if (!finished_) ::unlink(temporary_.c_str());
  }

  absl::Status Append(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
      if (written < 0) {
        if (errno == EINTR) continue;
        return FileError("write", temporary_, errno);
      }
      bytes.remove_prefix(static_cast<std::size_t>(written));
      written_ += static_cast<std::uint64_t>(written);
    }
    if (written_ - flushed_ >= kFlushBytes) {
      // Starts writing; waits only for what was started the last time. A hint: fsync tells of
      // failures.
      (void)::sync_file_range(fd_, static_cast<off64_t>(flushed_),
                              static_cast<off64_t>(written_ - flushed_), SYNC_FILE_RANGE_WRITE);
      flushed_ = written_;
    }
    return absl::OkStatus();
  }

  absl::Status Finish() override {
    if (::fsync(fd_) != 0) return FileError("fsync", temporary_, errno);
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
      return FileError("rename to", path_, errno);
    }
    finished_ = true;
    return SyncDirectory(fs::path(path_).parent_path().string());
  }

 private:
  const std::string path_;
  const std::string temporary_;
  const int fd_;
  std::uint64_t written_ = 0;
  std::uint64_t flushed_ = 0;
  bool finished_ = false;
};

// Reads from `offset` until `bytes` is full or the file ends; returns how much.
absl::StatusOr<std::size_t> ReadRange(const std::string& path, std::uint64_t offset,
                                      std::string& bytes) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return FileError("open", path, errno);
  std::size_t filled = 0;
  absl::Status failed;
  while (filled < bytes.size()) {
    const ssize_t got = ::pread(fd, bytes.data() + filled, bytes.size() - filled,
                                static_cast<off_t>(offset + filled));
    if (got == 0) break;
    if (got > 0) {
      filled += static_cast<std::size_t>(got);
    } else if (errno != EINTR) {
      failed = FileError("read", path, errno);
      break;
    }
  }
  ::close(fd);
  if (!failed.ok()) return failed;
  return filled;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ObjectWriter>> LocalStorage::Create(const std::string& name) {
  static std::atomic<unsigned> writers{0};
  const std::string path = Describe(name);
  PS_RETURN_IF_ERROR(MakeParentDirs(path));
  const std::string temporary = absl::StrCat(path, kWriting, ::getpid(), ".", writers.fetch_add(1));
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return FileError("create", temporary, errno);
  return std::make_unique<LocalWriter>(path, temporary, fd);
}

absl::StatusOr<std::string> LocalStorage::Read(const std::string& name, std::uint64_t offset,
                                               std::uint64_t bytes) {
  const std::string path = Describe(name);
  std::error_code error;
  const std::uint64_t size = fs::file_size(path, error);
  if (error) return FileError("open", path, error.value());
  // Before memory is taken: sizes come from files too.
  if (offset > size || bytes > size - offset) {
    return absl::DataLossError(absl::StrCat(path, ": offset ", size, ": ends here, but ", bytes,
                                            " bytes are needed from offset ", offset));
  }
  std::string content(bytes, '\0');
  PS_ASSIGN_OR_RETURN(const std::size_t got, ReadRange(path, offset, content));
  if (got == bytes) return content;
  return absl::DataLossError(absl::StrCat(path, ": offset ", offset + got, ": ends here"));
}

absl::StatusOr<std::string> LocalStorage::ReadAll(const std::string& name) {
  return ReadWholeFile(Describe(name));
}

absl::StatusOr<std::vector<StoredObject>> LocalStorage::List(const std::string& prefix) {
  std::vector<StoredObject> objects;
  std::error_code error;
  fs::recursive_directory_iterator at(directory_ + "/" + prefix, error), end;
  if (error == std::errc::no_such_file_or_directory) return objects;
  for (; !error && at != end; at.increment(error)) {
    const std::string path = at->path().string();
    std::error_code gone;  // removed meanwhile
    if (absl::StrContains(path, kWriting) || !at->is_regular_file(gone)) continue;
    const std::uint64_t bytes = at->file_size(gone);
    if (!gone) objects.push_back({fs::relative(path, directory_).string(), bytes});
  }
  if (error) return FileError("list", directory_, error.value());
  std::sort(objects.begin(), objects.end(),
            [](const StoredObject& a, const StoredObject& b) { return a.name < b.name; });
  return objects;
}

absl::Status LocalStorage::Remove(const std::string& name) {
  const std::string path = Describe(name);
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return FileError("remove", path, errno);
}

}  // namespace ps
