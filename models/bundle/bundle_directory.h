// How a bundle's directory is replaced as a whole. For a target `out/m` the new content is gathered
// in the sibling `out/m.writing` and then exchanged with it in one system call (renameat2,
// RENAME_EXCHANGE), so every reader and every crash finds the old bundle or the new one. File
// systems that cannot exchange get two renames, through `out/m.previous`; a reader that finds no
// target looks there.
//
// One thread. The staging directory is locked (flock) against a second writer, and what a killed
// one left in it is removed by the next. Errors name the path.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ps {

class BundleStaging {
 public:
  // FailedPrecondition: `target` exists and holds anything but a bundle, or lies in another bundle, or
  // what would be written beside it is somebody's own. Unavailable: another writer is at it.
  static absl::StatusOr<std::unique_ptr<BundleStaging>> Create(const std::string& target);
  ~BundleStaging();  // removes what was not published
  BundleStaging(const BundleStaging&) = delete;
  BundleStaging& operator=(const BundleStaging&) = delete;

  const std::string& path() const { return path_; }
  // Puts the staged files, which are synced already, in the place of the target.
  absl::Status Publish();

 private:
  BundleStaging(std::string target, std::string path) : target_(target), path_(path) {}
  absl::Status Lock();

  const std::string target_;
  const std::string path_;
  int lock_fd_ = -1;
  bool published_ = false;
};

// Without trailing slashes. InvalidArgument for a path that cannot have siblings ("", "/", "." and
// the like).
absl::StatusOr<std::string> BundlePath(std::string path);

// Where the bundle of `target` is now: `target`, or `target`.previous after a crash between two
// renames. NotFound when neither holds a manifest.
absl::StatusOr<std::string> LocateBundle(const std::string& target);

// The way for file systems without an exchange: target to previous, staged to target.
absl::Status ReplaceByTwoRenames(const std::string& staged, const std::string& target);

}  // namespace ps
