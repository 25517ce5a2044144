#include "trainer/gbdt/split_forecast.h"

#include <gtest/gtest.h>

#include <set>

#include "ps/base/key.h"

namespace ps {
namespace {

constexpr GradientScale kUnits{1, 1, 1, 1};

// The best split of a node, by its way from the root: enough of a world to grow trees in.
SplitChoice BestOf(std::uint64_t way) {
  SplitChoice best;
  if (Mix64(way) % 8 != 0) best.score = static_cast<double>(1 + Mix64(way + 1) % 1000);
  best.bin = 1;
  return best;
}

struct Growth {
  std::set<std::uint64_t> split;  // by the way from the root
  std::size_t steps = 0, asked = 0;
};

// As the coordinator does it: asks for what `take` takes of a forecast, and grows as far as the answers go.
template <typename Take>
Growth Grow(const GrowParams& params, std::uint64_t seed, Take take) {
  const std::vector<BinColumn> columns(1, BinColumn{.cuts = {0.0f}});
  Growth growth;
  std::vector<std::uint64_t> ways{Mix64(seed)};  // of nodes
  const auto children_of = [&](std::uint32_t node) {
    const auto left = static_cast<std::uint32_t>(ways.size());
    for (const std::uint64_t side : {1, 2}) ways.push_back(Mix64(ways[node] + side));
    return left;
  };
  TreeBuilder builder(&columns, params);
  builder.Begin(kUnits, 0);
  builder.SetBest(0, BestOf(ways[0]));
  std::vector<std::uint32_t> nodes{0};
  std::map<std::uint32_t, KnownChildren> known;
  while (builder.NextToSplit() != TreeBuilder::kNone) {
    const std::size_t leaf = builder.NextToSplit();
    const std::uint32_t node = nodes[leaf];
    if (known.count(node) == 0 && !builder.IsLastSplit() && builder.ChildrenMayGrow(leaf)) {
      const std::vector<WantedSplit> wanted = ForecastSplits(builder, nodes, known);
      EXPECT_FALSE(wanted.empty());
      EXPECT_EQ(wanted[0].node, node);
      EXPECT_EQ(wanted[0].rank, 0u);
      ++growth.steps;
      for (const WantedSplit& split : wanted) {
        EXPECT_EQ(known.count(split.node), 0u);
        EXPECT_LT(split.rank, static_cast<std::size_t>(builder.SplitsLeft()));
        if (split.rank > 0 && !take(split)) continue;
        const std::uint32_t left = children_of(split.node);
        known[split.node] = {left, true, {BestOf(ways[left]), BestOf(ways[left + 1])}};
        ++growth.asked;
      }
      continue;
    }
    growth.split.insert(ways[node]);
    if (known.count(node) == 0) known[node].left = children_of(node);
    const KnownChildren& children = known[node];
    builder.SplitNext();
    nodes[leaf] = children.left;
    nodes.push_back(children.left + 1);
    if (!children.summed) continue;
    builder.SetBest(leaf, children.best[0]);
    builder.SetBest(nodes.size() - 1, children.best[1]);
  }
  return growth;
}

TEST(SplitForecastTest, SeesBeyondSplitsThatWaitForAnother) {
  const std::vector<BinColumn> columns(1, BinColumn{.cuts = {0.0f}});
  GrowParams params;
  params.max_leaves = 10;
  TreeBuilder builder(&columns, params);
  builder.Begin(kUnits, 0);
  const auto score = [](double of) { return SplitChoice{.score = of, .bin = 1}; };
  builder.SetBest(0, score(100));
  builder.SplitNext();
  builder.SetBest(0, score(90));  // node 1: not known
  builder.SetBest(1, score(50));  // node 2: known, with children 5 and 6
  const std::map<std::uint32_t, KnownChildren> known{{2, {5, true, {score(70), SplitChoice()}}}};
  const std::vector<WantedSplit> wanted = ForecastSplits(builder, {1, 2}, known);
  ASSERT_EQ(wanted.size(), 2u);
  EXPECT_EQ(wanted[0].node, 1u);
  EXPECT_EQ(wanted[0].rank, 0u);
  EXPECT_EQ(wanted[1].node, 5u);
  EXPECT_EQ(wanted[1].rank, 2u);
  EXPECT_EQ(wanted[1].leaf.depth, 2);
  EXPECT_GT(wanted[0].leaf.gain, wanted[1].leaf.gain);
}

TEST(SplitForecastTest, WhateverIsAskedForTheTreeIsTheSame) {
  std::size_t steps = 0, steps_one_by_one = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    GrowParams params;
    params.max_leaves = 2 + static_cast<int>(seed % 40);
    params.max_depth = seed % 3 == 0 ? 5 : 0;
    params.level_wise = seed % 4 == 0;
    const Growth one_by_one = Grow(params, seed, [](const WantedSplit&) { return false; });
    const Growth all = Grow(params, seed, [](const WantedSplit&) { return true; });
    const Growth some = Grow(params, seed, [](const WantedSplit& s) { return s.leaf.gain > 300; });
    EXPECT_EQ(all.split, one_by_one.split) << seed;
    EXPECT_EQ(some.split, one_by_one.split) << seed;
    EXPECT_EQ(one_by_one.asked, one_by_one.steps);
    EXPECT_LE(all.steps, one_by_one.steps);
    steps += all.steps;
    steps_one_by_one += one_by_one.steps;
  }
  EXPECT_LT(2 * steps, steps_one_by_one);
}

}  // namespace
}  // namespace ps
