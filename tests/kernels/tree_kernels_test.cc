// The device's kernels for trees, executed on the host, give the bits of the processor's on random
// shapes: no rows, one row, columns beside a group of 32, nothing but missing values.
#include "kernels/cuda/tree_kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "kernels/gradients.h"
#include "kernels/softmax.h"

namespace ps {
namespace {

struct Shape {
  std::size_t rows;
  int columns;
  bool all_missing = false;
};
constexpr Shape kShapes[] = {{0, 3},    {1, 1},    {31, 28},        {32, 32},        {1024, 33},
                             {1025, 2}, {2049, 5}, {3000, 4, true}, {70000, 1, true}};

class Rows {
 public:
  explicit Rows(const Shape& shape)
      : columns(shape.columns),
        stride(static_cast<std::size_t>(shape.columns) + 3),
        bins(shape.rows * stride + 8) {
    std::mt19937 random(static_cast<unsigned>(shape.rows * 64 + shape.columns));
    for (std::uint8_t& bin : bins)
      bin = static_cast<std::uint8_t>(shape.all_missing ? 0 : random());
    for (std::uint32_t r = 0; r < shape.rows; ++r) {
      entries.push_back({r, shape.all_missing ? PackGradient(-31, 62)
                                              : PackGradient(static_cast<int>(random() % 63) - 31,
                                                             random() % 63)});
    }
    std::shuffle(entries.begin(), entries.end(), random);
    for (std::uint32_t& bits : goes_left) bits = random();
  }
  DenseBins matrix() const { return {bins.data(), stride, columns}; }
  std::uint32_t count() const { return static_cast<std::uint32_t>(entries.size()); }
  bool Left(const RowGradient& entry, int column) const {
    const unsigned bin = bins[entry.row * stride + static_cast<std::size_t>(column)];
    return (goes_left[bin / 32] >> (bin % 32)) & 1;
  }

