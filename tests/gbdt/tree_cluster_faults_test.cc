// Trees on simulated clusters, whatever is lost, doubled, reordered or killed on the way.
#include "absl/strings/str_cat.h"
#include "tests/gbdt/grown_on_cluster.h"

namespace ps {
namespace {

TEST(TreeClusterFaultsTest, LostDoubledAndReorderedMessagesCountOnce) {
  const BinnedSample dense = Dense(), sparse = Sparse();
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    Cluster cluster{.servers = 2, .workers = 3, .seed = seed};
    cluster.faults.drop = 0.05;
    cluster.faults.duplicate = 0.2;
    cluster.faults.long_delay = 0.1;
    cluster.faults.corrupt = 0.01;
    cluster.by_columns = seed > 15;
    cluster.forgotten = seed % 4 == 0 ? 2 : 0;
    BoostParams params = Params(15);
    if (seed % 3 == 0) params.objective = Objective::kSquared;
    ExpectSame(cluster, seed % 2 == 0 ? dense : sparse, params, 3);
  }
}

TEST(TreeClusterFaultsTest, LostNodesCostNoBit) {
  const BinnedSample dense = Dense(), sparse = Sparse();
  std::uint32_t anew = 0;
  for (std::uint64_t seed = 1; seed <= 120; ++seed) {
    Cluster cluster{
        .servers = 2, .workers = 2, .seed = seed, .kills = static_cast<int>(1 + seed % 4)};
    cluster.by_columns = seed > 60;
    // Slow enough for nodes to be lost in mid-tree.
    cluster.faults.shortest_delay = std::chrono::milliseconds(1);
    cluster.faults.usual_delay = std::chrono::milliseconds(8);
    cluster.faults.drop = seed % 2 == 0 ? 0.02 : 0;
    cluster.faults.duplicate = 0.05;
    BoostParams params = Params(15);
    if (seed % 5 == 0) params.objective = Objective::kSquared;
    anew += ExpectSame(cluster, seed % 2 == 0 ? dense : sparse, params, 4).attempts - 1;
  }
  EXPECT_GT(anew, 30u);
}

// A worker that comes in the middle of a round must know the margins at its begin.
TEST(TreeClusterFaultsTest, NodesLostInARoundCostNoBit) {
  const BinnedSample dense = OfClasses(Dense()), sparse = OfClasses(Sparse());
  std::uint32_t anew = 0;
  for (std::uint64_t seed = 1; seed <= 80; ++seed) {
    Cluster cluster{.servers = 2, .workers = 2, .seed = seed, .kills = static_cast<int>(1 + seed % 4)};
    cluster.by_columns = seed > 40;
    cluster.faults.shortest_delay = std::chrono::milliseconds(1);
    cluster.faults.usual_delay = std::chrono::milliseconds(8);
    cluster.faults.drop = seed % 2 == 0 ? 0.02 : 0;
    anew += ExpectSame(cluster, seed % 2 == 0 ? dense : sparse, SoftmaxParams(), 9).attempts - 1;
  }
  EXPECT_GT(anew, 20u);
}

// Nodes go back to their places with what they have, and forget trees that nobody else knows.
TEST(TreeClusterFaultsTest, ACoordinatorThatComesBackCostsNoBit) {
  const BinnedSample dense = Dense(), sparse = Sparse(), classes = OfClasses(Dense());
  std::uint32_t anew = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Cluster cluster{.servers = 2,
                    .workers = 2,
                    .seed = seed,
                    .kills = static_cast<int>(seed % 3),
                    .restarts = static_cast<int>(1 + seed % 4)};
    cluster.faults.shortest_delay = std::chrono::milliseconds(1);
    cluster.faults.usual_delay = std::chrono::milliseconds(8);
    cluster.faults.drop = seed % 2 == 0 ? 0.02 : 0;
    cluster.faults.duplicate = 0.05;
    cluster.faults.long_delay = seed % 7 == 0 ? 0.02 : 0;
    BoostParams params = seed % 4 == 0 ? SoftmaxParams() : Params(15);
    if (seed % 5 == 0 && seed % 4 != 0) params.objective = Objective::kSquared;
    const BinnedSample& sample = seed % 4 == 0 ? classes : seed % 2 == 0 ? dense : sparse;
    anew += ExpectSame(cluster, sample, params, seed % 4 == 0 ? 9 : 5).attempts - 1;
  }
  EXPECT_GT(anew, 60u);
}

