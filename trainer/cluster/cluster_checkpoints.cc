#include "trainer/cluster/cluster_checkpoints.h"

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ps/base/status_macros.h"
#include "ps/checkpoint/checkpoint_catalog.h"
#include "ps/checkpoint/manifest.h"

namespace ps {
namespace {

std::string AbsolutePath(const std::string& dir) {
  if (dir.find("://") != std::string::npos) return dir;
  std::error_code error;
  const std::filesystem::path path = std::filesystem::absolute(dir, error);
  return error ? dir : path.string();
}

absl::Status CheckSameJob(const CheckpointStorage& storage, const checkpoint::Manifest& manifest,
                          const SchedulerMachine::Options& options) {
  const std::string where = storage.Describe(ManifestName(manifest.id()));
  const std::string otherwise =
      "; to begin anew, set checkpoint.resume: never or another checkpoint.dir";
  if (manifest.plan_digest() != options.plan_digest) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, " is of the job '", manifest.job(),
                     "' with other data, features or settings: it cannot go on here", otherwise));
  }
  if (manifest.pass() >= options.passes) {
    return absl::InvalidArgumentError(absl::StrCat(where, " is in pass ", manifest.pass() + 1,
                                                   ", but train.passes is ", options.passes,
                                                   otherwise));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status AddCheckpoints(const ClusterJob& job, SchedulerMachine::Options* options) {
  const CheckpointConfig& config = job.config.checkpoint;
  if (config.dir.empty()) return absl::OkStatus();
  const std::string path = AbsolutePath(config.dir);
  PS_ASSIGN_OR_RETURN(const std::shared_ptr<CheckpointStorage> storage,
                      OpenCheckpointStorage(path, config.endpoint));
  options->plan.set_checkpoint_path(path);
  options->plan.set_checkpoint_endpoint(config.endpoint);
  options->checkpointing.every =
      std::chrono::duration_cast<MonotonicTime>(std::chrono::duration<double>(config.every));
  options->checkpointing.full_every = config.full_every;
  PS_ASSIGN_OR_RETURN(const std::vector<std::uint64_t> ids, ListCheckpoints(*storage));
  if (config.resume && !ids.empty()) {
    PS_ASSIGN_OR_RETURN(checkpoint::Manifest manifest, ReadManifest(*storage, ids.back()));
    PS_RETURN_IF_ERROR(CheckSameJob(*storage, manifest, *options));
    options->resume = std::move(manifest);
  }
  PS_ASSIGN_OR_RETURN(const std::uint64_t next_id, NextCheckpointId(*storage));
  options->checkpoints = std::make_shared<ThreadedCheckpointCatalog>(storage, config.keep, next_id);
  return absl::OkStatus();
}

absl::Status ResumeFrom(const ClusterJob& job, std::uint64_t checkpoint,
                        SchedulerMachine::Options* options) {
  options->resume.reset();
  if (checkpoint == 0 || job.config.checkpoint.dir.empty()) return absl::OkStatus();
  PS_ASSIGN_OR_RETURN(
      const std::shared_ptr<CheckpointStorage> storage,
      OpenCheckpointStorage(options->plan.checkpoint_path(), options->plan.checkpoint_endpoint()));
  PS_ASSIGN_OR_RETURN(options->resume, ReadManifest(*storage, checkpoint));
  return absl::OkStatus();
}

absl::StatusOr<CheckpointIo> OpenCheckpointIo(const wire::Plan& plan) {
  PS_ASSIGN_OR_RETURN(const std::shared_ptr<CheckpointStorage> storage,
                      OpenCheckpointStorage(plan.checkpoint_path(), plan.checkpoint_endpoint()));
  return CheckpointIo{std::make_unique<ThreadedCheckpointWriter>(storage),
                      std::make_unique<ThreadedCheckpointLoader>(storage)};
}

absl::Status RemoveCheckpoints(const CheckpointConfig& config) {
  if (config.dir.empty()) return absl::OkStatus();
  PS_ASSIGN_OR_RETURN(const std::shared_ptr<CheckpointStorage> storage,
                      OpenCheckpointStorage(AbsolutePath(config.dir), config.endpoint));
  return RemoveAllCheckpoints(*storage);
}

}  // namespace ps
