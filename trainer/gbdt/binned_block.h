// Blocks of binned rows on their way from text into the whole: what is done to each before it gets
// there. Threads do it to blocks of their own at once, but for what is said to be in order.
#pragma once

#include <cstdint>
#include <vector>

#include "models/data/row_block.h"
#include "models/data/row_split.h"
#include "models/gbdt/binned_rows.h"
#include "models/gbdt/tree.h"

namespace ps {

struct BinnedBlock {
  std::vector<std::uint8_t> bins;        // dense
  std::vector<std::uint32_t> cells;      // sparse
  std::vector<std::uint32_t> row_begin;  // sparse
  std::vector<float> labels, weights;
  std::vector<float> margins;  // of trees to start from, a row's side by side
  std::vector<float> grown_margins,
      at_round;             // of BlockMargins: margin m of row r is at [m * rows + r]
  std::vector<Part> parts;  // empty: all rows are of the train part
  std::uint64_t good_rows = 0, bad_rows = 0;  // of the text
  std::vector<BadRow> bad;
};

// Leaves some of the columns.
class ColumnCut {
 public:
  // `whole`: rows of all columns, none; `columns` ascending.
  ColumnCut(const BinnedRows& whole, const std::vector<std::uint32_t>& columns);
  // Rows of those columns, none.
  BinnedRows Empty() const;
  void Cut(BinnedBlock* block) const;

 private:
  static constexpr std::uint32_t kGone = 0xffffffffu;

  const std::vector<std::uint32_t> columns_;
  const bool sparse_;
  const std::size_t whole_stride_, stride_;
  std::vector<std::uint32_t> first_cell_;  // sparse, of those that are left
  std::vector<std::uint32_t> cell_;        // sparse: what becomes of each cell
};

// The margins of trees, by the bins of rows of all columns.
class BlockMargins {
 public:
  // Both must outlive it; a base score for each margin.
  BlockMargins(const std::vector<Tree>* trees, const std::vector<double>* base_scores);
  void Score(const BinnedRows& whole, BinnedBlock* block) const;
  // In order: rows [first, end) of a block are kept.
  void Append(const BinnedBlock& block, std::size_t first, std::size_t end);
  // Of all rows that were kept; `at_round` stays empty where the last round is whole.
  void TakeAll(std::vector<float>* margins, std::vector<float>* at_round);

 private:
  bool part_of_round() const { return trees_.size() % base_scores_.size() != 0; }

  const std::vector<Tree>& trees_;
  const std::vector<double>& base_scores_;
  std::vector<std::vector<float>> margins_, at_round_;  // by margin
};

}  // namespace ps
