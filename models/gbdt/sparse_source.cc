#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "models/gbdt/histogram_source.h"

namespace ps {
namespace {

// Columns are cut into parts of about equal numbers of values. A part's sums belong to one thread
// at a time, which clears, sums, subtracts and scans them: nothing to merge, and a part's cells
// stay in a core's cache.
constexpr std::size_t kPartsPerThread = 4;
constexpr std::uint64_t kFewRows = 2000;
// A node with more than one row in this many is summed by cells, which looks at all rows' values.
constexpr std::uint64_t kByCells = 4;

class SparseSource final : public HistogramSource {
 public:
  SparseSource(const BinnedRows* rows, const std::vector<BinColumn>* columns, NodeRows* node_rows,
               Crew* crew)
      : data_(*rows), columns_(*columns), rows_(*node_rows), crew_(*crew) {
    for (int t = 0; t < crew->threads(); ++t) right_.emplace_back(node_rows->block_rows());
    CutParts(kPartsPerThread * static_cast<std::size_t>(crew->threads()));
    FindPartsOfRows();
    TurnOver();
    gradient_of_row_ = HugeArray<std::uint16_t>(rows->rows);
    bin_of_row_.resize(rows->rows);
  }

  std::size_t cells() const override { return data_.first_cell.back(); }
  std::size_t first_cell(std::uint32_t column) const override { return data_.first_cell[column]; }
  void AddRootRows(int, const RowGradient*, std::size_t) override {}
  void BeginTree(const NodeRows::Node& root) override { pending_ = &root; }
  void Sum(const NodeRows::Node& node) override { pending_ = &node; }

  void Place(const SplitChoice& choice, const NodeRows::Node& node, PlacedRows* placed) override {
    const Sides goes_left = SidesOf(choice);
    placed->Fit(node);
    SpreadColumn(choice.column, false);
    ForEachBlock(node, [&](int, std::size_t block) {
      PlaceDense(bin_of_row_.data(), 1, goes_left.data(),
                 rows_.entries(block) + node[block].begin, node[block].size(),
                 placed->block(block));
    });
    SpreadColumn(choice.column, true);
  }

  void Split(const SplitWork& work) override {
    work.left->resize(rows_.blocks());
    work.right->resize(rows_.blocks());
    const bool by_bins = work.placed == nullptr;
    const Sides goes_left = by_bins ? SidesOf(*work.choice) : Sides();
    if (by_bins) SpreadColumn(work.choice->column, false);
    ForEachBlock(*work.parent, [&](int thread, std::size_t block) {
      SplitBlock(work, goes_left.data(), thread, block);
    });
    if (by_bins) SpreadColumn(work.choice->column, true);
    pending_ = work.sum_left ? work.left : work.right;
  }

  void Collect(WideSum* histogram, const std::function<void(const ColumnStretch&)>& done) override {
    const bool by_cells = kByCells * NodeRows::RowsOf(*pending_) > data_.rows;
    if (by_cells) SpreadGradients();
    crew_.ForEach(parts(), [&](int thread, std::size_t part) {
      const std::uint32_t first = part_column_[part], end = part_column_[part + 1];
      if (by_cells) {
        SumCells(data_.first_cell[first], data_.first_cell[end], histogram);
      } else {
        SumRows(part, histogram);
      }
      done({thread, first, end});
    });
  }

  ColumnHistogram Column(const WideSum* histogram, std::uint32_t column,
                         WideSum total) const override {
    const std::uint32_t first = data_.first_cell[column], end = data_.first_cell[column + 1];
    WideSum present = 0;
    for (std::uint32_t i = first; i < end; ++i) present += histogram[i];
    return {{histogram + first, static_cast<int>(end - first), total - present, total}, nullptr};
  }

 private:
  using Sides = std::array<std::uint8_t, kBinsPerColumn>;  // by bin: whether it goes left
  static Sides SidesOf(const SplitChoice& choice) {
    Sides goes_left;
    for (std::size_t bin = 0; bin < goes_left.size(); ++bin)
      goes_left[bin] = bin == 0 ? choice.missing_left : bin <= choice.bin;
    return goes_left;
  }

  template <typename Work>
  void ForEachBlock(const NodeRows::Node& node, const Work& work) {
    if (NodeRows::RowsOf(node) < kFewRows) {
      for (std::size_t b = 0; b < rows_.blocks(); ++b) work(0, b);
    } else {
      crew_.ForEach(rows_.blocks(), work);
    }
  }

  std::size_t parts() const { return part_column_.size() - 1; }

