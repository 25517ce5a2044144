// Checkpoints of a simulated cluster: the real file formats over a storage in memory, done at once
// instead of in threads, and told late, as a slow disk would. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "ps/checkpoint/checkpoint_catalog.h"
#include "ps/checkpoint/checkpoint_loader.h"
#include "ps/checkpoint/checkpoint_writer.h"
#include "ps/checkpoint/manifest.h"
#include "tests/checkpoint/memory_storage.h"

namespace ps {

// Answers come after a few polls.
class SlowDisk {
 public:
  explicit SlowDisk(std::uint64_t seed) : random_(seed) {}
  void Begin() { polls_left_ = static_cast<int>(random_() % 8); }
  bool Ready() { return polls_left_-- <= 0; }
  bool Fails() { return random_() % 40 == 0; }
  std::size_t Below(std::size_t end) { return random_() % end; }

 private:
  std::mt19937_64 random_;
  int polls_left_ = 0;
};

class SimulatedCheckpointWriter : public CheckpointWriter {
 public:
  SimulatedCheckpointWriter(MemoryStorage& storage, std::uint64_t seed)
      : storage_(storage), disk_(seed) {}

  void Begin(const SlotFileHeader& header) override {
    event_.reset();
    checkpoint_ = header.checkpoint;
    file_ = std::move(SlotFileWriter::Create(storage_, header)).value();
  }
  bool Submit(SlotIndex slot, const SlotVersion& version, std::string&& image) override {
    if (disk_.Below(4) == 0) return false;
    if (file_ == nullptr) return true;
    if (disk_.Below(400) == 0) {
      file_.reset();
      event_ = Event{checkpoint_, absl::ResourceExhaustedError("disk full"), {}};
      return true;
    }
    EXPECT_TRUE(file_->Add(slot, version, image).ok());
    return true;
  }
  void Finish() override {
    if (file_ == nullptr) return;
    event_ = Event{checkpoint_, absl::OkStatus(), file_->Finish().value()};
    file_.reset();
    disk_.Begin();
  }
  void Abort() override {
    file_.reset();
    event_.reset();
  }
  std::optional<Event> Poll() override {
    if (!event_.has_value() || !disk_.Ready()) return std::nullopt;
    return std::exchange(event_, std::nullopt);
  }

 private:
  MemoryStorage& storage_;
  SlowDisk disk_;
  std::uint64_t checkpoint_ = 0;
  std::unique_ptr<SlotFileWriter> file_;
  std::optional<Event> event_;
};

class SimulatedCheckpointLoader : public CheckpointLoader {
 public:
  SimulatedCheckpointLoader(MemoryStorage& storage, std::uint64_t seed)
      : reader_(storage), disk_(seed) {}

  void Request(std::uint64_t checkpoint, SlotIndex slot) override {
    loaded_.push_back({checkpoint, slot,
                       disk_.Fails() ? absl::UnavailableError("a disk that is away")
                                     : reader_.ReadSlot(checkpoint, slot)});
    disk_.Begin();
  }
  std::optional<Loaded> Poll() override {
    if (loaded_.empty() || !disk_.Ready()) return std::nullopt;
    Loaded loaded = std::move(loaded_.front());
    loaded_.pop_front();
    return loaded;
  }

 private:
  CheckpointReader reader_;
  SlowDisk disk_;
  std::deque<Loaded> loaded_;
};

class SimulatedCheckpointCatalog : public CheckpointCatalog {
 public:
  SimulatedCheckpointCatalog(MemoryStorage& storage, std::uint64_t seed)
      : storage_(storage), disk_(seed), next_id_(NextCheckpointId(storage).value()) {}

  std::uint64_t NextId() override { return next_id_++; }
  void Commit(const checkpoint::Manifest& manifest, std::uint64_t in_use) override {
    if (disk_.Fails()) {
      answer_ = absl::ResourceExhaustedError("disk full");
    } else {
      answer_ = WriteManifest(storage_, manifest);
      // Every slot of it can be read: what is told to exist does.
      if (answer_->ok()) answer_ = VerifyCheckpoint(storage_, manifest.id());
      EXPECT_TRUE(answer_->ok()) << *answer_;
      if (answer_->ok()) answer_ = RemoveOldCheckpoints(storage_, 2, in_use);
    }
    disk_.Begin();
  }
  std::optional<absl::Status> Poll() override {
    if (!answer_.has_value() || !disk_.Ready()) return std::nullopt;
    return std::exchange(answer_, std::nullopt);
  }

 private:
  MemoryStorage& storage_;
  SlowDisk disk_;
  std::uint64_t next_id_;
  std::optional<absl::Status> answer_;
};

}  // namespace ps
