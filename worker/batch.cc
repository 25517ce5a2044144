#include "worker/batch.h"

#include <algorithm>
#include <bit>

namespace ps {
namespace {

constexpr std::uint32_t kMostBatches = 64;
constexpr std::size_t kSmallestTable = 1024;

// Fibonacci hashing: keys of a test or an adversary need not be uniform.
inline std::size_t CellOf(Key key, int shift) {
  return static_cast<std::size_t>((key * 0x9e3779b97f4a7c15u) >> shift);
}

}  // namespace

LabelledRows LabelledRowsOf(const RowBlock& block, RowRange rows, bool bias) {
  LabelledRows of;
  const std::size_t first = block.row_begin[rows.begin];
  of.row_begin = block.row_begin.data() + rows.begin;
  of.values = block.value.empty() ? nullptr : block.value.data() + first;
  of.labels = block.label.data() + rows.begin;
  of.weights = block.weight.empty() ? nullptr : block.weight.data() + rows.begin;
  of.rows = rows.size();
  of.bias = bias;
  return of;
}

std::uint32_t BatchesOf(std::size_t rows, std::size_t batch_rows) {
  const std::size_t batches = (rows + batch_rows - 1) / batch_rows;
  return static_cast<std::uint32_t>(std::clamp<std::size_t>(batches, 1, kMostBatches));
}

RowRange RowsOfBatch(std::size_t rows, std::size_t batch_rows, std::uint32_t batch) {
  const std::size_t begin = std::min(rows, batch * batch_rows);
  const bool last = batch + 1 == BatchesOf(rows, batch_rows);
  return {begin, last ? rows : std::min(rows, begin + batch_rows)};
}

void BatchBuilder::Grow(const std::vector<Key>& by_id) {
  const std::size_t cells = std::max(kSmallestTable, cells_.size() * 2);
  cells_.assign(cells, Cell{kEmptyKey, 0});
  shift_ = 64 - std::countr_zero(cells);
  const std::size_t mask = cells - 1;
  for (std::uint32_t id = 0; id < by_id.size(); ++id) {
    std::size_t at = CellOf(by_id[id], shift_);
    while (cells_[at].key != kEmptyKey) at = (at + 1) & mask;
    cells_[at] = {by_id[id], id};
  }
}

inline std::uint32_t BatchBuilder::IdOf(Key key, std::vector<Key>* by_id) {
  const std::size_t mask = cells_.size() - 1;
  std::size_t at = CellOf(key, shift_);
  while (cells_[at].key != key) {
    if (cells_[at].key == kEmptyKey) {
      const std::uint32_t id = static_cast<std::uint32_t>(by_id->size());
      cells_[at] = {key, id};
      by_id->push_back(key);
      if (by_id->size() * 2 > cells_.size()) Grow(*by_id);
      return id;
    }
    at = (at + 1) & mask;
  }
  return cells_[at].id;
}

void BatchBuilder::Build(const RowBlock& block, RowRange rows, bool bias, int lanes, Batch* batch) {
  batch->block = &block;
  batch->rows = rows;
  batch->bias = bias && rows.size() > 0;
  const std::size_t begin = block.row_begin[rows.begin];
  const std::size_t end = block.row_begin[rows.end];
  batch->feature_id.resize(end - begin);
  by_id_.clear();
  if (cells_.empty()) {
    Grow(by_id_);
  } else {
    std::fill(cells_.begin(), cells_.end(), Cell{kEmptyKey, 0});
  }
  for (std::size_t i = begin; i < end; ++i) {
    batch->feature_id[i - begin] = IdOf(block.key[i], &by_id_);
  }
  if (batch->bias) batch->bias_id = IdOf(kBiasKey, &by_id_);
  SortKeys(by_id_, batch);
  batch->SetLanes(lanes);
}

// Keys are uniform, so one distribution by their top bits leaves about two keys a bucket, and
// std::sort of so few is an insertion sort. Keys that are not uniform make larger buckets, sorted
// in n log n.
void BatchBuilder::SortKeys(const std::vector<Key>& by_id, Batch* batch) {
  const std::size_t n = by_id.size();
  batch->keys.resize(n);
  batch->id_at.resize(n);
  if (n == 0) return;
  const int bits = std::max(1, static_cast<int>(std::bit_width(n)) - 1);
  bucket_end_.assign((std::size_t{1} << bits) + 1, 0);
  for (Key key : by_id) ++bucket_end_[(key >> (64 - bits)) + 1];
  for (std::size_t b = 1; b < bucket_end_.size(); ++b) bucket_end_[b] += bucket_end_[b - 1];
  for (std::uint32_t id = 0; id < n; ++id) {
    batch->id_at[bucket_end_[by_id[id] >> (64 - bits)]++] = id;
  }
  // bucket_end_[b] is now the end of bucket b.
  std::uint32_t start = 0;
  const auto less = [&](std::uint32_t a, std::uint32_t b) { return by_id[a] < by_id[b]; };
  for (std::size_t b = 0; b + 1 < bucket_end_.size(); ++b) {
    const std::uint32_t stop = bucket_end_[b];
    if (stop - start > 1)
      std::sort(&batch->id_at[start], &batch->id_at[start] + (stop - start), less);
    start = stop;
  }
  for (std::size_t i = 0; i < n; ++i) batch->keys[i] = by_id[batch->id_at[i]];
}

void BatchBuilder::CountRows(const Batch& batch, std::vector<std::uint8_t>* counts) {
  std::vector<std::uint32_t> by_id(batch.keys.size(), 0);
  for (std::uint32_t id : batch.feature_id) ++by_id[id];  // the keys of a row are distinct
  if (batch.bias) by_id[batch.bias_id] += static_cast<std::uint32_t>(batch.rows.size());
  counts->resize(batch.keys.size());
  for (std::size_t i = 0; i < batch.keys.size(); ++i) {
    (*counts)[i] = static_cast<std::uint8_t>(std::min(by_id[batch.id_at[i]], 255u));
  }
}

}  // namespace ps
