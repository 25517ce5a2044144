// Margins of 100 random trees: many rows at once, and one row by itself; by the leaves of a tree, the fastest way (0) or
// walks alone (1), and columns.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <random>
#include <vector>

#include "models/gbdt/predictor.h"

namespace ps {
namespace {

constexpr std::size_t kTrees = 100, kRows = 4096;

// Splits one leaf after the other, any of them: as deep as trees that are grown by gain.
Tree RandomTree(std::size_t count, std::size_t columns, std::mt19937& random) {
  std::uniform_real_distribution<float> uniform(0, 1);
  Tree tree;
  struct Place {
    std::int32_t node;
    bool left;
  };
  std::vector<Place> leaves{{-1, false}};
  while (leaves.size() < count) {
    const std::size_t at = random() % leaves.size();
    const auto node = static_cast<std::int32_t>(tree.nodes.size());
    TreeNode split;
    split.column = static_cast<std::uint32_t>(random() % columns);
    split.bin = 1;
    split.threshold = uniform(random);
    tree.nodes.push_back(split);
    if (leaves[at].node >= 0) {
      TreeNode& above = tree.nodes[static_cast<std::size_t>(leaves[at].node)];
      (leaves[at].left ? above.left : above.right) = node;
    }
    leaves[at] = {node, true};
    leaves.push_back({node, false});
  }
  for (std::size_t leaf = 0; leaf < leaves.size(); ++leaf) {
    TreeNode& above = tree.nodes[static_cast<std::size_t>(leaves[leaf].node)];
    (leaves[leaf].left ? above.left : above.right) = ~static_cast<std::int32_t>(leaf);
    tree.leaf_value.push_back(uniform(random) - 0.5f);
    tree.leaf_cover.push_back(1);
  }
  return tree;
}

struct Sample {
  TreeModel model;
  std::vector<float> rows;
  std::vector<float> margins = std::vector<float>(kRows);

  Sample(std::size_t leaves, std::size_t columns) : rows(kRows * columns) {
    std::mt19937 random(1);
    std::uniform_real_distribution<float> uniform(0, 1);
    model.columns.resize(columns);
    for (std::size_t t = 0; t < kTrees; ++t) model.trees.push_back(RandomTree(leaves, columns, random));
    for (float& value : rows) value = uniform(random);
  }
};

void BM_ManyRows(benchmark::State& state) {
  Sample sample(static_cast<std::size_t>(state.range(0)), static_cast<std::size_t>(state.range(2)));
  const TreePredictor predictor(sample.model, static_cast<TreePredictor::Way>(state.range(1)));
  for (auto _ : state) {
    predictor.Margins(sample.rows.data(), kRows, sample.margins.data());
    benchmark::DoNotOptimize(sample.margins.data());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kRows));
}
BENCHMARK(BM_ManyRows)->ArgsProduct({{31, 64, 255, 1023}, {0, 1}, {28}})->ArgsProduct({{31, 255}, {0, 1}, {4000}});

void BM_OneRow(benchmark::State& state) {
  const auto columns = static_cast<std::size_t>(state.range(2));
  Sample sample(static_cast<std::size_t>(state.range(0)), columns);
  const TreePredictor predictor(sample.model, static_cast<TreePredictor::Way>(state.range(1)));
  std::size_t row = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(predictor.Margin(sample.rows.data() + row * columns));
    row = (row + 1) % kRows;
  }
}
BENCHMARK(BM_OneRow)->ArgsProduct({{31, 64, 255, 1023}, {0, 1}, {28}})->ArgsProduct({{31, 255}, {0, 1}, {4000}});

}  // namespace
}  // namespace ps

BENCHMARK_MAIN();
