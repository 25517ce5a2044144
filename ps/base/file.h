// Whole files on a local file system: read, replaced atomically, mapped read-only; and directories.
//
// Every function may be called from any thread; two writers of one path need their own agreement.
// Sizes are bytes. Errors name the path, the system call that failed and the reason: kNotFound when
// the path does not exist, kPermissionDenied, kResourceExhausted (disk full), else kUnavailable.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ps {

absl::StatusOr<std::string> ReadWholeFile(const std::string& path);

// Writes a temporary file beside `path`, syncs it, renames it over `path` and syncs the directory:
// after a crash a reader finds either the old content or the new one, whole.
absl::Status WriteFileAtomically(const std::string& path, std::string_view content);
// The same of a content that lies in pieces.
absl::Status WriteFileAtomically(const std::string& path,
                                 const std::vector<std::string_view>& pieces);

// Makes what was renamed, created or removed in a directory survive a crash.
absl::Status SyncDirectory(const std::string& directory);

absl::Status MakeDirs(const std::string& directory);  // with its parents; fine when it exists
// Whether what a path names, whether it is there or not, is in a directory or below it, or is that itself, links followed.
// False of an empty path and of a URL.
bool LiesIn(const std::string& path, const std::string& directory);

absl::Status MakeParentDirs(const std::string& path);  // those that the file lies in
absl::Status RemoveTree(const std::string& path);     // fine when it does not exist

// The status for a failed system call: "<action> <path>: <text of error_number>".
absl::Status FileError(const char* action, const std::string& path, int error_number);

// A file mapped read-only. The bytes stay valid until the object dies, even if the path is removed
// or replaced; shortening the file in place under a mapping is the writer's bug (SIGBUS), which
// WriteFileAtomically never does.
class MappedFile {
 public:
  static absl::StatusOr<MappedFile> Open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  // Empty for an empty file. The start is page aligned.
  std::string_view bytes() const { return {data_, size_}; }

  // Tells the kernel that the bytes will be read once, from the front to the back.
  void ExpectSequentialRead() const;

 private:
  MappedFile(const char* data, std::size_t size) : data_(data), size_(size) {}

  const char* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace ps
