// Which group of the plan's (key_groups.h) each id belongs to, gathered while keys become ids.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "models/data/row_block.h"
#include "models/features/key_groups.h"

namespace ps {

class IdGroups {
 public:
  explicit IdGroups(std::unique_ptr<KeyGroups> groups) : groups_(std::move(groups)) {}  // null: all are one

  // `ids` of the block's keys; kPaddingId where a key has none. Any thread.
  void Note(const RowBlock& rows, absl::Span<const std::uint32_t> ids);
  // Nobody is going to ask. Any thread.
  void Forget() { forgotten_.store(true); }
  // Of an id that was noted, after the last Note.
  std::uint16_t Of(std::uint32_t id) const { return groups_ == nullptr ? 0 : of_id_[id]; }
  int size() const { return groups_ == nullptr ? 1 : static_cast<int>(groups_->size()); }
  std::string name(int group) const { return groups_ == nullptr ? "all features" : groups_->name(static_cast<std::size_t>(group)); }

 private:
  const std::unique_ptr<KeyGroups> groups_;
  std::atomic<bool> forgotten_{false};
  std::mutex mutex_;
  std::vector<std::uint16_t> of_id_;
};

}  // namespace ps
