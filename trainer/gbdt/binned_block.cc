#include "trainer/gbdt/binned_block.h"

#include <algorithm>

#include "models/gbdt/booster.h"
#include "models/gbdt/gradient_rows.h"

namespace ps {

ColumnCut::ColumnCut(const BinnedRows& whole, const std::vector<std::uint32_t>& columns)
    : columns_(columns),
      sparse_(whole.sparse),
      whole_stride_(whole.stride),
      stride_(DenseStride(static_cast<int>(columns.size()))) {
  if (!sparse_) return;
  first_cell_ = {0};
  cell_.assign(whole.first_cell.back(), kGone);
  for (const std::uint32_t column : columns) {
    std::uint32_t next = first_cell_.back();
    for (std::uint32_t cell = whole.first_cell[column]; cell < whole.first_cell[column + 1]; ++cell)
      cell_[cell] = next++;
    first_cell_.push_back(next);
  }
}

BinnedRows ColumnCut::Empty() const {
  BinnedRows rows;
  rows.columns = static_cast<int>(columns_.size());
  rows.sparse = sparse_;
  rows.stride = stride_;
  if (!sparse_) return rows;
  rows.first_cell = first_cell_;
  rows.row_begin = {0};
  return rows;
}

// In place: what is left of a row never lies behind where it was.
void ColumnCut::Cut(BinnedBlock* block) const {
  const std::size_t rows = block->labels.size();
  if (!sparse_) {
    std::uint8_t* out = block->bins.data();
    const std::uint8_t* in = block->bins.data();
    for (std::size_t r = 0; r < rows; ++r, in += whole_stride_, out += stride_) {
      for (std::size_t c = 0; c < columns_.size(); ++c) out[c] = in[columns_[c]];
      std::fill(out + columns_.size(), out + stride_, std::uint8_t{0});
    }
    block->bins.resize(rows * stride_);
    return;
  }
  std::uint32_t made = 0, begin = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    const std::uint32_t end = block->row_begin[r + 1];
    for (std::uint32_t i = begin; i < end; ++i) {
      const std::uint32_t cell = cell_[block->cells[i]];
      block->cells[made] = cell;
      made += cell != kGone;
    }
    begin = end;
    block->row_begin[r + 1] = made;
  }
  block->cells.resize(made);
}

BlockMargins::BlockMargins(const std::vector<Tree>* trees, const std::vector<double>* base_scores)
    : trees_(*trees),
      base_scores_(*base_scores),
      margins_(base_scores->size()),
      at_round_(base_scores->size()) {}

void BlockMargins::Score(const BinnedRows& whole, BinnedBlock* block) const {
  BinnedRows rows;
  rows.rows = block->labels.size();
  rows.columns = whole.columns;
  rows.stride = whole.stride;
  rows.sparse = whole.sparse;
  rows.first_cell = whole.first_cell;
  if (whole.sparse) {
    rows.row_begin.assign(block->row_begin.begin(), block->row_begin.end());
    rows.cells = HugeArray<std::uint32_t>(block->cells.size());
    std::copy(block->cells.begin(), block->cells.end(), rows.cells.data());
  } else {
    rows.bins = HugeArray<std::uint8_t>(block->bins.size());
    std::copy(block->bins.begin(), block->bins.end(), rows.bins.data());
  }
  const std::size_t outputs = base_scores_.size(), whole_rounds = trees_.size() / outputs * outputs;
  Crew crew(1);
  block->at_round.clear();
  block->grown_margins = StartMargins(base_scores_, rows.rows);
  for (std::size_t t = 0; t < trees_.size(); ++t) {
    if (t == whole_rounds) block->at_round = block->grown_margins;
    AddTree(trees_[t], rows, &crew, &block->grown_margins, t % outputs);
  }
}

void BlockMargins::Append(const BinnedBlock& block, std::size_t first, std::size_t end) {
  const std::size_t rows = block.labels.size();
  const auto append = [&](const std::vector<float>& from, std::vector<std::vector<float>>* to) {
    for (std::size_t m = 0; m < to->size(); ++m) {
      const auto begin = from.begin() + static_cast<std::ptrdiff_t>(m * rows);
      (*to)[m].insert((*to)[m].end(), begin + static_cast<std::ptrdiff_t>(first),
                      begin + static_cast<std::ptrdiff_t>(end));
    }
  };
  append(block.grown_margins, &margins_);
  if (part_of_round()) append(block.at_round, &at_round_);
}

void BlockMargins::TakeAll(std::vector<float>* margins, std::vector<float>* at_round) {
  const auto take = [](std::vector<std::vector<float>>* from, std::vector<float>* to) {
    for (std::vector<float>& of_margin : *from) {
      to->insert(to->end(), of_margin.begin(), of_margin.end());
      std::vector<float>().swap(of_margin);
    }
  };
  take(&margins_, margins);
  take(&at_round_, at_round);
}

}  // namespace ps
