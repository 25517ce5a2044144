// Trees on simulated clusters of servers and workers: the trees of a single process, whatever is
// lost, doubled, reordered or killed on the way.
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "models/gbdt/booster.h"
#include "ps/trees/tree_server.h"
#include "ps/trees/tree_worker.h"
#include "ps/wire/protocol.h"
#include "tests/gbdt/binned_sample.h"
#include "tests/gbdt/trees_alike.h"
#include "tests/wire/simulated_network.h"
#include "trainer/gbdt/tree_coordinator.h"

namespace ps {
namespace {

// Rows [first, end) by themselves.
BinnedRows PartOf(const BinnedRows& rows, std::size_t first, std::size_t end) {
  BinnedRows part;
  part.rows = end - first;
  part.columns = rows.columns;
  part.sparse = rows.sparse;
  part.stride = rows.stride;
  part.first_cell = rows.first_cell;
  part.labels.assign(rows.labels.begin() + static_cast<std::ptrdiff_t>(first),
                     rows.labels.begin() + static_cast<std::ptrdiff_t>(end));
  if (!rows.weights.empty()) {
    part.weights.assign(rows.weights.begin() + static_cast<std::ptrdiff_t>(first),
                        rows.weights.begin() + static_cast<std::ptrdiff_t>(end));
  }
  if (rows.sparse) {
    const std::uint64_t from = rows.row_begin[first], to = rows.row_begin[end];
    part.cells = HugeArray<std::uint32_t>(to - from + 1);
    std::copy(rows.cells.data() + from, rows.cells.data() + to, part.cells.data());
    for (std::size_t r = first; r <= end; ++r) part.row_begin.push_back(rows.row_begin[r] - from);
  } else {
    part.bins = HugeArray<std::uint8_t>(part.rows * part.stride + 64);
    std::copy(rows.bins.data() + first * rows.stride, rows.bins.data() + end * rows.stride,
              part.bins.data());
  }
  return part;
}

class SampleLoader final : public PartLoader {
 public:
  SampleLoader(const BinnedRows& rows, const wire::TreePlan& plan) : rows_(rows), plan_(plan) {}
  std::optional<absl::StatusOr<LoadedPart>> Poll() override {
    if (++polls_ < 3) return std::nullopt;
    LoadedPart part;
    part.rows = PartOf(rows_, rows_.rows * plan_.part() / plan_.parts(),
                       rows_.rows * (plan_.part() + 1) / plan_.parts());
    return part;
  }

 private:
  const BinnedRows& rows_;
  const wire::TreePlan plan_;
  int polls_ = 0;
};

// A process: says Hello until it is welcome.
class SimulatedNode final : public Machine {
 public:
  SimulatedNode(Address address, wire::Role role, std::uint64_t incarnation, const BinnedRows* rows)
      : address_(std::move(address)), role_(role), incarnation_(incarnation), rows_(*rows) {}

  void OnMessage(const Address& from, Message message, MonotonicTime now, Outbox& outbox) override {
    if (inner_ != nullptr) return inner_->OnMessage(from, std::move(message), now, outbox);
    if (!message.body.has_welcome() || message.body.welcome().incarnation() != incarnation_) return;
    const wire::Welcome& welcome = message.body.welcome();
    const TreeMember::Options options{"scheduler", incarnation_, std::chrono::hours(1), Hello()};
    if (role_ == wire::SERVER) {
      inner_ = *TreeServer::Make(options, welcome, now);
    } else {
      const OpenPart open = [this](const wire::Plan& plan) {
        return std::make_unique<SampleLoader>(rows_, plan.trees());
      };
      inner_ = *TreeWorker::Make(options, welcome, open, 1, now);
    }
  }
  void OnTick(MonotonicTime now, Outbox& outbox) override {
    if (inner_ != nullptr) return inner_->OnTick(now, outbox);
    if (now < next_hello_) return;
    next_hello_ = now + std::chrono::milliseconds(200);
    Message message;
    *message.body.mutable_hello() = Hello();
    outbox.Send("scheduler", std::move(message));
  }
  bool finished() const override { return inner_ != nullptr && inner_->finished(); }

 private:
  wire::Hello Hello() const {
    wire::Hello hello;
    hello.set_role(role_);
    hello.set_incarnation(incarnation_);
    hello.set_protocol(ProtocolDigest());
    if (role_ == wire::SERVER) hello.set_endpoint(address_);
    return hello;
  }

