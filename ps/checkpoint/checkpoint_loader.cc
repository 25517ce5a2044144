#include "ps/checkpoint/checkpoint_loader.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "ps/base/status_macros.h"

namespace ps {

absl::StatusOr<std::string> CheckpointReader::ReadSlot(std::uint64_t checkpoint, SlotIndex slot) {
  if (manifest_.id() != checkpoint) {
    files_.clear();
    manifest_.Clear();
    PS_ASSIGN_OR_RETURN(manifest_, ReadManifest(storage_, checkpoint));
  }
  if (slot >= static_cast<SlotIndex>(manifest_.slot_file_size())) {
    return absl::InvalidArgumentError(
        absl::StrCat("checkpoint ", checkpoint, " has no slot ", slot));
  }
  const std::uint32_t number = manifest_.slot_file(static_cast<int>(slot));
  std::unique_ptr<SlotFileReader>& file = files_[number];
  if (file == nullptr) {
    PS_ASSIGN_OR_RETURN(file, SlotFileReader::Open(storage_, FileOf(manifest_, number)));
  }
  const int bits = file->header().slot_bits;
  const SlotVersion listed = {manifest_.slot_term(static_cast<int>(slot)),
                              manifest_.slot_seq(static_cast<int>(slot))};
  if (bits != static_cast<int>(manifest_.slot_bits()) || !file->Has(slot) ||
      file->VersionOf(slot) != listed) {
    return absl::DataLossError(absl::StrCat(storage_.Describe(FileOf(manifest_, number).name),
                                            ": does not have slot ", slot, " as checkpoint ",
                                            checkpoint, " lists it"));
  }
  return file->ReadSlot(slot);
}

ThreadedCheckpointLoader::ThreadedCheckpointLoader(std::shared_ptr<CheckpointStorage> storage,
                                                   std::size_t queue_bytes)
    : storage_(std::move(storage)), queue_bytes_(queue_bytes), thread_([this] { Run(); }) {}

ThreadedCheckpointLoader::~ThreadedCheckpointLoader() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void ThreadedCheckpointLoader::Request(std::uint64_t checkpoint, SlotIndex slot) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    requests_.emplace_back(checkpoint, slot);
  }
  wake_.notify_one();
}

std::optional<CheckpointLoader::Loaded> ThreadedCheckpointLoader::Poll() {
  std::optional<Loaded> loaded;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (loaded_.empty()) return std::nullopt;
    loaded = std::move(loaded_.front());
    loaded_.pop_front();
    if (loaded->image.ok()) waiting_bytes_ -= loaded->image->size();
  }
  wake_.notify_one();
  return loaded;
}

void ThreadedCheckpointLoader::Run() {
  CheckpointReader reader(*storage_);
  for (;;) {
    std::pair<std::uint64_t, SlotIndex> request;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [this] {
        return stopping_ || (!requests_.empty() && waiting_bytes_ <= queue_bytes_);
      });
      if (stopping_) return;
      request = requests_.front();
      requests_.pop_front();
    }
    Loaded loaded{request.first, request.second, reader.ReadSlot(request.first, request.second)};
    const std::lock_guard<std::mutex> lock(mutex_);
    if (loaded.image.ok()) waiting_bytes_ += loaded.image->size();
    loaded_.push_back(std::move(loaded));
  }
}

}  // namespace ps