// Then nodes are known again, but do not know it.
TEST(TreeClusterFaultsTest, ALostWelcomeOfACoordinatorThatComesBackIsAskedForAgain) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Cluster cluster{.seed = seed, .restarts = 1, .lost_welcomes = true};
    cluster.faults.shortest_delay = std::chrono::milliseconds(1);
    cluster.faults.usual_delay = std::chrono::milliseconds(8);
    ExpectSame(cluster, Dense(), Params(15), 5);
  }
}

TEST(TreeClusterFaultsTest, AWelcomeIsNotSentWithEveryHello) {
  TreeCoordinator::Options options;
  options.columns = Dense().columns;
  SetColumns(options.columns, options.plan.mutable_trees());
  TreeCoordinator coordinator(options);
  coordinator.Gather();
  std::vector<int> welcome_at;  // in seconds
  for (int tenth = 0; tenth < 300; ++tenth) {
    Message message;
    wire::Hello& hello = *message.body.mutable_hello();
    hello.set_role(wire::WORKER);
    hello.set_incarnation(1);
    hello.set_protocol(ProtocolDigest());
    Outbox outbox;
    coordinator.OnMessage("worker", std::move(message), std::chrono::milliseconds(100 * tenth), outbox);
    for (const auto& item : outbox.items()) {
      if (item.message.body.has_welcome()) welcome_at.push_back(tenth / 10);
    }
  }
  EXPECT_EQ(welcome_at, (std::vector<int>{0, 2, 6, 14, 22}));
}

TEST(TreeClusterFaultsTest, AWorkerThatOthersCannotReachIsRefusedInPlaceOfALostOneToo) {
  Cluster cluster{.servers = 1, .workers = 3, .kills = 1, .by_columns = true, .others_elsewhere = true};
  cluster.faults.shortest_delay = std::chrono::milliseconds(1);
  cluster.faults.usual_delay = std::chrono::milliseconds(8);
  int refused = 0;
  for (cluster.seed = 1; cluster.seed <= 6; ++cluster.seed) {
    const Outcome run = GrowOn(cluster, Dense(), Params(15), 50);
    if (run.status.ok()) continue;  // it was the server
    ++refused;
    EXPECT_EQ(run.status.code(), absl::StatusCode::kInvalidArgument) << run.status;
  }
  EXPECT_GT(refused, 2);
}

// Of fewer trees than there are rows are judged by reading them once more.
TEST(TreeClusterFaultsTest, ReadingRowsToJudgeThemMayTakeLong) {
  const Cluster cluster{.by_columns = true,
                        .forgotten = 2,
                        .judging_polls = 2000,
                        .stall_limit = std::chrono::seconds(5)};
  ExpectSame(cluster, Dense(), Params(12), 4);
}

TEST(TreeClusterFaultsTest, EndsWhenNobodyTakesThePlaceOfALostNode) {
  Cluster cluster{.servers = 2, .workers = 2, .seed = 3, .kills = 1, .replace = false};
  cluster.faults.shortest_delay = std::chrono::milliseconds(1);
  cluster.faults.usual_delay = std::chrono::milliseconds(8);
  const Outcome run = GrowOn(cluster, Dense(), Params(15), 50);
  EXPECT_TRUE(run.network.ok()) << run.network;
  EXPECT_EQ(run.status.code(), absl::StatusCode::kUnavailable) << run.status;
}

}  // namespace
}  // namespace ps