  const Address address_;
  const wire::Role role_;
  const std::uint64_t incarnation_;
  const BinnedRows& rows_;
  MonotonicTime next_hello_{0};
  std::unique_ptr<TreeMember> inner_;
};

// Asks the coordinator for trees, judges the rows after each, and stops. The coordinator may be
// taken over by another, which knows all trees but some of the last.
class Driver final : public Machine {
 public:
  Driver(TreeCoordinator::Options options, std::size_t trees)
      : options_(std::move(options)), trees_(trees) {
    Begin({});
  }
  void Restart(std::size_t forgotten) {
    if (stopping_) return;  // its nodes have gone
    std::vector<Tree> known = coordinator().trees();
    known.resize(known.size() - std::min(known.size(), forgotten));
    ++options_.leader;
    options_.returns = true;
    options_.first_attempt += 1 << 16;
    attempts_ += coordinator().attempts();
    Begin(std::move(known));
  }
  TreeCoordinator& coordinator() { return *coordinator_; }
  std::uint32_t attempts() const { return attempts_ + coordinator_->attempts(); }
  void OnMessage(const Address& from, Message message, MonotonicTime now, Outbox& outbox) override {
    coordinator_->OnMessage(from, std::move(message), now, outbox);
  }
  void OnTick(MonotonicTime now, Outbox& outbox) override {
    coordinator_->OnTick(now, outbox);
    if (!coordinator_->finished() || over_) return;
    if (stopping_) {
      over_ = true;
    } else if (!coordinator_->status().ok() ||
               (coordinator_->trees().size() == trees_ && judged_)) {
      stopping_ = true;
      coordinator_->Stop(!coordinator_->status().ok());
    } else if (judged_ && coordinator_->trees().size() < trees_) {
      judged_ = false;
      coordinator_->GrowTree();
    } else {
      judged_ = true;
      coordinator_->Judge(static_cast<std::uint32_t>(coordinator_->trees().size()));
    }
  }
  bool finished() const override { return over_; }

 private:
  void Begin(std::vector<Tree> trees) {
    judged_ = trees.size() < trees_;  // else it is judged once more
    coordinator_ = std::make_unique<TreeCoordinator>(options_);
    coordinator_->GoOnAfter(std::move(trees));
    coordinator_->Gather();
  }

