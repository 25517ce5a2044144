// Gets lost slots back from a checkpoint, for a machine that may not wait: a slot is asked for
// again and again until it is there. What fails for a while is tried again; damage is final.
//
// One thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "ps/base/key.h"
#include "ps/checkpoint/checkpoint_loader.h"
#include "ps/table/slot_image.h"

namespace ps {

class SlotRestorer {
 public:
  explicit SlotRestorer(std::unique_ptr<CheckpointLoader> loader) : loader_(std::move(loader)) {}

  // nullopt: not yet. Once it has answered, the slot is forgotten.
  std::optional<absl::StatusOr<SlotImage>> Get(SlotIndex slot, std::uint64_t checkpoint);

 private:
  using Name = std::pair<std::uint64_t, SlotIndex>;
  static constexpr int kMostTries = 5;

  const std::unique_ptr<CheckpointLoader> loader_;
  std::map<Name, int> tries_;  // of those under way
  std::map<Name, absl::StatusOr<std::string>> loaded_;
};

}  // namespace ps
