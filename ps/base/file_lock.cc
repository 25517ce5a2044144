#include "ps/base/file_lock.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "ps/base/file.h"

namespace ps {

bool SameFile(int fd, const std::string& path) {
  struct stat open_file, named;
  return ::fstat(fd, &open_file) == 0 && ::stat(path.c_str(), &named) == 0 &&
         open_file.st_dev == named.st_dev && open_file.st_ino == named.st_ino;
}

absl::StatusOr<FileLock> FileLock::Take(const std::string& path) {
  // One that has just ended may remove the file between opening and locking.
  constexpr int kTries = 3;
  for (int i = 0; i < kTries; ++i) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) return FileError("open", path, errno);
    FileLock lock(path, fd);
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return FileError("lock", path, errno);
      char holder[32] = {};
      if (::read(fd, holder, sizeof holder - 1) < 0) holder[0] = 0;
      return absl::AlreadyExistsError(absl::StrCat(path, " is locked by process ", absl::StripAsciiWhitespace(holder)));
    }
    if (!lock.StillOurs()) continue;
    const std::string pid = absl::StrCat(::getpid(), "\n");
    // Of interest to people only, so a full disk does not matter here.
    if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, pid.data(), pid.size(), 0) < 0) LOG(WARNING) << FileError("write", path, errno);
    return lock;
  }
  return absl::AlreadyExistsError(absl::StrCat(path, " is replaced again and again while it is locked"));
}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

bool FileLock::StillOurs() const { return SameFile(fd_, path_); }

void FileLock::Remove() {
  if (fd_ >= 0 && StillOurs()) ::unlink(path_.c_str());
}

}  // namespace ps