  int columns;
  std::size_t stride;
  std::vector<std::uint8_t> bins;
  std::vector<RowGradient> entries;
  std::uint32_t goes_left[kBinsPerColumn / 32];
};

// In the layout of the device, by the processor's kernels.
std::vector<WideSum> HistogramOf(const Rows& rows, const RowGradient* entries, std::size_t count) {
  std::vector<std::uint32_t> narrow(static_cast<std::size_t>(rows.columns) * kBinsPerColumn);
  std::vector<WideSum> wide(narrow.size());
  for (std::size_t i = 0; i < count; i += 1000) {
    AddDenseRowsPlain(rows.matrix(), entries + i, std::min<std::size_t>(1000, count - i),
                      narrow.data());
    WidenHistogramPlain(narrow.data(), narrow.size(), wide.data());
  }
  std::vector<WideSum> groups(static_cast<std::size_t>(ColumnGroups(rows.columns)) * kGroupCells);
  for (int c = 0; c < rows.columns; ++c) {
    for (int b = 0; b < kBinsPerColumn; ++b) {
      groups[DenseCell(c, b)] = wide[static_cast<std::size_t>(c * kBinsPerColumn + b)];
    }
  }
  return groups;
}

TEST(TreeKernels, PartitionKeepsEveryRowOnItsSide) {
  for (const Shape& shape : kShapes) {
    const Rows rows(shape);
    const int column = shape.columns - 1;
    // A range within a larger buffer, whose other entries stay.
    const std::uint32_t begin = shape.rows > 100 ? 7 : 0, end = rows.count();
    std::vector<RowGradient> parted(rows.entries.size(), RowGradient{~0u, ~0u});
    SideCounts sides;
    PartitionWork work;
    work.matrix = rows.matrix();
    work.column = static_cast<std::uint32_t>(column);
    std::copy_n(rows.goes_left, kBinsPerColumn / 32, work.goes_left);
    work.range = {begin, end};
    work.from = rows.entries.data();
    work.to = parted.data();
    work.sides = &sides;
    ASSERT_EQ(LaunchPartition(work, nullptr), cudaSuccess);
    ASSERT_EQ(sides.left + sides.right, end - begin);
    for (std::uint32_t i = 0; i < begin; ++i) ASSERT_EQ(parted[i].row, ~0u);
    std::vector<std::uint32_t> seen;
    for (std::uint32_t i = begin; i < end; ++i) {
      ASSERT_LT(parted[i].row, shape.rows);
      ASSERT_EQ(rows.Left(parted[i], column), i - begin < sides.left) << i;
      seen.push_back(parted[i].row);
    }
    std::vector<std::uint32_t> all;
    for (std::uint32_t i = begin; i < end; ++i) all.push_back(rows.entries[i].row);
    std::sort(seen.begin(), seen.end());
    std::sort(all.begin(), all.end());
    ASSERT_EQ(seen, all);
  }
}

TEST(TreeKernels, HistogramsAreThoseOfTheProcessor) {
  for (const Shape& shape : kShapes) {
    const Rows rows(shape);
    const std::uint32_t third = rows.count() / 3;
    const SideCounts sides{third, rows.count() - third};
    for (const Side side : {Side::kAll, Side::kLeft, Side::kRight}) {
      const std::uint32_t begin = side == Side::kRight ? third : 0,
                          end = side == Side::kLeft ? third : rows.count();
      std::vector<WideSum> expected = HistogramOf(rows, rows.entries.data() + begin, end - begin);
      for (WideSum& cell : expected) cell += 5;
      const NodeEntries node{rows.entries.data(), {0, rows.count()}, side, &sides};
      for (const unsigned at_once : {kRowsAtOnce, kFewerRowsAtOnce}) {
        std::vector<WideSum> histogram(expected.size(), 5);  // adds
        ASSERT_EQ(LaunchHistogram({rows.matrix(), node, histogram.data(), at_once}, 2, nullptr), cudaSuccess);
        ASSERT_EQ(histogram, expected) << shape.rows << " x " << shape.columns;
      }
    }
  }
}

TEST(TreeKernels, CutsAreThoseOfTheProcessor) {
  std::mt19937 random(7);
  int found = 0, otherwise = 0;
  for (int round = 0; round < 18; ++round) {
    const int columns = round == 0 ? 1 : 20 + static_cast<int>(random() % 30);
    const std::size_t cells = static_cast<std::size_t>(ColumnGroups(columns)) * kGroupCells;
    std::vector<std::uint8_t> bins;
    std::vector<std::int32_t> category;
    std::vector<Direction> directions;
    std::vector<WideSum> nodes[2] = {std::vector<WideSum>(cells), std::vector<WideSum>(cells)};
    int categories = 0;
    for (int c = 0; c < columns; ++c) {
      bins.push_back(static_cast<std::uint8_t>(1 + random() % 255));
      category.push_back(random() % 5 == 0 ? categories++ : -1);
      directions.push_back(static_cast<Direction>(static_cast<int>(random() % 3) - 1));
      const unsigned large = round % 3 == 0 ? 1'000'000 : 50;
      for (std::vector<WideSum>& node : nodes) {
        for (int b = random() % 2; b <= bins.back(); ++b) {
          if (random() % 3 == 0) continue;
          const auto h = static_cast<std::int64_t>(random() % large);
          node[DenseCell(c, b)] = (h << 32) + static_cast<std::int64_t>(random() % (2 * large)) - large;
        }
      }
    }
    std::vector<WideSum> parent(cells);
    for (std::size_t i = 0; i < cells; ++i) parent[i] = nodes[0][i] + nodes[1][i];
    std::vector<ColumnFinding> findings(static_cast<std::size_t>(2 * columns));
    std::vector<WideSum> category_cells(static_cast<std::size_t>(2 * categories) * kBinsPerColumn);
    ScanWork work;
    work.columns = columns;
    work.bins = bins.data();
    work.category = category.data();
    work.categories = categories;
    work.summed = nodes[0].data();
    work.parent = parent.data();
    work.params = {static_cast<double>(random() % 3), round % 2 == 0 ? 20.0 : 0.0,
                   1.0 + static_cast<double>(random() % 100)};
    work.findings = findings.data();
    work.category_cells = category_cells.data();
    if (round >= 6) work.directions = directions.data();
    if (round >= 12) {
      work.bounds[0] = {-0.3, 0.2};
      work.bounds[1].low = 0.1;
    }
    ASSERT_EQ(LaunchScan(work, nullptr), cudaSuccess);
    ASSERT_EQ(parent, nodes[1]);
    for (int n = 0; n < 2; ++n) {
      for (int c = 0; c < columns; ++c) {
        std::vector<WideSum> of_column;
        WideSum total = 0;
        for (int b = 0; b < kBinsPerColumn; ++b) {
          of_column.push_back(nodes[n][DenseCell(c, b)]);
          total += of_column.back();
        }
        const ColumnFinding& finding = findings[static_cast<std::size_t>(n * columns + c)];
        ASSERT_EQ(finding.total, total);
        ASSERT_EQ(finding.missing, of_column[0]);
        if (category[static_cast<std::size_t>(c)] >= 0) {
          const auto* handed_out =
              category_cells.data() + (n * categories + category[static_cast<std::size_t>(c)]) *
                                          std::ptrdiff_t{kBinsPerColumn};
          ASSERT_TRUE(std::equal(of_column.begin(), of_column.end(), handed_out));
          continue;
        }
        const ColumnCells cells_of{of_column.data() + 1, bins[static_cast<std::size_t>(c)], of_column[0], total};
        const Direction direction =
            work.directions == nullptr ? Direction::kFree : directions[static_cast<std::size_t>(c)];
        ColumnSplit plain = BestBoundedSplit(cells_of, work.params, work.bounds[n], direction);
        if (WideHessian(total - of_column[0]) < work.params.min_hessian || plain.score < 0) plain = ColumnSplit();
        ASSERT_EQ(finding.score, plain.score) << c;
        if (plain.score < 0) continue;
        ++found;
        otherwise += BestSplitPlain(cells_of, work.params).bin != plain.bin;
        ASSERT_EQ(finding.bin, plain.bin) << c;
        ASSERT_EQ(finding.missing_left != 0, plain.missing_left) << c;
        ASSERT_EQ(finding.left, plain.left) << c;
      }
    }
  }
  EXPECT_GT(found, 400);
  EXPECT_GT(otherwise, 100);
}

TEST(TreeKernels, GradientsAreThoseOfTheProcessor) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 8);
  for (const std::size_t rows : {0, 1, 255, 1003, 4099}) {
    std::vector<float> margins, labels, weights;
    for (std::size_t i = 0; i < rows; ++i) {
      margins.push_back(i == 1 ? 200.0f : i == 2 ? -200.0f : normal(random));
      labels.push_back(static_cast<float>(random() % 2));
      weights.push_back(0.5f * static_cast<float>(random() % 4));
    }
    // Of three classes.
    std::vector<float> of_classes(3 * rows), largest(rows), inverse(rows), of_largest(rows), of_inverse(rows);
    for (float& margin : of_classes) margin = random() % 50 == 0 ? -300.0f : normal(random);
    FindSoftmaxNorms(of_classes.data(), rows, 3, rows, of_largest.data(), of_inverse.data());
    ASSERT_EQ(LaunchSoftmaxNorms(
                  {static_cast<std::uint32_t>(rows), 3, of_classes.data(), largest.data(), inverse.data()}, nullptr),
              cudaSuccess);
    ASSERT_EQ(largest, of_largest);
    ASSERT_EQ(inverse, of_inverse);
    for (const GradientKind kind : {GradientKind::kLogistic, GradientKind::kSquared, GradientKind::kSoftmax}) {
      std::vector<float> g(rows), h(rows);
      const float* of = margins.data();
      if (kind == GradientKind::kSoftmax) {
        of = of_classes.data() + rows;
        SoftmaxGradients({of, largest.data(), inverse.data(), 1}, labels.data(), weights.data(), rows, g.data(),
                         h.data());
      } else {
        const auto gradients = kind == GradientKind::kLogistic ? LogisticGradients : SquaredGradients;
        gradients(of, labels.data(), weights.data(), rows, g.data(), h.data());
      }
      const Quantisation q{0x1234567u, kind == GradientKind::kSquared ? 0.01f : 31.0f, 31, 1 << 20, 1 << 20};
      std::vector<RowGradient> entries(rows), expected(rows);
      std::vector<FixedGradient> fixed(rows), expected_fixed(rows);
      const std::uint64_t first = (std::uint64_t{1} << 32) - 100;
      QuantiseGradients(q, g.data(), h.data(), rows, 0, first, expected.data(),
                        expected_fixed.data());
      GradientWork work;
      work.rows = static_cast<std::uint32_t>(rows);
      work.margins = of;
      work.largest = largest.data();
      work.inverse = inverse.data();
      work.number = 1;
      work.labels = labels.data();
      work.weights = weights.data();
      work.kind = kind;
      work.quantisation = q;
      work.first_global_row = first;
      work.sample_below = std::uint64_t{1} << 53;
      work.entries = entries.data();
      work.fixed = fixed.data();
      WideSum total = 7, expected_total = 7;  // adds
      work.total = &total;
      ASSERT_EQ(LaunchGradients(work, nullptr), cudaSuccess);
      for (const RowGradient& entry : expected) expected_total += Widen(entry.packed);
      EXPECT_EQ(total, expected_total);
      for (std::size_t i = 0; i < rows; ++i) {
        ASSERT_EQ(entries[i].row, i);
        ASSERT_EQ(entries[i].packed, expected[i].packed) << i;
        ASSERT_EQ(fixed[i].g, expected_fixed[i].g) << i;
        ASSERT_EQ(fixed[i].h, expected_fixed[i].h) << i;
      }
    }
  }
}

}  // namespace
}  // namespace ps
