#include "models/bundle/bundle_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "models/bundle/manifest.h"
#include "ps/base/file.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

namespace fs = std::filesystem;

// Says that a directory is a writer's, so that what a crash left there may be removed.
constexpr char kMarkName[] = ".unfinished_bundle";

std::string WritingPath(const std::string& target) { return target + ".writing"; }
std::string PreviousPath(const std::string& target) { return target + ".previous"; }

std::string ParentOf(const std::string& path) {
  const fs::path parent = fs::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

bool Exists(const std::string& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

absl::StatusOr<std::vector<std::string>> EntriesOf(const std::string& directory) {
  std::error_code error;
  std::vector<std::string> names;
  fs::directory_iterator entry(directory, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error) return FileError("list", directory, error.value());
  return names;
}

// Replacing removes what is there, so only an empty directory and the files that a manifest lists
// may be.
absl::Status CheckReplaceable(const std::string& target) {
  std::error_code error;
  if (!fs::is_directory(target, error)) {
    return absl::FailedPreconditionError(absl::StrCat(target, " exists and is not a directory"));
  }
  PS_ASSIGN_OR_RETURN(const std::vector<std::string> names, EntriesOf(target));
  if (names.empty()) return absl::OkStatus();
  const std::string advice = "; choose another directory or remove this one";
  const std::string manifest_path = absl::StrCat(target, "/", kManifestName);
  if (!Exists(manifest_path)) {
    return absl::FailedPreconditionError(
        absl::StrCat(target, " is not empty and not a model bundle", advice));
  }
  PS_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(manifest_path));
  const absl::StatusOr<Manifest> manifest = ParseManifest(manifest_path, text);
  if (!manifest.ok()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "will not replace a bundle that cannot be read: ", std::string(manifest.status().message()),
        advice));
  }
  for (const std::string& name : names) {
    if (name != kManifestName && manifest->files.count(name) == 0) {
      return absl::FailedPreconditionError(absl::StrCat(
          target, " holds ", name, ", which does not belong to the model bundle there", advice));
    }
  }
  return absl::OkStatus();
}

// A bundle that holds anything else is not replaced: one within it would be its last version. Of a directory that
// another program calls its manifest's, nothing is said.
absl::Status CheckOutsideOfBundles(const std::string& target) {
  std::error_code error;
  const fs::path parent = fs::weakly_canonical(fs::absolute(ParentOf(target)), error);
  if (error) return absl::OkStatus();  // making the directory says what is wrong
  for (fs::path at = parent;; at = at.parent_path()) {
    const std::string manifest_path = (at / kManifestName).string();
    if (Exists(manifest_path)) {
      const absl::StatusOr<std::string> text = ReadWholeFile(manifest_path);
      if (text.ok() && ParseManifest(manifest_path, *text).ok()) {
        return absl::FailedPreconditionError(absl::StrCat(target, " lies in the model bundle ", at.string(),
                                                          ", which could not be replaced any more: choose a directory "
                                                          "that is in no model"));
      }
    }
    if (at == at.root_path()) return absl::OkStatus();
  }
}

// What is not a writer's own is not removed.
absl::Status CheckLeftOver(const std::string& writing) {
  if (!Exists(writing)) return absl::OkStatus();
  std::error_code error;
  if (fs::is_directory(writing, error)) {
    PS_ASSIGN_OR_RETURN(const std::vector<std::string> names, EntriesOf(writing));
    // Without its mark a bundle was whole, and about to be published.
    if (names.empty() || Exists(absl::StrCat(writing, "/", kMarkName)) || CheckReplaceable(writing).ok())
      return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      writing, " is where the model would be written, and holds what no writer left there; move it away, or choose another directory"));
}

absl::Status Rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
  return FileError(absl::StrCat("rename ", from, " to").c_str(), to, errno);
}

// Undoes or completes what a crash between two renames left.
absl::Status Recover(const std::string& target) {
  const std::string previous = PreviousPath(target);
  if (!Exists(previous) || !CheckReplaceable(previous).ok()) return absl::OkStatus();  // somebody's own
  return Exists(target) ? RemoveTree(previous) : Rename(previous, target);
}

}  // namespace

absl::StatusOr<std::string> BundlePath(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const std::string name = fs::path(path).filename().string();
  if (name.empty() || name == "." || name == "..") {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", path, "\" cannot name a model bundle: it has no name of its own"));
  }
  return path;
}