  void CutParts(std::size_t parts) {
    const std::uint64_t all = data_.row_begin[data_.rows];
    std::vector<std::uint32_t> in_cell(cells());
    for (std::uint64_t i = 0; i < all; ++i) ++in_cell[data_.cells[i]];
    part_column_ = {0};
    std::uint64_t work = 0;
    // A cell costs something even when no row has it.
    const std::uint64_t each = (all + cells()) / parts + 1;
    for (std::uint32_t c = 0; c + 1 < columns_.size() && part_column_.size() < parts; ++c) {
      for (std::uint32_t i = data_.first_cell[c]; i < data_.first_cell[c + 1]; ++i)
        work += in_cell[i] + 1u;
      if (work < each) continue;
      part_column_.push_back(c + 1);
      work = 0;
    }
    part_column_.push_back(static_cast<std::uint32_t>(columns_.size()));
  }

  // For each row where its parts begin, but for the first: offsets into its cells.
  void FindPartsOfRows() {
    const std::size_t inner = parts() - 1;
    row_part_ = HugeArray<std::uint32_t>(data_.rows * inner + 1);
    crew_.ForEach(rows_.blocks(), [&](int, std::size_t block) {
      for (std::size_t i = 0; i < rows_.block_size(block); ++i) {
        const std::size_t row = rows_.first_row(block) + i;
        const std::uint32_t* const begin = data_.cells.data() + data_.row_begin[row];
        const std::uint32_t* const end = data_.cells.data() + data_.row_begin[row + 1];
        const std::uint32_t* at = begin;
        for (std::size_t p = 0; p < inner; ++p) {
          at = std::lower_bound(at, end, data_.first_cell[part_column_[p + 1]]);
          row_part_[row * inner + p] = static_cast<std::uint32_t>(at - begin);
        }
      }
    });
  }

  // By row: what the node's rows have in the part, each value somewhere else in its cells.
  void SumRows(std::size_t part, WideSum* histogram) const {
    const std::size_t first = data_.first_cell[part_column_[part]], end = data_.first_cell[part_column_[part + 1]];
    std::memset(histogram + first, 0, (end - first) * sizeof(WideSum));
    for (std::size_t b = 0; b < rows_.blocks(); ++b) {
      const NodeRows::Range range = (*pending_)[b];
      AddRows(part, rows_.entries(b) + range.begin, range.size(), histogram);
    }
  }

  // By cell: all values, in the order of the cells. Somewhere else are the gradients of their rows, which take far less
  // memory than the cells and stay in a core's cache.
  void SumCells(std::size_t first, std::size_t end, WideSum* histogram) const {
    const std::uint16_t* const gradients = gradient_of_row_.data();
    std::uint64_t i = cell_begin_[first];
    for (std::size_t cell = first; cell < end; ++cell) {
      WideSum sum = 0;
      for (const std::uint64_t last = cell_begin_[cell + 1]; i < last; ++i) sum += WidenShort(gradients[cell_rows_[i]]);
      histogram[cell] = sum;
    }
  }

  static_assert(kGradientSteps < 128 && kHessianSteps < 256);  // for ShortenGradient

  // Of the pending node; 0 for rows that it lacks.
  void SpreadGradients() {
    crew_.ForEach(rows_.blocks(), [&](int, std::size_t b) {
      std::memset(gradient_of_row_.data() + rows_.first_row(b), 0, rows_.block_size(b) * sizeof(std::uint16_t));
      const NodeRows::Range range = (*pending_)[b];
      for (std::uint32_t i = range.begin; i < range.end; ++i) {
        const RowGradient entry = rows_.entries(b)[i];
        gradient_of_row_[entry.row] = ShortenGradient(entry.packed);
      }
    });
  }

  void AddRows(std::size_t part, const RowGradient* rows, std::size_t count,
               WideSum* histogram) const {
    constexpr std::size_t kFar = 16, kNear = 8;
    const std::size_t inner = parts() - 1;
    const std::uint32_t* const cells = data_.cells.data();
    const auto begin_of = [&](std::uint32_t row) {
      return data_.row_begin[row] + (part == 0 ? 0 : row_part_[row * inner + part - 1]);
    };
    for (std::size_t i = 0; i < count; ++i) {
      if (i + kFar < count) {
        _mm_prefetch(reinterpret_cast<const char*>(row_part_.data() + rows[i + kFar].row * inner),
                     _MM_HINT_T0);
        _mm_prefetch(reinterpret_cast<const char*>(data_.row_begin.data() + rows[i + kFar].row),
                     _MM_HINT_T0);
        _mm_prefetch(reinterpret_cast<const char*>(cells + begin_of(rows[i + kNear].row)),
                     _MM_HINT_T0);
      }
      const std::uint32_t row = rows[i].row;
      const WideSum gradient = Widen(rows[i].packed);
      const std::uint64_t end = part == inner
                                    ? data_.row_begin[row + 1]
                                    : data_.row_begin[row] + row_part_[row * inner + part];
      for (std::uint64_t v = begin_of(row); v < end; ++v) histogram[cells[v]] += gradient;
    }
  }

