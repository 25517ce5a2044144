// The device's kernels for sparse rows, executed on the host, give the sums and cuts of the processor
// on random shapes: no rows, empty rows, one huge row, columns that nobody has, cells of many stretches.
#include "kernels/cuda/sparse_kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <random>
#include <vector>

namespace ps {
namespace {

constexpr int kProcessors = 2;

struct Shape {
  std::uint32_t rows;
  int columns;
  int bins;        // of a column, at most
  double present;  // of the cells of a row
  bool one_is_huge = false;  // its row has a value of every column, others are empty
};
constexpr Shape kShapes[] = {{0, 3, 4, .5},       {1, 1, 1, 1},          {1, 200, 255, .5},
                             {31, 40, 3, .2},     {500, 7, 255, .3},     {40, 3000, 2, .0, true},
                             {3000, 2, 1, .9},    {4000, 3, 2, .99},     {50, 5, 200, 0},
                             {1024, 1, 1, 1},     {2048, 1, 1, 1},       {700, 60, 20, .05}};

class SparseRows {
 public:
  explicit SparseRows(const Shape& shape) {
    std::mt19937 random(shape.rows * 64 + static_cast<unsigned>(shape.columns));
    first_cell = {0};
    for (int c = 0; c < shape.columns; ++c)
      first_cell.push_back(first_cell.back() + 1 + random() % static_cast<unsigned>(shape.bins));
    row_begin = {0};
    for (std::uint32_t r = 0; r < shape.rows; ++r) {
      const double present = shape.one_is_huge ? (r == 17 ? 1 : 0) : shape.present;
      for (int c = 0; c < shape.columns; ++c) {
        if (random() % 1000 >= 1000 * present) continue;
        const std::uint32_t first = first_cell[static_cast<std::size_t>(c)];
        cells.push_back(first + random() % (first_cell[static_cast<std::size_t>(c) + 1] - first));
      }
      row_begin.push_back(cells.size());
      const bool sampled = random() % 4 != 0;
      entries.push_back({r, sampled ? PackGradient(static_cast<int>(random() % 63) - 31, random() % 64)
                                    : 0});
    }
    std::shuffle(entries.begin(), entries.end(), random);
    TurnOver();
  }

  RowCells by_row() const { return {row_begin.data(), cells.data(), rows()}; }
  CellRows by_cell() const {
    return {cell_begin.data(), cell_rows.data(), stretch_cell.data(), cells.size()};
  }
  std::uint32_t rows() const { return static_cast<std::uint32_t>(entries.size()); }

  std::vector<WideSum> HistogramOf(std::size_t begin, std::size_t end, WideSum before) const {
    std::vector<WideSum> sums(first_cell.back(), before);
    for (std::size_t i = begin; i < end; ++i) {
      for (std::uint64_t v = row_begin[entries[i].row]; v < row_begin[entries[i].row + 1]; ++v)
        sums[cells[v]] += Widen(entries[i].packed);
    }
    return sums;
  }

  std::vector<std::uint32_t> first_cell, cells;
  std::vector<std::uint64_t> row_begin;
  std::vector<RowGradient> entries;
  std::vector<std::uint64_t> cell_begin;
  std::vector<std::uint32_t> cell_rows, stretch_cell;

