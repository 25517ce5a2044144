// Trees against a naive grower in double precision, and against themselves: other layouts, other
// numbers of threads.
#include "models/gbdt/grower.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "models/gbdt/booster.h"
#include "tests/gbdt/binned_sample.h"
#include "tests/gbdt/trees_alike.h"

namespace ps {
namespace {

BoostParams Params(int leaves) {
  BoostParams params;
  params.grow.max_leaves = leaves;
  return params;
}

std::vector<Tree> Boost(const BinnedSample& sample, const BoostParams& params, int trees,
                        int threads, std::vector<float>* margins = nullptr) {
  Crew crew(threads);
  Booster booster(&sample.rows, &sample.columns, params, &crew);
  std::vector<Tree> grown;
  for (int i = 0; i < trees; ++i) grown.push_back(booster.GrowNext());
  if (margins != nullptr) *margins = booster.Margins();
  return grown;
}

std::size_t LeafOf(const Tree& tree, const std::vector<std::uint8_t>& bins) {
  std::int32_t at = tree.nodes.empty() ? ~0 : 0;
  while (at >= 0) {
    const TreeNode& node = tree.nodes[static_cast<std::size_t>(at)];
    at = GoesLeft(tree, node, bins[node.column]) ? node.left : node.right;
  }
  return static_cast<std::size_t>(~at);
}

// Rows of a first tree have gradients and hessians that quantise without rounding when half of the
// labels are positive: g = ±0.5, h = 0.25.
BinnedSample HalfPositive(SampleShape shape) {
  BinnedSample sample = MakeSample(shape);
  std::size_t positives = 0;
  for (const float label : sample.rows.labels) positives += label > 0;
  for (float& label : sample.rows.labels) {
    if (positives * 2 > shape.rows && label > 0) {
      label = 0;
      --positives;
    } else if (positives * 2 < shape.rows && label == 0) {
      label = 1;
      ++positives;
    }
  }
  return sample;
}

double Score(double g, double h) { return g * g / (h + 1); }

// The best gain of any split of the rows, by trying every cut of every column with missing values
// on both sides.
double BestGain(const BinnedSample& sample, const std::vector<std::size_t>& rows) {
  double best = 0, all_g = 0, all_h = 0;
  for (const std::size_t r : rows) {
    all_g += 0.5 - sample.rows.labels[r];
    all_h += 0.25;
  }
  for (int c = 0; c < sample.columns_count(); ++c) {
    for (int cut = 0; cut <= sample.columns[static_cast<std::size_t>(c)].bins(); ++cut) {
      for (const bool missing_left : {false, true}) {
        double g = 0, h = 0;
        for (const std::size_t r : rows) {
          const int bin = sample.bin[r][static_cast<std::size_t>(c)];
          if (bin == 0 ? !missing_left : bin > cut) continue;
          g += 0.5 - sample.rows.labels[r];
          h += 0.25;
        }
        if (h < 1 || all_h - h < 1) continue;
        best =
            std::max(best, 0.5 * (Score(g, h) + Score(all_g - g, all_h - h) - Score(all_g, all_h)));
      }
    }
  }
  return best;
}

TEST(Grower, EverySplitIsTheBestThereIs) {
  int splits = 0;
  for (const bool sparse : {false, true}) {
    for (unsigned seed = 1; seed <= 12; ++seed) {
      SampleShape shape;
      shape.rows = 300;
      shape.columns = 4;
      shape.bins = 9;
      shape.missing = seed % 3 == 0 ? 0 : 0.3;
      shape.sparse = sparse;
      shape.seed = seed;
      const BinnedSample sample = HalfPositive(shape);
      const Tree tree = Boost(sample, Params(8), 1, 2)[0];
      std::vector<std::vector<std::size_t>> rows(tree.nodes.size());
      ASSERT_FALSE(tree.nodes.empty());
      for (std::size_t r = 0; r < shape.rows; ++r) rows[0].push_back(r);
      for (std::size_t n = 0; n < tree.nodes.size(); ++n) {
        const TreeNode& node = tree.nodes[n];
        // Rounding is random where h * steps is no whole number; the scale makes both whole but for
        // g.
        EXPECT_NEAR(node.gain, BestGain(sample, rows[n]), 0.12 * BestGain(sample, rows[n]) + 0.35)
            << seed;
        for (const std::size_t r : rows[n]) {
          const std::int32_t next =
              GoesLeft(tree, node, sample.bin[r][node.column]) ? node.left : node.right;
          if (next >= 0) rows[static_cast<std::size_t>(next)].push_back(r);
        }
        ++splits;
      }
    }
  }
  EXPECT_GT(splits, 100);
}

TEST(Grower, LeavesHaveTheExactSumsOfTheirRows) {
  for (const bool weights : {false, true}) {
    SampleShape shape;
    shape.rows = 70001;  // three blocks, the last one short
    shape.weights = weights;
    const BinnedSample sample = MakeSample(shape);
    BoostParams params = Params(15);
    Crew crew(2);
    Booster booster(&sample.rows, &sample.columns, params, &crew);
    std::vector<double> margin(shape.rows, booster.base_score());
    for (int t = 0; t < 3; ++t) {
      const Tree tree = booster.GrowNext();
      std::vector<double> g(tree.leaf_value.size()), h(tree.leaf_value.size());
      for (std::size_t r = 0; r < shape.rows; ++r) {
        const double w = weights ? sample.rows.weights[r] : 1, p = 1 / (1 + std::exp(-margin[r]));
        const std::size_t leaf = LeafOf(tree, sample.bin[r]);
        g[leaf] += w * (p - sample.rows.labels[r]);
        h[leaf] += w * p * (1 - p);
      }
      for (std::size_t leaf = 0; leaf < g.size(); ++leaf) {
        EXPECT_NEAR(tree.leaf_value[leaf], -0.1 * g[leaf] / (h[leaf] + 1), 2e-5);
        EXPECT_NEAR(tree.leaf_cover[leaf], h[leaf], 1e-3 * h[leaf] + 1e-3);
      }
      for (std::size_t r = 0; r < shape.rows; ++r)
        margin[r] += tree.leaf_value[LeafOf(tree, sample.bin[r])];
    }
    const std::vector<float>& margins = booster.Margins();
    for (std::size_t r = 0; r < shape.rows; r += 97) EXPECT_NEAR(margins[r], margin[r], 1e-5);
  }
}

TEST(Grower, AnyNumberOfThreadsAndEitherLayoutGiveTheSameTrees) {
  for (const bool level_wise : {false, true}) {
    SampleShape shape;
    shape.rows = 70000;
    shape.columns = 7;
    shape.missing = 0.4;
    shape.weights = true;
    BoostParams params = Params(31);
    params.grow.level_wise = level_wise;
    params.grow.column_sample = 0.8;
    params.row_sample = 0.7;
    const std::vector<Tree> first = Boost(MakeSample(shape), params, 4, 1);
    EXPECT_EQ(first[0].leaf_value.size(), 31u);
    for (const bool sparse : {false, true}) {
      shape.sparse = sparse;
      const BinnedSample sample = MakeSample(shape);
      for (const int threads : {1, 2, 3, 8}) {
        const std::vector<Tree> trees = Boost(sample, params, 4, threads);
        for (std::size_t t = 0; t < trees.size(); ++t) {
          EXPECT_TRUE(Same(trees[t], first[t]))
              << threads << " threads, tree " << t << (sparse ? ", sparse" : "");
        }
      }
      // Without room for histograms the children are summed from their rows: the same sums.
      params.grow.memory_bytes = 1;
      const std::vector<Tree> trees = Boost(sample, params, 4, 2);
      for (std::size_t t = 0; t < trees.size(); ++t) EXPECT_TRUE(Same(trees[t], first[t]));
      params.grow.memory_bytes = BoostParams().grow.memory_bytes;
    }
    params.seed = 2;
    EXPECT_FALSE(Same(Boost(MakeSample(shape), params, 1, 2)[0], first[0]));
  }
}

TEST(Grower, LimitsHold) {
  const BinnedSample sample = MakeSample({});
  BoostParams params = Params(64);
  params.grow.max_depth = 3;
  for (const Tree& tree : Boost(sample, params, 3, 2)) {
    EXPECT_LE(tree.leaf_value.size(), 8u);
    EXPECT_GE(tree.leaf_value.size(), 4u);
  }
  params = Params(64);
  params.grow.min_hessian = 20;
  for (const Tree& tree : Boost(sample, params, 3, 2)) {
    // The limit is kept by quantised sums, whose rounding is random.
    for (const float cover : tree.leaf_cover) EXPECT_GT(cover, 18);
  }
  params.grow.min_hessian = 1;
  params.grow.min_gain = 5;
  for (const Tree& tree : Boost(sample, params, 3, 2)) {
    for (const TreeNode& node : tree.nodes) EXPECT_GT(node.gain, 5);
  }
  params.grow.l1 = 1e9;
  for (const Tree& tree : Boost(sample, params, 1, 2))
    EXPECT_EQ(tree.leaf_value, std::vector<float>{0});
}

// What min_hessian says of the number of rows in a leaf: a row has a hessian of at most 1/4
// (logistic), or of 1 (squared).
TEST(Grower, MinHessianIsAMinimumOfRows) {
  const BinnedSample sample = MakeSample({});
  for (const Objective objective : {Objective::kLogistic, Objective::kSquared}) {
    const bool squared = objective == Objective::kSquared;
    BoostParams params = Params(64);
    params.objective = objective;
    params.grow.min_hessian = 13;
    const std::size_t least = squared ? 13 : 52;
    std::size_t smallest = sample.rows.rows;
    for (const Tree& tree : Boost(sample, params, 6, 2)) {
      std::vector<std::size_t> rows(tree.leaf_value.size());
      for (const std::vector<std::uint8_t>& bins : sample.bin) ++rows[LeafOf(tree, bins)];
      for (const std::size_t count : rows) EXPECT_GE(count, least) << squared;
      smallest = std::min(smallest, *std::min_element(rows.begin(), rows.end()));
    }
    // Exactly, where all rows weigh 1.
    if (squared) {
      EXPECT_EQ(smallest, least);
    }
  }
}

TEST(Grower, NothingToSplit) {
  // Constant columns, columns without any value, a single row, one class.
  for (const double missing : {0.0, 1.0}) {
    SampleShape shape;
    shape.rows = missing > 0 ? 50 : 1;
    shape.missing = missing;
    const BinnedSample sample = MakeSample(shape);
    const std::vector<Tree> trees = Boost(sample, Params(31), 2, 2);
    for (const Tree& tree : trees) {
      EXPECT_TRUE(tree.nodes.empty());
      ASSERT_EQ(tree.leaf_value.size(), 1u);
      EXPECT_TRUE(std::isfinite(tree.leaf_value[0]));
    }
  }
  SampleShape shape;
  BinnedSample sample = MakeSample(shape);
  std::fill(sample.rows.labels.begin(), sample.rows.labels.end(), 1.0f);
  std::vector<float> margins;
  for (const Tree& tree : Boost(sample, Params(31), 3, 2, &margins))
    EXPECT_TRUE(tree.nodes.empty());
  for (const float margin : margins) EXPECT_GT(margin, 10);
  sample.rows.weights.assign(shape.rows, 0.0f);
  for (const Tree& tree : Boost(sample, Params(31), 2, 2))
    EXPECT_TRUE(std::isfinite(tree.leaf_value[0]));
}

TEST(Grower, LearnsNumbersToo) {
  SampleShape shape;
  shape.rows = 5000;
  BinnedSample sample = MakeSample(shape);
  for (std::size_t r = 0; r < shape.rows; ++r)
    sample.rows.labels[r] = 1000 + 3.0f * sample.bin[r][0];
  BoostParams params = Params(31);
  params.objective = Objective::kSquared;
  std::vector<float> margins;
  Boost(sample, params, 80, 2, &margins);
  for (std::size_t r = 0; r < shape.rows; ++r) EXPECT_NEAR(margins[r], sample.rows.labels[r], 0.5);
}

TEST(Grower, CategoriesArePartedManyAgainstMany) {
  SampleShape shape;
  shape.rows = 20000;
  shape.columns = 3;
  shape.categories = 1;
  shape.bins = 12;
  BinnedSample sample = MakeSample(shape);
  // Scattered categories: no cut of their numbers helps, one set of them tells all.
  const auto positive = [](int bin) { return bin == 0 || bin == 2 || bin == 7 || bin == 11; };
  for (std::size_t r = 0; r < shape.rows; ++r)
    sample.rows.labels[r] = positive(sample.bin[r][0]) ? 1.0f : 0.0f;
  const Tree tree = Boost(sample, Params(2), 1, 2)[0];
  ASSERT_EQ(tree.nodes.size(), 1u);
  EXPECT_EQ(tree.nodes[0].column, 0u);
  ASSERT_EQ(tree.nodes[0].kind, ColumnKind::kCategory);
  const bool side = Contains(tree.left_sets[0], 0);
  for (int bin = 0; bin <= 12; ++bin) {
    EXPECT_EQ(Contains(tree.left_sets[0], static_cast<std::uint8_t>(bin)) == side, positive(bin))
        << bin;
  }
}

TEST(Grower, AbsentZerosLieBetweenTheirNeighbours) {
  SampleShape shape;
  shape.rows = 3000;
  shape.columns = 2;
  shape.missing = 0.5;
  shape.sparse = true;
  BinnedSample sample = MakeSample(shape);
  for (BinColumn& column : sample.columns) {
    for (float& cut : column.cuts) cut -= 10;  // bins 1 to 10 are negative
  }
  BoostParams params = Params(16);
  params.grow.absent_is_zero = true;
  int seen = 0;
  for (const Tree& tree : Boost(sample, params, 10, 2)) {
    for (const TreeNode& node : tree.nodes) {
      if (node.column != 0) continue;
      EXPECT_EQ(node.missing_left, 0 < node.threshold) << node.threshold;
      ++seen;
    }
  }
  EXPECT_GT(seen, 10);
}

// Absent values of sparse rows that are zeros are the matrix that has them in the bin of 0,
// wherever that is among the bins.
TEST(Grower, AbsentZerosAreTheBinOfZero) {
  for (int below = 0; below < 12; ++below) {
    SampleShape shape;
    shape.rows = 4000;
    shape.columns = 4;
    shape.bins = 12;
    shape.missing = below % 3 == 0 ? 0.9 : 0.4;
    shape.sparse = true;
    shape.seed = static_cast<unsigned>(below + 1);
    BinnedSample sparse = MakeSample(shape);
    for (BinColumn& column : sparse.columns) {
      for (float& cut : column.cuts) cut -= static_cast<float>(below);
    }
    BinnedRows matrix;
    matrix.rows = shape.rows;
    matrix.columns = shape.columns;
    matrix.labels = sparse.rows.labels;
    matrix.stride = DenseStride(shape.columns);
    matrix.bins = HugeArray<std::uint8_t>(shape.rows * matrix.stride + 64);
    for (std::size_t r = 0; r < shape.rows; ++r) {
      for (std::size_t c = 0; c < sparse.columns.size(); ++c) {
        const std::uint8_t bin = sparse.bin[r][c];
        matrix.bins[r * matrix.stride + c] = bin == 0 ? BinOf(sparse.columns[c], 0.0f) : bin;
      }
    }
    BoostParams params = Params(16);
    params.grow.absent_is_zero = true;
    const std::vector<Tree> trees = Boost(sparse, params, 5, 2);
    Crew crew(1);
    Booster booster(&matrix, &sparse.columns, params, &crew);
    for (const Tree& tree : trees) {
      const Tree same = booster.GrowNext();
      ASSERT_EQ(tree.nodes.size(), same.nodes.size()) << below;
      ASSERT_GT(tree.nodes.size(), 3u);
      for (std::size_t n = 0; n < tree.nodes.size(); ++n) {
        EXPECT_EQ(tree.nodes[n].column, same.nodes[n].column);
        EXPECT_EQ(tree.nodes[n].bin, same.nodes[n].bin);
        EXPECT_EQ(tree.nodes[n].missing_left, 0 < tree.nodes[n].threshold);
      }
      EXPECT_EQ(tree.leaf_value, same.leaf_value) << below;
    }
  }
}

}  // namespace
}  // namespace ps
