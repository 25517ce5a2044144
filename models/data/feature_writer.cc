#include "models/data/feature_writer.h"

#include <cmath>

#include "absl/container/flat_hash_map.h"
#include "absl/numeric/bits.h"

namespace ps {

bool FeatureWriter::MergeRow() {
  absl::flat_hash_map<Key, std::size_t> first_position;
  std::size_t kept = row_begin_;
  for (std::size_t i = row_begin_; i < used_; ++i) {
    const Key key = block_.key[i];
    const float value = has_values_ ? block_.value[i] : 1.0f;
    const auto [entry, is_new] = first_position.emplace(key, kept);
    if (is_new) {
      block_.key[kept] = key;
      if (has_values_) block_.value[kept] = value;
      ++kept;
    } else {
      const float earlier = has_values_ ? block_.value[entry->second] : 1.0f;
      SetValue(entry->second, earlier + value);
    }
  }
  if (has_values_) {
    std::size_t live = row_begin_;
    for (std::size_t i = row_begin_; i < kept; ++i) {
      if (!std::isfinite(block_.value[i])) return false;
      if (block_.value[i] == 0) continue;
      block_.key[live] = block_.key[i];
      block_.value[live++] = block_.value[i];
    }
    std::fill(block_.value.begin() + live, block_.value.begin() + used_, 1.0f);
    kept = live;
  }
  used_ = kept;
  return true;
}

bool DistinctCheck::AllDistinct(const Key* keys, std::size_t count) {
  const std::size_t cells = absl::bit_ceil(4 * count + 1);
  if (cells_.size() < cells) cells_.resize(cells);
  std::fill_n(cells_.begin(), cells, kEmptyKey);
  const std::size_t mask = cells - 1;
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t cell = keys[i] & mask;
    while (cells_[cell] != kEmptyKey) {
      if (cells_[cell] == keys[i]) return false;
      cell = (cell + 1) & mask;
    }
    cells_[cell] = keys[i];
  }
  return true;
}

}  // namespace ps