 private:
  // By the kernels, whose result is compared with the rows.
  void TurnOver() {
    std::vector<std::uint64_t> counts(first_cell.back());
    ASSERT_EQ(LaunchCellCounts(by_row(), counts.data(), nullptr), cudaSuccess);
    cell_begin = {0};
    for (std::size_t cell = 0; cell < counts.size(); ++cell) {
      cell_begin.push_back(cell_begin.back() + counts[cell]);
      while (stretch_cell.size() * kStretchValues < cell_begin.back())
        stretch_cell.push_back(static_cast<std::uint32_t>(cell));
    }
    stretch_cell.push_back(first_cell.back() - 1);
    ASSERT_EQ(cell_begin.back(), cells.size());
    cell_rows.assign((cells.size() + kStretchValues - 1) / kStretchValues * kStretchValues, ~0u);
    std::vector<std::uint64_t> next = cell_begin;
    ASSERT_EQ(LaunchCellFill(by_row(), next.data(), cell_rows.data(), nullptr), cudaSuccess);
    std::vector<std::vector<std::uint32_t>> expected(first_cell.back());
    for (std::uint32_t r = 0; r < rows(); ++r) {
      for (std::uint64_t v = row_begin[r]; v < row_begin[r + 1]; ++v) expected[cells[v]].push_back(r);
    }
    for (std::size_t cell = 0; cell < expected.size(); ++cell) {
      const auto begin = cell_rows.begin() + static_cast<std::ptrdiff_t>(cell_begin[cell]);
      const auto end = cell_rows.begin() + static_cast<std::ptrdiff_t>(cell_begin[cell + 1]);
      std::sort(begin, end);
      ASSERT_TRUE(std::equal(begin, end, expected[cell].begin(), expected[cell].end())) << cell;
    }
    for (std::size_t v = cells.size(); v < cell_rows.size(); ++v) ASSERT_EQ(cell_rows[v], ~0u);
  }
};

TEST(SparseKernels, SumsByRowsAndByCellsAreThoseOfThePlainLoop) {
  for (const Shape& shape : kShapes) {
    const SparseRows rows(shape);
    const std::uint32_t third = rows.rows() / 3;
    const SideCounts sides{third, rows.rows() - third};
    for (const Side side : {Side::kAll, Side::kLeft, Side::kRight}) {
      const std::uint32_t begin = side == Side::kRight ? third : 0,
                          end = side == Side::kLeft ? third : rows.rows();
      const std::vector<WideSum> expected = rows.HistogramOf(begin, end, 5);  // adds
      const NodeEntries node{rows.entries.data(), {0, rows.rows()}, side, &sides};
      std::vector<WideSum> by_rows(expected.size(), 5), by_cells(expected.size(), 5);
      ASSERT_EQ(LaunchRowSums(rows.by_row(), node, kProcessors, by_rows.data(), nullptr), cudaSuccess);
      ASSERT_EQ(by_rows, expected) << shape.rows << " x " << shape.columns;
      std::vector<std::uint16_t> of_row(rows.rows());
      ASSERT_EQ(LaunchSpreadGradients(node, kProcessors, of_row.data(), nullptr), cudaSuccess);
      ASSERT_EQ(LaunchCellSums(rows.by_cell(), of_row.data(), by_cells.data(), nullptr), cudaSuccess);
      ASSERT_EQ(by_cells, expected) << shape.rows << " x " << shape.columns;
    }
  }
}

TEST(SparseKernels, MarksTheRowsOfCells) {
  std::mt19937 random(5);
  for (const Shape& shape : kShapes) {
    const SparseRows rows(shape);
    for (int round = 0; round < 3; ++round) {
      const std::uint32_t first = random() % rows.first_cell.back(),
                          end = first + 1 + random() % (rows.first_cell.back() - first);
      std::vector<std::uint8_t> marks(rows.rows(), 9), expected = marks;
      for (std::uint32_t r = 0; r < rows.rows(); ++r) {
        for (std::uint64_t v = rows.row_begin[r]; v < rows.row_begin[r + 1]; ++v) {
          if (rows.cells[v] >= first && rows.cells[v] < end) expected[r] = 200;
        }
      }
      const std::uint64_t before = rows.cell_begin[first], marked = rows.cell_begin[end] - before;
      ASSERT_EQ(LaunchMarkRows(rows.cell_rows.data() + before, marked, 200, kProcessors, marks.data(), nullptr),
                cudaSuccess);
      ASSERT_EQ(marks, expected);
    }
  }
}

// The best cut of all columns, one after the other, as the processor finds it.
struct Best {
  ColumnSplit cut;
  std::uint32_t column = 0;
  WideSum missing = 0;
};
Best BestPlain(const SparseScanWork& work, const std::vector<std::uint32_t>& first_cell,
               const std::vector<WideSum>& cells, int node) {
  const WideSum total = work.totals[node];
  Best best;
  for (std::uint32_t c = 0; c < work.columns; ++c) {
    if (work.chosen != nullptr && work.chosen[c] == 0) continue;
    std::vector<WideSum> of_column(cells.begin() + first_cell[c], cells.begin() + first_cell[c + 1]);
    WideSum missing = total;
    for (const WideSum cell : of_column) missing -= cell;
    if (WideHessian(total - missing) < work.params.min_hessian) continue;
    if (work.zero_bin != nullptr) {
      of_column[work.zero_bin[c] - 1u] += missing;
      missing = 0;
    }
    const ColumnSplit cut = BestBoundedSplit(
        {of_column.data(), static_cast<int>(of_column.size()), missing, total}, work.params, work.bounds[node],
        work.directions == nullptr ? Direction::kFree : work.directions[c]);
    if (cut.score >= 0 && cut.score > best.cut.score) best = {cut, c, missing};
  }
  return best;
}

TEST(SparseKernels, TheBestCutIsThatOfTheProcessor) {
  std::mt19937 random(11);
  int found = 0, ties = 0, otherwise = 0;
  for (int round = 0; round < 120; ++round) {
    const int most_bins = round % 3 == 0 ? 255 : 3;
    const unsigned columns = round == 0 ? 1 : 1 + random() % 150;
    std::vector<std::uint32_t> first_cell{0};
    std::vector<std::uint8_t> zero_bin, chosen;
    std::vector<Direction> directions;
    for (unsigned c = 0; c < columns; ++c) {
      const unsigned bins = 1 + random() % static_cast<unsigned>(most_bins);
      first_cell.push_back(first_cell.back() + bins);
      zero_bin.push_back(static_cast<std::uint8_t>(1 + random() % bins));
      chosen.push_back(random() % 3 != 0);
      directions.push_back(static_cast<Direction>(static_cast<int>(random() % 3) - 1));
    }
    const unsigned large = round % 4 == 1 ? 1'000'000 : 3;
    std::vector<WideSum> nodes[2];
    SparseScanWork work;
    for (int n = 0; n < 2; ++n) {
      nodes[n].resize(first_cell.back());
      WideSum most = 0;
      for (unsigned c = 0; c < columns; ++c) {
        WideSum sum = 0;
        for (std::uint32_t i = first_cell[c]; i < first_cell[c + 1]; ++i) {
          if (random() % 3 == 0) continue;
          const auto h = static_cast<std::int64_t>(random() % large);
          nodes[n][i] = (h << 32) + static_cast<std::int64_t>(random() % (2 * large)) - large;
          sum += nodes[n][i];
        }
        if (WideHessian(sum) > WideHessian(most)) most = sum;
      }
      // Some column has no value missing; elsewhere all values may be.
      work.totals[n] = most + (random() % 2 == 0 ? 0 : (std::int64_t{50} << 32) + 17);
    }
    std::vector<WideSum> parent(nodes[0].size());
    for (std::size_t i = 0; i < parent.size(); ++i) parent[i] = nodes[0][i] + nodes[1][i];
    work.columns = columns;
    work.first_cell = first_cell.data();
    if (round % 2 == 0) work.zero_bin = zero_bin.data();
    if (round % 5 == 2) work.chosen = chosen.data();
    work.summed = nodes[0].data();
    if (round >= 60) work.directions = directions.data();
    if (round >= 90) {
      work.bounds[0] = {-0.3, 0.2};
      work.bounds[1].high = 0.1;
    }
    const bool both = round % 7 != 3;
    if (both) work.parent = parent.data();
    work.params = {static_cast<double>(random() % 3), round % 4 == 0 ? 2.0 : 0.0,
                   1.0 + static_cast<double>(random() % 4)};
    std::vector<SparseFinding> of_blocks(2 * SparseScanBlocks(columns, kProcessors)), findings(2);
    work.of_blocks = of_blocks.data();
    work.findings = findings.data();
    ASSERT_EQ(LaunchSparseScan(work, kProcessors, nullptr), cudaSuccess);
    for (int n = 0; n < (both ? 2 : 1); ++n) {
      const Best best = BestPlain(work, first_cell, nodes[n], n);
      const SparseFinding& finding = findings[static_cast<std::size_t>(n)];
      ASSERT_EQ(finding.score, best.cut.score) << round;
      if (best.cut.score < 0) continue;
      ++found;
      ASSERT_EQ(finding.column, best.column) << round;
      ASSERT_EQ(finding.bin, best.cut.bin) << round;
      ASSERT_EQ(finding.missing_left != 0, best.cut.missing_left) << round;
      ASSERT_EQ(finding.left, best.cut.left) << round;
      ASSERT_EQ(finding.missing, best.missing) << round;
      SparseScanWork free = work;
      free.directions = nullptr;
      std::fill(std::begin(free.bounds), std::end(free.bounds), ValueBounds());
      const Best of_free = BestPlain(free, first_cell, nodes[n], n);
      otherwise += of_free.column != best.column || of_free.cut.bin != best.cut.bin;
      // The same without that column: another one may be as good.
      std::vector<std::uint8_t> others(columns, 1);
      others[best.column] = 0;
      SparseScanWork rest = work;
      rest.chosen = others.data();
      ties += work.chosen == nullptr &&
              BestPlain(rest, first_cell, nodes[n], n).cut.score == best.cut.score;
    }
    for (unsigned c = 0; c < columns && both; ++c) {
      if (work.chosen != nullptr && chosen[c] == 0) continue;
      for (std::uint32_t i = first_cell[c]; i < first_cell[c + 1]; ++i)
        ASSERT_EQ(parent[i], nodes[1][i]);
    }
  }
  EXPECT_GT(found, 60);
  EXPECT_GT(ties, 5);
  EXPECT_GT(otherwise, 30);
}

}  // namespace
}  // namespace ps