  TreeCoordinator::Options options_;
  const std::size_t trees_;
  std::unique_ptr<TreeCoordinator> coordinator_;
  std::uint32_t attempts_ = 0;
  bool judged_ = true, stopping_ = false, over_ = false;
};

struct Outcome {
  absl::Status network, status;
  std::vector<Tree> trees;
  std::vector<double> base_scores;
  TreeCoordinator::Judged judged;
  std::uint32_t attempts = 0;
};

struct Cluster {
  std::uint32_t servers = 2, workers = 2;
  std::uint64_t seed = 1;
  NetworkFaults faults;
  int kills = 0;  // of nodes, at random times; each is replaced
  bool replace = true;
  int restarts = 0;  // of the coordinator, at random times
};

Outcome GrowOn(const Cluster& cluster, const BinnedSample& sample, const BoostParams& params,
               std::size_t trees) {
  TreeCoordinator::Options options;
  wire::TreePlan& plan = *options.plan.mutable_trees();
  SetColumns(sample.columns, &plan);
  plan.set_sparse(sample.rows.sparse);
  plan.set_squared(params.objective == Objective::kSquared);
  for (std::uint32_t c = 0; c < params.classes && params.classes > 1; ++c) plan.add_classes(absl::StrCat("c", c));
  plan.set_row_sample(params.row_sample);
  plan.set_seed(params.seed);
  plan.set_l1(params.grow.l1);
  plan.set_l2(params.grow.l2);
  plan.set_min_hessian(params.grow.min_hessian);
  plan.set_column_sample(params.grow.column_sample);
  plan.set_category_smooth(params.grow.category_smooth);
  plan.set_absent_is_zero(params.grow.absent_is_zero);
  options.params = params;
  options.columns = sample.columns;
  options.servers = cluster.servers;
  options.workers = cluster.workers;
  options.heartbeat = std::chrono::milliseconds(200);
  options.dead_after = std::chrono::seconds(4);
  options.replace_limit = std::chrono::seconds(20);
  plan.set_run(7);
  Driver driver(options, trees);
  SimulatedNetwork network(cluster.seed, cluster.faults);
  network.AddNode("scheduler", &driver);
  std::vector<std::unique_ptr<SimulatedNode>> nodes;
  std::vector<std::pair<Address, wire::Role>> alive;
  const auto start = [&](wire::Role role) {
    const Address address = absl::StrCat("node", nodes.size());
    nodes.push_back(std::make_unique<SimulatedNode>(address, role, nodes.size() + 1, &sample.rows));
    network.AddNode(address, nodes.back().get());
    alive.emplace_back(address, role);
  };
  for (std::uint32_t i = 0; i < cluster.servers; ++i) start(wire::SERVER);
  for (std::uint32_t i = 0; i < cluster.workers; ++i) start(wire::WORKER);
  std::mt19937_64 random(cluster.seed);
  for (int k = 0; k < cluster.kills; ++k) {
    network.At(std::chrono::milliseconds(400 + random() % 600), [&, which = random()] {
      const std::size_t victim = which % alive.size();
      const wire::Role role = alive[victim].second;
      network.RemoveNode(alive[victim].first);
      alive.erase(alive.begin() + static_cast<std::ptrdiff_t>(victim));
      if (cluster.replace) start(role);
    });
  }
  for (int k = 0; k < cluster.restarts; ++k) {
    network.At(std::chrono::milliseconds(400 + random() % 800),
               [&, forgotten = random() % 3] { driver.Restart(forgotten); });
  }
  Outcome run;
  network.RunUntil([&] { return driver.finished(); }, std::chrono::hours(2));
  run.network =
      driver.finished() ? absl::OkStatus() : absl::DeadlineExceededError(network.Describe());
  const TreeCoordinator& coordinator = driver.coordinator();
  run.status = coordinator.status();
  run.trees = coordinator.trees();
  run.base_scores = coordinator.base_scores();
  run.judged = coordinator.judged();
  run.attempts = driver.attempts();
  return run;
}

// Grows the same trees here and there.
Outcome ExpectSame(const Cluster& cluster, const BinnedSample& sample, const BoostParams& params,
                   std::size_t trees) {
  SCOPED_TRACE(absl::StrCat("seed ", cluster.seed, ", ", cluster.servers, "x", cluster.workers));
  Crew crew(1);
  Booster booster(&sample.rows, &sample.columns, params, &crew);
  Outcome run = GrowOn(cluster, sample, params, trees);
  EXPECT_TRUE(run.network.ok()) << run.network;
  EXPECT_TRUE(run.status.ok()) << run.status;
  EXPECT_EQ(run.base_scores, booster.base_scores());
  EXPECT_EQ(run.trees.size(), trees);
  bool grew = false;
  for (std::size_t t = 0; t < run.trees.size(); ++t) {
    const Tree expected = booster.GrowNext();
    grew = grew || !expected.nodes.empty();
    EXPECT_TRUE(Same(run.trees[t], expected)) << "tree " << t;
  }
  EXPECT_TRUE(grew);
  if (params.objective == Objective::kSoftmax) {
    ClassMetricState metrics(params.classes);
    metrics.AddColumns(booster.Margins(), sample.rows.labels, sample.rows.weights);
    const ClassMetrics expected = metrics.Finish(), judged = run.judged.classes.Finish();
    EXPECT_NEAR(judged.logloss, expected.logloss, 1e-9);
    EXPECT_EQ(judged.confusion, expected.confusion);
  }
  if (params.objective == Objective::kLogistic) {
    MetricState metrics;
    metrics.AddRows(booster.Margins(), sample.rows.labels, sample.rows.weights);
    EXPECT_NEAR(run.judged.metrics.Finish().logloss, metrics.Finish().logloss, 1e-9);
    EXPECT_EQ(run.judged.metrics.Finish().auc, metrics.Finish().auc);
  }
  return run;
}

BoostParams Params(int leaves) {
  BoostParams params;
  params.grow.max_leaves = leaves;
  params.grow.min_hessian = 0.1;
  return params;
}

BoostParams SoftmaxParams() {
  BoostParams params = Params(12);
  params.objective = Objective::kSoftmax;
  params.classes = 3;
  params.row_sample = 0.8;
  return params;
}

BinnedSample OfClasses(BinnedSample sample) {
  GiveClasses(3, &sample);
  return sample;
}

BinnedSample Dense() {
  return MakeSample({.rows = 1500, .columns = 7, .bins = 30, .weights = true, .categories = 2});
}
BinnedSample Sparse() {
  return MakeSample({.rows = 1500, .columns = 40, .bins = 6, .missing = 0.7, .sparse = true});
}

TEST(TreeClusterTest, GrowsTheTreesOfOneProcess) {
  const BinnedSample dense = Dense(), sparse = Sparse();
  for (const auto& [servers, workers] : {std::pair{1u, 1u}, {2u, 3u}, {5u, 2u}, {50u, 1u}}) {
    const Cluster cluster{.servers = servers, .workers = workers};
    for (const BinnedSample* sample : {&dense, &sparse}) {
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
    const Cluster cluster{.servers = servers, .workers = workers};
    for (const BinnedSample* sample : {&dense, &sparse}) ExpectSame(cluster, *sample, SoftmaxParams(), 7);
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
      ExpectSame({.servers = 3, .workers = 2}, sample, params, 4);
    }
  }
}

TEST(TreeClusterTest, MoreWorkersThanRows) {
  const BinnedSample few = MakeSample({.rows = 60, .columns = 3, .bins = 8});
  ExpectSame({.servers = 1, .workers = 70}, few, Params(4), 2);
}

TEST(TreeClusterTest, LostDoubledAndReorderedMessagesCountOnce) {
  const BinnedSample dense = Dense(), sparse = Sparse();
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    Cluster cluster{.servers = 2, .workers = 3, .seed = seed};
    cluster.faults.drop = 0.05;
    cluster.faults.duplicate = 0.2;
    cluster.faults.long_delay = 0.1;
    cluster.faults.corrupt = 0.01;
    BoostParams params = Params(15);
    if (seed % 3 == 0) params.objective = Objective::kSquared;
    ExpectSame(cluster, seed % 2 == 0 ? dense : sparse, params, 3);
  }
}

TEST(TreeClusterTest, LostNodesCostNoBit) {
  const BinnedSample dense = Dense(), sparse = Sparse();
  std::uint32_t anew = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Cluster cluster{
        .servers = 2, .workers = 2, .seed = seed, .kills = static_cast<int>(1 + seed % 4)};
    // Slow enough for nodes to be lost in mid-tree.
    cluster.faults.shortest_delay = std::chrono::milliseconds(1);
    cluster.faults.usual_delay = std::chrono::milliseconds(8);
    cluster.faults.drop = seed % 2 == 0 ? 0.02 : 0;
    cluster.faults.duplicate = 0.05;
    BoostParams params = Params(15);
    if (seed % 5 == 0) params.objective = Objective::kSquared;
    anew += ExpectSame(cluster, seed % 2 == 0 ? dense : sparse, params, 4).attempts - 1;
  }
  EXPECT_GT(anew, 15u);
}

