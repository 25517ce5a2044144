#include "ps/server/slot_restorer.h"

namespace ps {

std::optional<absl::StatusOr<SlotImage>> SlotRestorer::Get(SlotIndex slot,
                                                           std::uint64_t checkpoint) {
  const Name name{checkpoint, slot};
  if (tries_.try_emplace(name, 1).second) loader_->Request(checkpoint, slot);
  while (std::optional<CheckpointLoader::Loaded> loaded = loader_->Poll()) {
    const Name of{loaded->checkpoint, loaded->slot};
    const absl::StatusCode code = loaded->image.status().code();
    const bool passing = code == absl::StatusCode::kUnavailable ||
                         code == absl::StatusCode::kDeadlineExceeded ||
                         code == absl::StatusCode::kResourceExhausted;
    if (passing && tries_[of]++ < kMostTries) {
      loader_->Request(of.first, of.second);
    } else {
      loaded_.insert_or_assign(of, std::move(loaded->image));
    }
  }
  const auto at = loaded_.find(name);
  if (at == loaded_.end()) return std::nullopt;
  absl::StatusOr<SlotImage> image =
      at->second.ok() ? DecodeSlotImage(*at->second) : at->second.status();
  loaded_.erase(at);
  tries_.erase(name);
  return image;
}

}  // namespace ps
