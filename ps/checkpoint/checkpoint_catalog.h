// Which checkpoints there are, as the scheduler keeps it: a manifest is committed without waiting,
// in a thread of its own, and old ones are thinned out after it. An interface, so that a simulation
// can do it inline.
//
// Calls never block on storage; one caller thread an object.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "absl/status/status.h"
#include "ps/checkpoint/checkpoint.pb.h"
#include "ps/checkpoint/checkpoint_storage.h"

namespace ps {

class CheckpointCatalog {
 public:
  virtual ~CheckpointCatalog() = default;

  // Ids of an interrupted checkpoint are not given again.
  virtual std::uint64_t NextId() = 0;
  // At most one is on its way: not before Poll has answered the one before. The checkpoint `in_use`
  // is not thinned out; 0: there is none.
  virtual void Commit(const checkpoint::Manifest& manifest, std::uint64_t in_use) = 0;
  // The answer to Commit: the checkpoint exists, or it does not.
  virtual std::optional<absl::Status> Poll() = 0;
};

class ThreadedCheckpointCatalog : public CheckpointCatalog {
 public:
  // Keeps the newest `keep` checkpoints. `next_id` is NextCheckpointId's answer.
  ThreadedCheckpointCatalog(std::shared_ptr<CheckpointStorage> storage, int keep,
                            std::uint64_t next_id);
  ~ThreadedCheckpointCatalog() override;  // waits for the call in progress

  std::uint64_t NextId() override { return next_id_++; }
  void Commit(const checkpoint::Manifest& manifest, std::uint64_t in_use) override;
  std::optional<absl::Status> Poll() override;

 private:
  void Run();

  const std::shared_ptr<CheckpointStorage> storage_;
  const int keep_;
  std::uint64_t next_id_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::optional<checkpoint::Manifest> manifest_;  // protected by mutex_
  std::uint64_t in_use_ = 0;                      // protected by mutex_
  std::optional<absl::Status> answer_;            // protected by mutex_
  bool stopping_ = false;                         // protected by mutex_

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace ps
