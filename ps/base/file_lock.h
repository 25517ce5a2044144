// A file that one process has at a time: a lock (flock) that the kernel releases when the process dies. The file says
// which process holds it, for people. File systems over a network hand locks on files, unlike those on directories, to
// their server. Blocking calls only where said; one thread.
#pragma once

#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace ps {

class FileLock {
 public:
  // Creates the file where there is none. AlreadyExists: another process holds it, and the message says which. Else as
  // FileError.
  static absl::StatusOr<FileLock> Take(const std::string& path);
  FileLock(FileLock&& other) noexcept : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

  // False once somebody has removed or replaced the file.
  bool StillOurs() const;
  // Removes the file; it stays locked until the end.
  void Remove();

 private:
  FileLock(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::string path_;
  int fd_;
};

// Whether the path still names the open file.
bool SameFile(int fd, const std::string& path);

}  // namespace ps
