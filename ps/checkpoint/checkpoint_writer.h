// How a shard hands its slots to storage, and gets them back, without waiting: the single-threaded
// machine submits and polls, a thread of its own does the input and output. Interfaces, so that a
// simulation can do it inline.
//
// Calls never block on storage; one caller thread an object.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "ps/checkpoint/checkpoint_storage.h"
#include "ps/checkpoint/slot_file.h"

namespace ps {

class CheckpointWriter {
 public:
  // The end of a checkpoint's file: it is durable, or (not OK) there is none and the rest is
  // ignored.
  struct Event {
    std::uint64_t checkpoint = 0;
    absl::Status status;
    SlotFileInfo file;
  };
  virtual ~CheckpointWriter() = default;

  // Begins a file. One that is not finished is abandoned, without an event.
  virtual void Begin(const SlotFileHeader& header) = 0;
  // False: too much is waiting to be written; submit it again later. Otherwise the image is taken.
  virtual bool Submit(SlotIndex slot, const SlotVersion& version, std::string&& image) = 0;
  // After the last slot. The event says when the file is there.
  virtual void Finish() = 0;
  // Abandons the file being written.
  virtual void Abort() = 0;
  virtual std::optional<Event> Poll() = 0;
};

// Writes in a thread. At most `queue_bytes` of images wait, or one image if it is larger.
class ThreadedCheckpointWriter : public CheckpointWriter {
 public:
  explicit ThreadedCheckpointWriter(std::shared_ptr<CheckpointStorage> storage,
                                    std::size_t queue_bytes = std::size_t{64} << 20);
  ~ThreadedCheckpointWriter()
      override;  // abandons what is not finished; waits for the call in progress

  void Begin(const SlotFileHeader& header) override;
  bool Submit(SlotIndex slot, const SlotVersion& version, std::string&& image) override;
  void Finish() override;
  void Abort() override;
  std::optional<Event> Poll() override;

 private:
  enum class Kind { kBegin, kSlot, kFinish, kAbort };
  struct Task {
    Kind kind;
    SlotFileHeader header;
    SlotIndex slot = 0;
    SlotVersion version;
    std::string image;
  };
  void Put(Task task, bool abandon);
  void Run();
  void Do(Task& task);

  const std::shared_ptr<CheckpointStorage> storage_;
  const std::size_t queue_bytes_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> tasks_;         // protected by mutex_
  std::size_t waiting_bytes_ = 0;  // protected by mutex_
  std::deque<Event> events_;       // protected by mutex_
  bool stopping_ = false;          // protected by mutex_

  // Of the thread alone.
  std::unique_ptr<SlotFileWriter> file_;
  std::uint64_t checkpoint_ = 0;

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace ps