  // Rows of each cell, ascending: the other order of the same values.
  void TurnOver() {
    const std::size_t count = cells();
    cell_begin_ = HugeArray<std::uint64_t>(count + 1);
    const std::uint64_t all = data_.row_begin[data_.rows];
    for (std::uint64_t i = 0; i < all; ++i) ++cell_begin_[data_.cells[i] + 1];
    for (std::size_t i = 0; i < count; ++i) cell_begin_[i + 1] += cell_begin_[i];
    cell_rows_ = HugeArray<std::uint32_t>(all);
    // Parts are ranges of cells, so threads write to places of their own.
    crew_.ForEach(parts(), [&](int, std::size_t part) {
      const std::size_t inner = parts() - 1;
      const std::uint32_t first = data_.first_cell[part_column_[part]];
      const std::uint32_t end = data_.first_cell[part_column_[part + 1]];
      std::vector<std::uint64_t> next(cell_begin_.data() + first, cell_begin_.data() + end);
      for (std::uint32_t row = 0; row < data_.rows; ++row) {
        const std::uint64_t begin = data_.row_begin[row];
        const std::uint64_t from = begin + (part == 0 ? 0 : row_part_[row * inner + part - 1]);
        const std::uint64_t to =
            part == inner ? data_.row_begin[row + 1] : begin + row_part_[row * inner + part];
        for (std::uint64_t i = from; i < to; ++i) cell_rows_[next[data_.cells[i] - first]++] = row;
      }
    });
  }

  // Writes the column's bins to bin_of_row_, which is all 0 otherwise; or 0 there again.
  void SpreadColumn(std::uint32_t column, bool clear) {
    const std::uint32_t first = data_.first_cell[column], end = data_.first_cell[column + 1];
    for (std::uint32_t cell = first; cell < end; ++cell) {
      const auto bin = static_cast<std::uint8_t>(clear ? 0 : cell - first + 1);
      for (std::uint64_t i = cell_begin_[cell]; i < cell_begin_[cell + 1]; ++i)
        bin_of_row_[cell_rows_[i]] = bin;
    }
  }

  void SplitBlock(const SplitWork& work, const std::uint8_t* goes_left, int thread,
                  std::size_t block) {
    const NodeRows::Range range = (*work.parent)[block];
    RowGradient* const rows = rows_.entries(block) + range.begin;
    RowGradient* const right = right_[static_cast<std::size_t>(thread)].data();
    const std::size_t lefts =
        work.placed != nullptr
            ? PartitionByBits(work.placed->block(block), rows, range.size(), rows, right)
            : PartitionDense(bin_of_row_.data(), 1, goes_left, rows, range.size(), rows, right);
    std::copy_n(right, range.size() - lefts, rows + lefts);
    const auto middle = range.begin + static_cast<std::uint32_t>(lefts);
    (*work.left)[block] = {range.begin, middle};
    (*work.right)[block] = {middle, range.end};
  }

  const BinnedRows& data_;
  const std::vector<BinColumn>& columns_;
  NodeRows& rows_;
  Crew& crew_;
  std::vector<std::uint32_t> part_column_;
  HugeArray<std::uint32_t> row_part_;
  HugeArray<std::uint64_t> cell_begin_;  // into cell_rows_
  HugeArray<std::uint32_t> cell_rows_;
  HugeArray<std::uint16_t> gradient_of_row_;
  std::vector<std::uint8_t> bin_of_row_;         // of the column that is split by
  std::vector<std::vector<RowGradient>> right_;  // by thread
  const NodeRows::Node* pending_ = nullptr;      // whose rows Collect sums
};

}  // namespace

std::unique_ptr<HistogramSource> MakeSparseSource(const BinnedRows* rows,
                                                  const std::vector<BinColumn>* columns,
                                                  NodeRows* node_rows, Crew* crew) {
  return std::make_unique<SparseSource>(rows, columns, node_rows, crew);
}

}  // namespace ps
