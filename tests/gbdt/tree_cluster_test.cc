// Trees on simulated clusters of servers and workers: the trees of a single process.
#include "tests/gbdt/grown_on_cluster.h"

namespace ps {
namespace {

TEST(TreeClusterTest, GrowsTheTreesOfOneProcess) {
  const BinnedSample dense = Dense(), sparse = Sparse();
  for (const auto& [servers, workers] :
       {std::pair{1u, 1u}, {2u, 3u}, {5u, 2u}, {50u, 1u}, {1u, 9u}}) {
    for (const auto& [sample, by_columns] :
         {std::pair{&dense, false}, {&sparse, false}, {&dense, true}, {&sparse, true}}) {
      const Cluster cluster{.servers = servers, .workers = workers, .by_columns = by_columns};
      ExpectSame(cluster, *sample, Params(31), 4);
      BoostParams params = Params(12);
      params.grow.level_wise = true;
      params.grow.max_depth = 4;
      params.grow.column_sample = 0.5;
      params.row_sample = 0.7;
      params.grow.absent_is_zero = sample->rows.sparse;
      ExpectSame(cluster, *sample, params, 3);
      params.objective = Objective::kSquared;
      ExpectSame(cluster, *sample, params, 3);
    }
  }
}

TEST(TreeClusterTest, GrowsTheRoundsOfOneProcess) {
  const BinnedSample dense = OfClasses(Dense()), sparse = OfClasses(Sparse());
  for (const auto& [servers, workers] : {std::pair{1u, 1u}, {2u, 3u}}) {
    for (const bool by_columns : {false, true}) {
      const Cluster cluster{
          .servers = servers, .workers = workers, .by_columns = by_columns, .forgotten = 3};
      for (const BinnedSample* sample : {&dense, &sparse})
        ExpectSame(cluster, *sample, SoftmaxParams(), 6);
    }
  }
}

TEST(TreeClusterTest, BoundsOfNodesAreThoseOfOneProcess) {
  BinnedSample dense = Dense(), sparse = Sparse();
  for (BinnedSample* const either : {&dense, &sparse}) {
    BinnedSample& sample = *either;
    for (std::size_t c = 2; c < sample.columns.size(); ++c)
      sample.columns[c].direction = c % 2 == 0 ? Direction::kIncreasing : Direction::kDecreasing;
    for (const Objective objective : {Objective::kLogistic, Objective::kSquared}) {
      BoostParams params = Params(31);
      params.objective = objective;
      for (const bool by_columns : {false, true}) {
        ExpectSame({.servers = 3, .workers = 2, .by_columns = by_columns}, sample, params, 4);
      }
    }
  }
}

// What a tree will want is asked for before it is met: trees resemble the ones before them.
TEST(TreeClusterTest, StepsOfATreeAreAboutItsDepth) {
  const BinnedSample sample = MakeSample({.rows = 20000, .columns = 8, .bins = 60});
  for (const bool by_columns : {false, true}) {
    const Outcome run = ExpectSame({.by_columns = by_columns}, sample, Params(120), 6);
    std::size_t depth = 0;
    for (const Tree& tree : run.trees) {
      std::vector<std::size_t> at(tree.nodes.size(), 1);  // parents come first
      for (std::size_t n = 0; n < tree.nodes.size(); ++n) {
        depth = std::max(depth, at[n]);
        for (const std::int32_t child : {tree.nodes[n].left, tree.nodes[n].right})
          if (child >= 0) at[static_cast<std::size_t>(child)] = at[n] + 1;
      }
      EXPECT_GT(tree.leaf_value.size(), 100u);
    }
    EXPECT_LT(run.steps, run.trees.size() * (2 * depth + 4)) << "depth " << depth;
  }
}

TEST(TreeClusterTest, MoreWorkersThanRows) {
  const BinnedSample few = MakeSample({.rows = 60, .columns = 3, .bins = 8});
  for (const bool by_columns : {false, true})
    ExpectSame({.servers = 1, .workers = 70, .by_columns = by_columns}, few, Params(4), 2);
}

}  // namespace
}  // namespace ps
