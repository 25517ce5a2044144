// A row's values to bins, by a plan. Immutable after construction: any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "models/gbdt/binned_rows.h"
#include "models/gbdt/columns.h"
#include "models/gbdt/value_rows.h"
#include "trainer/gbdt/row_loader.h"
#include "trainer/gbdt/binned_block.h"

namespace ps {

// Rows of these bins, none so far.
BinnedRows EmptyRows(const BinPlan& bins);

class RowBinner {
 public:
  // `bins` must outlive it. `absent_is_zero`: what libsvm rows that become a matrix do not mention is 0, else missing.
  RowBinner(const BinPlan& bins, bool absent_is_zero);

  // Replaces the bins, or the cells, of the block's rows.
  void Bin(const ValueRows& rows, BinnedBlock* block) const;

  // Of libsvm text: the column of an index, BinPlan::kNoColumn where it has none.
  std::uint32_t ColumnOf(std::uint32_t index) const {
    return index < bins_.column_of_index.size() ? bins_.column_of_index[index] : BinPlan::kNoColumn;
  }
  // All columns, and no rows.
  const BinnedRows& none() const { return none_; }

 private:
  void BinTable(const ValueRows& rows, BinnedBlock* block) const;
  void BinIntoMatrix(const ValueRows& rows, BinnedBlock* block) const;
  void BinSparse(const ValueRows& rows, BinnedBlock* block) const;

  const BinPlan& bins_;
  const BinnedRows none_;
  std::vector<std::uint8_t> absent_bin_;  // by column: of libsvm rows in a matrix
  std::vector<CutTable> cut_tables_;      // by column: of a matrix
  std::vector<float> flat_cuts_;          // of sparse columns
};

}  // namespace ps
