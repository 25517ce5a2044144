// A batch in the form that learning needs: its distinct keys in ascending order, and every feature
// as an index into them. Plain data plus the builder that makes it on the processor. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/batch_gradients.h"
#include "kernels/cuda/batch_gradients.h"
#include "models/data/row_block.h"
#include "ps/base/key.h"

namespace ps {

// Rows [begin, end) of a block.
struct RowRange {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t size() const { return end - begin; }
};

// Features have numbers ("ids"). On the processor by first appearance, which keeps neighbouring rows'
// weights close in memory; the sorted order, in which keys travel, is a permutation of the ids. On a
// GPU the id is the place in the sorted order.
struct Batch {
  const RowBlock* block = nullptr;  // not owned
  RowRange rows;
  bool bias = false;  // kBiasKey has an id, bias_id, and belongs to every row
  std::uint32_t bias_id = 0;
  std::vector<std::uint32_t>
      feature_id;                    // of features row_begin[rows.begin] .. row_begin[rows.end]; the GPU has its own
  std::vector<Key> keys;             // ascending, distinct
  std::vector<std::uint32_t> id_at;  // id of keys[i]
  int lanes = 1;                     // of the job at present
  std::vector<float> weight;         // by id, lanes of an id side by side
  std::vector<float> gradient;       // likewise
  std::unique_ptr<DeviceBatch> on_device;  // not null: a GPU has the rows, and will compute

  void SetLanes(int count) {
    lanes = count;
    weight.resize(keys.size() * static_cast<std::size_t>(count));
    gradient.resize(weight.size());
  }
};

// As kernels take them; the block outlives it.
LabelledRows LabelledRowsOf(const RowBlock& block, RowRange rows, bool bias);

class BatchBuilder {
 public:
  // Fills everything of *batch but weight and gradient, which get their size; memory is reused.
  void Build(const RowBlock& block, RowRange rows, bool bias, int lanes, Batch* batch);

  // Rows of the batch that hold each key, at most 255, in the order of keys: what admission counts.
  static void CountRows(const Batch& batch, std::vector<std::uint8_t>* counts);

 private:
  struct Cell {
    Key key;
    std::uint32_t id;
  };
  std::uint32_t IdOf(Key key, std::vector<Key>* by_id);
  void Grow(const std::vector<Key>& by_id);
  void SortKeys(const std::vector<Key>& by_id, Batch* batch);

  std::vector<Cell> cells_;  // open addressing, a power of two; key 0: free
  int shift_ = 64;           // 64 - log2(cells_.size())
  std::vector<Key> by_id_;
  std::vector<std::uint32_t> bucket_end_;
};

// Parts the rows of a chunk into batches of `batch_rows`; the 64th takes the rest. A chunk without
// rows has one empty batch.
std::uint32_t BatchesOf(std::size_t rows, std::size_t batch_rows);
RowRange RowsOfBatch(std::size_t rows, std::size_t batch_rows, std::uint32_t batch);

}  // namespace ps
