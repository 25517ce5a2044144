#include "trainer/output_check.h"

#include <glog/logging.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "models/bundle/bundle.h"
#include "ps/base/file.h"
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

constexpr std::chrono::seconds kClaimWait{3};

bool IsUrl(const std::string& directory) { return absl::StrContains(directory, "://"); }

bool IsClaimed(const JobConfig& job) {
  return !job.checkpoint.dir.empty() && !IsUrl(job.checkpoint.dir) && job.cluster.state.empty();
}

std::string LockPath(const JobConfig& job) { return job.checkpoint.dir + "/lock"; }

absl::Status NotClaimed(const absl::Status& status) {
  if (!absl::IsAlreadyExists(status)) return status;
  return absl::UnavailableError(absl::StrCat("another job keeps its checkpoints there: ", status.message()));
}

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

ExitCode OutputExitCode(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kResourceExhausted: return ExitCode::kImpossible;
    case absl::StatusCode::kUnavailable: return ExitCode::kTryAgain;
    default: return ExitCode::kConfiguration;
  }
}

absl::Status CheckInputsStay(const std::string& job_file, const PreparedJob& job) {
  const std::string& output = job.config.output.dir;
  const auto check = [&output](const char* what, const std::string& path) {
    if (!LiesIn(path, output)) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(what, " ", path, " lies in output.dir (", output,
                                                   "), which the job would replace, and the file with it: copy it "
                                                   "elsewhere, or give --set output.dir=ANOTHER"));
  };
  PS_RETURN_IF_ERROR(check("the job file", job_file));
  for (const DataFiles* files : {&job.train, job.valid ? &*job.valid : nullptr, job.test ? &*job.test : nullptr}) {
    if (files == nullptr) continue;
    for (const DataFile& file : files->files()) PS_RETURN_IF_ERROR(check("the data file", file.path));
  }
  return absl::OkStatus();
}

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
  PS_RETURN_IF_ERROR(TryCheckpoints(job.checkpoint));
  if (!IsClaimed(job)) return CheckpointClaim(std::nullopt);
  const auto deadline = std::chrono::steady_clock::now() + kClaimWait;
  while (true) {
    absl::StatusOr<FileLock> lock = FileLock::Take(LockPath(job));
    if (lock.ok()) return CheckpointClaim(*std::move(lock));
    if (!absl::IsAlreadyExists(lock.status()) || std::chrono::steady_clock::now() > deadline)
      return NotClaimed(lock.status());
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

CheckpointClaim::~CheckpointClaim() {
  if (lock_) lock_->Remove();
}

absl::Status TryClaim(const JobConfig& job) {
  std::error_code error;
  if (!IsClaimed(job) || !fs::exists(LockPath(job), error)) return absl::OkStatus();
  absl::StatusOr<FileLock> lock = FileLock::Take(LockPath(job));
  if (!lock.ok()) return NotClaimed(lock.status());
  lock->Remove();  // a dead process left it
  return absl::OkStatus();
}

}  // namespace ps
