// Appends features to a RowBlock without a size check each: the vectors are grown in strides and
// cut to size when the writer is done. Belongs to one thread; the block must outlive it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "models/data/row_block.h"

namespace ps {

class FeatureWriter {
 public:
  explicit FeatureWriter(RowBlock* block)
      : block_(*block), used_(block->key.size()), has_values_(!block->value.empty()) {}
  // Cuts the vectors to what was written. Nothing may be written afterwards.
  void Finish() {
    block_.key.resize(used_);
    if (has_values_) block_.value.resize(used_);
  }

  void BeginRow() {
    row_begin_ = used_;
    had_values_ = has_values_;
  }
  void EndRow() { block_.row_begin.push_back(static_cast<std::uint32_t>(used_)); }

  // Forgets the features of a malformed row.
  void DropRow() {
    if (has_values_ && !had_values_) {
      block_.value.clear();
      has_values_ = false;
    } else if (has_values_) {
      std::fill(block_.value.begin() + row_begin_, block_.value.begin() + used_, 1.0f);
    }
    used_ = row_begin_;
  }

  // Where the next `count` keys of value 1 may be written; Advance() by what was.
  Key* Room(std::size_t count) {
    if (used_ + count > block_.key.size()) Grow(count);
    return block_.key.data() + used_;
  }
  void Advance(std::size_t count) { used_ += count; }
  // The same with these values, which are none of them zero.
  void Advance(std::size_t count, const float* values) {
    if (!has_values_) {
      if (std::all_of(values, values + count, [](float value) { return value == 1.0f; })) {
        return Advance(count);
      }
      block_.value.assign(block_.key.size(), 1.0f);
      has_values_ = true;
    }
    std::copy_n(values, count, block_.value.begin() + static_cast<std::ptrdiff_t>(used_));
    used_ += count;
  }

  void Add(Key key, float value) {
    *Room(1) = key;
    if (value != 1.0f) SetValue(used_, value);
    ++used_;
  }

  // Sums the values of equal keys of the current row, drops sums of zero; false when a sum
  // overflows.
  bool MergeRow();

  const Key* row_keys() const { return block_.key.data() + row_begin_; }
  std::size_t row_features() const { return used_ - row_begin_; }

 private:
  // Cells not written yet hold 1 in `value`, so that a key of value 1 needs no write there.
  void Grow(std::size_t count) {
    constexpr std::size_t kStride = 1024;
    block_.key.resize(used_ + count + kStride);
    if (has_values_) block_.value.resize(block_.key.size(), 1.0f);
  }
  void SetValue(std::size_t position, float value) {
    if (!has_values_) {
      block_.value.assign(block_.key.size(), 1.0f);
      has_values_ = true;
    }
    block_.value[position] = value;
  }

  RowBlock& block_;
  std::size_t used_;
  std::size_t row_begin_ = 0;
  bool has_values_;
  bool had_values_ = false;  // before the current row
};

// Finds out whether the keys of a row are distinct: a small hash table that is kept for the next
// row.
class DistinctCheck {
 public:
  bool AllDistinct(const Key* keys, std::size_t count);

 private:
  std::vector<Key> cells_;  // kEmptyKey or a key; a power of two of them
};

}  // namespace ps
