#include "trainer/cluster/cluster_checkpoints.h"

#include <xxhash.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ps/base/status_macros.h"
#include "ps/checkpoint/checkpoint_catalog.h"
#include "ps/checkpoint/manifest.h"

namespace ps {
namespace {

// Of all that decides what the rows of a chunk are and what learning them does.
std::string DigestOf(const SchedulerMachine::Options& options) {
  std::string bytes = options.plan.SerializeAsString();
  for (const FileRange& chunk : options.chunks) {
    absl::StrAppend(&bytes, " ", chunk.file, ":", chunk.begin, "-", chunk.end);
  }
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return absl::StrFormat("%016x%016x", hash.high64, hash.low64);
}

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
  options->plan_digest = DigestOf(*options);
  options->job_name = job.config.job;
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
