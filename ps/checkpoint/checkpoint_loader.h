// How a shard gets slots back from a checkpoint without waiting: it requests and polls, a thread of
// its own reads. Any server may load any slot: what lies in a file has nothing to do with who holds
// it now.
//
// Calls never block on storage; one caller thread an object.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "ps/checkpoint/checkpoint_storage.h"
#include "ps/checkpoint/manifest.h"
#include "ps/checkpoint/slot_file.h"

namespace ps {

class CheckpointLoader {
 public:
  struct Loaded {
    std::uint64_t checkpoint = 0;
    SlotIndex slot = 0;
    absl::StatusOr<std::string> image;  // EncodeSlotImage's
  };
  virtual ~CheckpointLoader() = default;

  // Every request is answered once by Poll, in order.
  virtual void Request(std::uint64_t checkpoint, SlotIndex slot) = 0;
  virtual std::optional<Loaded> Poll() = 0;
};

// Slots of checkpoints, one after the other; keeps the manifest and the open files of the
// checkpoint read last. Blocking, one thread.
class CheckpointReader {
 public:
  explicit CheckpointReader(CheckpointStorage& storage) : storage_(storage) {}
  absl::StatusOr<std::string> ReadSlot(std::uint64_t checkpoint, SlotIndex slot);

 private:
  CheckpointStorage& storage_;
  checkpoint::Manifest manifest_;
  std::map<std::uint32_t, std::unique_ptr<SlotFileReader>> files_;
};

// Reads in a thread; it stops reading while more than `queue_bytes` of images wait to be polled.
class ThreadedCheckpointLoader : public CheckpointLoader {
 public:
  explicit ThreadedCheckpointLoader(std::shared_ptr<CheckpointStorage> storage,
                                    std::size_t queue_bytes = std::size_t{64} << 20);
  ~ThreadedCheckpointLoader() override;

  void Request(std::uint64_t checkpoint, SlotIndex slot) override;
  std::optional<Loaded> Poll() override;

 private:
  void Run();

  const std::shared_ptr<CheckpointStorage> storage_;
  const std::size_t queue_bytes_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::pair<std::uint64_t, SlotIndex>> requests_;  // protected by mutex_
  std::deque<Loaded> loaded_;                                 // protected by mutex_
  std::size_t waiting_bytes_ = 0;                             // protected by mutex_
  bool stopping_ = false;                                     // protected by mutex_

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace ps