absl::StatusOr<std::string> LocateBundle(const std::string& target) {
  for (const std::string& candidate : {target, PreviousPath(target)}) {
    if (Exists(absl::StrCat(candidate, "/", kManifestName))) return candidate;
    if (Exists(target)) break;
  }
  return absl::NotFoundError(
      absl::StrCat(target, Exists(target) ? " is not a model bundle: it has no manifest.json"
                                          : " does not exist"));
}

absl::Status ReplaceByTwoRenames(const std::string& staged, const std::string& target) {
  const std::string previous = PreviousPath(target);
  PS_RETURN_IF_ERROR(Rename(target, previous));
  if (const absl::Status status = Rename(staged, target); !status.ok()) {
    Rename(previous, target).IgnoreError();  // the first error is the one to report
    return status;
  }
  PS_RETURN_IF_ERROR(SyncDirectory(ParentOf(target)));
  return RemoveTree(previous);
}

absl::StatusOr<std::unique_ptr<BundleStaging>> BundleStaging::Create(const std::string& directory) {
  PS_ASSIGN_OR_RETURN(const std::string target, BundlePath(directory));
  PS_RETURN_IF_ERROR(CheckOutsideOfBundles(target));
  PS_RETURN_IF_ERROR(MakeDirs(ParentOf(target)));
  PS_RETURN_IF_ERROR(CheckLeftOver(WritingPath(target)));
  std::unique_ptr<BundleStaging> staging(new BundleStaging(target, WritingPath(target)));
  PS_RETURN_IF_ERROR(staging->Lock());
  PS_RETURN_IF_ERROR(Recover(target));
  if (Exists(target)) PS_RETURN_IF_ERROR(CheckReplaceable(target));
  PS_ASSIGN_OR_RETURN(const std::vector<std::string> leftovers, EntriesOf(staging->path_));
  for (const std::string& name : leftovers) {
    if (name != kMarkName) PS_RETURN_IF_ERROR(RemoveTree(absl::StrCat(staging->path_, "/", name)));
  }
  return staging;
}

absl::Status BundleStaging::Lock() {
  PS_RETURN_IF_ERROR(MakeDirs(path_));
  const int fd = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return FileError("open directory", path_, errno);
  struct stat locked, named;
  // Between opening and locking, the other writer may have published the directory that was opened.
  const bool ours = ::flock(fd, LOCK_EX | LOCK_NB) == 0 && ::fstat(fd, &locked) == 0 &&
                    ::stat(path_.c_str(), &named) == 0 && locked.st_ino == named.st_ino &&
                    locked.st_dev == named.st_dev;
  if (!ours) {
    ::close(fd);
    return absl::UnavailableError(absl::StrCat("another process is writing ", path_));
  }
  lock_fd_ = fd;
  const int mark = ::open(absl::StrCat(path_, "/", kMarkName).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (mark < 0) return FileError("create", absl::StrCat(path_, "/", kMarkName), errno);
  ::close(mark);
  return absl::OkStatus();
}

BundleStaging::~BundleStaging() {
  if (lock_fd_ < 0) return;
  if (!published_) RemoveTree(path_).IgnoreError();  // the next writer removes it too
  ::close(lock_fd_);
}

absl::Status BundleStaging::Publish() {
  PS_RETURN_IF_ERROR(RemoveTree(absl::StrCat(path_, "/", kMarkName)));
  PS_RETURN_IF_ERROR(SyncDirectory(path_));
  if (!Exists(target_)) {
    PS_RETURN_IF_ERROR(Rename(path_, target_));
  } else {
    PS_RETURN_IF_ERROR(CheckReplaceable(target_));  // it may have changed since Create
    if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) == 0) {
      PS_RETURN_IF_ERROR(RemoveTree(path_));  // the old bundle
    } else if (errno == EINVAL || errno == ENOSYS || errno == ENOTSUP) {
      PS_RETURN_IF_ERROR(ReplaceByTwoRenames(path_, target_));
    } else {
      return FileError(absl::StrCat("exchange ", path_, " with").c_str(), target_, errno);
    }
  }
  published_ = true;
  return SyncDirectory(ParentOf(target_));
}

}  // namespace ps
