#include "trainer/embedded/id_groups.h"

#include <algorithm>

#include "kernels/row_learner.h"
#include "models/linear/group_l2.h"

namespace ps {

void IdGroups::Note(const RowBlock& rows, absl::Span<const std::uint32_t> ids) {
  if (groups_ == nullptr || forgotten_.load(std::memory_order_relaxed)) return;
  std::vector<std::uint16_t> groups;
  groups_->Find(rows, &groups);
  const std::lock_guard<std::mutex> lock(mutex_);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= of_id_.size()) of_id_.resize(std::max<std::size_t>(ids[i] + 1, of_id_.size() * 2), kNoGroup);
    if (ids[i] != kPaddingId) of_id_[ids[i]] = groups[i];
  }
}

}  // namespace ps
