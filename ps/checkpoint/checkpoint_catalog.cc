#include "ps/checkpoint/checkpoint_catalog.h"

#include <utility>

#include "glog/logging.h"
#include "ps/checkpoint/manifest.h"

namespace ps {

ThreadedCheckpointCatalog::ThreadedCheckpointCatalog(std::shared_ptr<CheckpointStorage> storage,
                                                     int keep, std::uint64_t next_id)
    : storage_(std::move(storage)), keep_(keep), next_id_(next_id), thread_([this] { Run(); }) {}

ThreadedCheckpointCatalog::~ThreadedCheckpointCatalog() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void ThreadedCheckpointCatalog::Commit(const checkpoint::Manifest& manifest, std::uint64_t in_use) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    manifest_ = manifest;
    in_use_ = in_use;
  }
  wake_.notify_one();
}

std::optional<absl::Status> ThreadedCheckpointCatalog::Poll() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(answer_, std::nullopt);
}

void ThreadedCheckpointCatalog::Run() {
  for (;;) {
    checkpoint::Manifest manifest;
    std::uint64_t in_use = 0;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || manifest_.has_value(); });
      if (!manifest_.has_value()) return;  // one that was handed over is still written
      manifest = *std::exchange(manifest_, std::nullopt);
      in_use = in_use_;
    }
    absl::Status written = WriteManifest(*storage_, manifest);
    if (written.ok()) {
      const absl::Status removed = RemoveOldCheckpoints(*storage_, keep_, in_use);
      if (!removed.ok()) LOG(WARNING) << "old checkpoints stay: " << removed;
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    answer_ = std::move(written);
  }
}

}  // namespace ps
