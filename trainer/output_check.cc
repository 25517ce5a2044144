#include "trainer/output_check.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "models/bundle/bundle.h"
#include "ps/base/status_macros.h"
#include "ps/checkpoint/checkpoint_storage.h"

namespace ps {
namespace {

namespace fs = std::filesystem;

// Removes in the end what has become a directory since.
class NewDirectories {
 public:
  explicit NewDirectories(const std::string& path) {
    std::error_code error;
    for (fs::path at = fs::absolute(path, error).lexically_normal(); !error && at.has_relative_path();
         at = at.parent_path()) {
      if (fs::exists(fs::symlink_status(at, error)) || at == at.parent_path()) break;
      error.clear();
      absent_.push_back(at.string());
    }
  }
  ~NewDirectories() {
    for (const std::string& path : absent_) ::rmdir(path.c_str());  // fails where others have put something
  }
  NewDirectories(const NewDirectories&) = delete;
  NewDirectories& operator=(const NewDirectories&) = delete;

 private:
  std::vector<std::string> absent_;  // the deepest first
};

bool IsUrl(const std::string& directory) { return absl::StrContains(directory, "://"); }

absl::Status TryCheckpoints(const CheckpointConfig& checkpoint) {
  if (checkpoint.dir.empty()) return absl::OkStatus();
  const absl::StatusOr<std::shared_ptr<CheckpointStorage>> storage =
      OpenCheckpointStorage(checkpoint.dir, checkpoint.endpoint);
  if (!storage.ok()) return storage.status();
  const std::string probe = absl::StrCat("write-test.", ::getpid());
  if (const absl::Status put = WriteObject(**storage, probe, "x"); !put.ok()) {
    const bool elsewhere = absl::IsPermissionDenied(put) || absl::IsNotFound(put) || absl::IsInvalidArgument(put);
    return absl::Status(put.code(), absl::StrCat("checkpoint.dir cannot be written: ", put.message(),
                                                 elsewhere ? "; name a directory or bucket that this job may write to" : ""));
  }
  // Who may not remove keeps old checkpoints, which is said when they are old.
  const absl::Status removed = (*storage)->Remove(probe);
  LOG_IF(WARNING, !removed.ok()) << "checkpoint.dir: " << removed;
  return absl::OkStatus();
}

}  // namespace

absl::Status TryOutput(const OutputConfig& output) {
  const NewDirectories made(output.dir);
  return BundleWriter::Create(output.dir).status();
}

absl::Status TryCheckpointsLeavingNothing(const CheckpointConfig& checkpoint) {
  if (IsUrl(checkpoint.dir)) return TryCheckpoints(checkpoint);
  const NewDirectories made(checkpoint.dir);
  return TryCheckpoints(checkpoint);
}

absl::StatusOr<CheckpointClaim> CheckpointClaim::Take(const JobConfig& job) {
  const std::string& directory = job.checkpoint.dir;
  PS_RETURN_IF_ERROR(TryCheckpoints(job.checkpoint));
  if (directory.empty() || IsUrl(directory) || !job.cluster.state.empty()) return CheckpointClaim(-1);
  CheckpointClaim claim(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (::flock(claim.lock_fd_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    return absl::UnavailableError(absl::StrCat("another job keeps its checkpoints in ", directory));
  return claim;
}

CheckpointClaim::~CheckpointClaim() {
  if (lock_fd_ >= 0) ::close(lock_fd_);
}

}  // namespace ps