// A worker that comes in the middle of a round must know the margins at its begin.
TEST(TreeClusterTest, NodesLostInARoundCostNoBit) {
  const BinnedSample dense = OfClasses(Dense()), sparse = OfClasses(Sparse());
  std::uint32_t anew = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Cluster cluster{.servers = 2, .workers = 2, .seed = seed, .kills = static_cast<int>(1 + seed % 4)};
    cluster.faults.shortest_delay = std::chrono::milliseconds(1);
    cluster.faults.usual_delay = std::chrono::milliseconds(8);
    cluster.faults.drop = seed % 2 == 0 ? 0.02 : 0;
    anew += ExpectSame(cluster, seed % 2 == 0 ? dense : sparse, SoftmaxParams(), 9).attempts - 1;
  }
  EXPECT_GT(anew, 10u);
}

// Nodes go back to their places with what they have, and forget trees that nobody else knows.
TEST(TreeClusterTest, ACoordinatorThatComesBackCostsNoBit) {
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

TEST(TreeClusterTest, EndsWhenNobodyTakesThePlaceOfALostNode) {
  Cluster cluster{.servers = 2, .workers = 2, .seed = 3, .kills = 1, .replace = false};
  cluster.faults.shortest_delay = std::chrono::milliseconds(1);
  cluster.faults.usual_delay = std::chrono::milliseconds(8);
  const Outcome run = GrowOn(cluster, Dense(), Params(15), 50);
  EXPECT_TRUE(run.network.ok()) << run.network;
  EXPECT_EQ(run.status.code(), absl::StatusCode::kUnavailable) << run.status;
}

}  // namespace
}  // namespace ps
