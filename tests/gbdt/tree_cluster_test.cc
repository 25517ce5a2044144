// Trees on simulated clusters of servers and workers: the trees of a single process, whatever is
// lost, doubled, reordered or killed on the way.
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "models/gbdt/booster.h"
#include "ps/trees/column_worker.h"
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

// Some of the columns by themselves.
BinnedRows ColumnsOf(const BinnedRows& rows, const std::vector<std::uint32_t>& columns) {
  BinnedRows cut;
  cut.rows = rows.rows;
  cut.columns = static_cast<int>(columns.size());
  cut.sparse = rows.sparse;
  cut.stride = DenseStride(cut.columns);
  cut.labels = rows.labels;
  cut.weights = rows.weights;
  if (rows.sparse) {
    cut.first_cell = {0};
    for (const std::uint32_t c : columns)
      cut.first_cell.push_back(cut.first_cell.back() + rows.first_cell[c + 1] - rows.first_cell[c]);
    cut.cells = HugeArray<std::uint32_t>(rows.row_begin[rows.rows] + 1);
    cut.row_begin = {0};
  } else {
    cut.bins = HugeArray<std::uint8_t>(rows.rows * cut.stride + 64);
  }
  std::uint64_t made = 0;
  for (std::size_t r = 0; r < rows.rows; ++r) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const std::uint32_t c = columns[i];
      if (!rows.sparse) {
        cut.bins[r * cut.stride + i] = rows.bins[r * rows.stride + c];
        continue;
      }
      for (std::uint64_t v = rows.row_begin[r]; v < rows.row_begin[r + 1]; ++v) {
        if (rows.cells[v] >= rows.first_cell[c] && rows.cells[v] < rows.first_cell[c + 1])
          cut.cells[made++] = cut.first_cell[i] + rows.cells[v] - rows.first_cell[c];
      }
    }
    if (rows.sparse) cut.row_begin.push_back(made);
  }
  return cut;
}

class SampleLoader final : public PartLoader {
 public:
  SampleLoader(const BinnedRows& rows, PartWanted wanted, int polls)
      : rows_(rows), wanted_(std::move(wanted)), polls_(polls) {}
  std::optional<absl::StatusOr<LoadedPart>> Poll() override {
    if (--polls_ > 0) return std::nullopt;
    LoadedPart part;
    part.rows = PartOf(rows_, rows_.rows * wanted_.part / wanted_.parts,
                       rows_.rows * (wanted_.part + 1) / wanted_.parts);
    std::vector<float> margins;
    if (const std::size_t outputs = wanted_.base_scores.size(); outputs > 0) {
      Crew crew(1);
      margins = StartMargins(wanted_.base_scores, part.rows.rows);
      for (std::size_t t = 0; t < wanted_.trees.size(); ++t) {
        if (t == wanted_.trees.size() / outputs * outputs) part.round_margins = margins;
        AddTree(wanted_.trees[t], part.rows, &crew, &margins, t % outputs);
      }
    }
    if (wanted_.columns) part.rows = ColumnsOf(part.rows, *wanted_.columns);
    part.rows.margins = std::move(margins);
    return part;
  }

 private:
  const BinnedRows& rows_;
  const PartWanted wanted_;
  int polls_;
};

// A process: says Hello until it is welcome.
class SimulatedNode final : public Machine {
 public:
  struct Options {
    Address address;
    wire::Role role;
    std::uint64_t incarnation;
    const BinnedRows* rows;
    std::string host = "here";
    std::string endpoint;             // as it says
    int judging_polls = 3;            // of rows that are read to be judged
    bool loses_second_welcome = false;
  };
  explicit SimulatedNode(Options options)
      : options_(std::move(options)),
        role_(options_.role),
        incarnation_(options_.incarnation),
        rows_(*options_.rows) {}

  void OnMessage(const Address& from, Message message, MonotonicTime now, Outbox& outbox) override {
    if (message.body.has_welcome() && inner_ != nullptr &&
        std::exchange(options_.loses_second_welcome, false)) {
      return;
    }
    if (inner_ != nullptr) return inner_->OnMessage(from, std::move(message), now, outbox);
    if (!message.body.has_welcome() || message.body.welcome().incarnation() != incarnation_) return;
    const wire::Welcome& welcome = message.body.welcome();
    const TreeMember::Options options{"scheduler", incarnation_, std::chrono::hours(1), Hello()};
    if (role_ == wire::SERVER) {
      inner_ = *TreeServer::Make(options, welcome, now);
    } else {
      const OpenPart open = [this](const wire::Plan&, PartWanted wanted) {
        const bool judges = wanted.columns && wanted.columns->empty();
        const int polls = judges ? options_.judging_polls : 3;
        return std::make_unique<SampleLoader>(rows_, std::move(wanted), polls);
      };
      if (welcome.plan().trees().by_columns()) {
        inner_ = *ColumnWorker::Make(options, welcome, open, 1, now);
      } else {
        inner_ = *TreeWorker::Make(options, welcome, open, 1, now);
      }
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
  bool work_pending() const override { return inner_ != nullptr && inner_->work_pending(); }
  bool finished() const override { return inner_ != nullptr && inner_->finished(); }

 private:
  wire::Hello Hello() const {
    wire::Hello hello;
    hello.set_role(role_);
    hello.set_incarnation(incarnation_);
    hello.set_protocol(ProtocolDigest());
    hello.set_endpoint(options_.endpoint);
    hello.set_host(options_.host);
    return hello;
  }

  Options options_;
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
  // At the end the first `judged` trees are judged.
  Driver(TreeCoordinator::Options options, std::size_t trees, std::size_t judged)
      : options_(std::move(options)), trees_(trees), judged_at_end_(judged) {
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
      const std::size_t trees = coordinator_->trees().size();
      coordinator_->Judge(static_cast<std::uint32_t>(trees == trees_ ? judged_at_end_ : trees));
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
  const std::size_t trees_, judged_at_end_;
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
  bool by_columns = false;
  std::size_t forgotten = 0;  // trees that are not judged at the end
  int restarts = 0;           // of the coordinator, at random times
  bool lost_welcomes = false;  // every node loses its second one
  bool others_elsewhere = false;  // those in place of killed ones, on a machine of their own
  int judging_polls = 3;
  MonotonicTime stall_limit = std::chrono::minutes(10);
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
  plan.set_by_columns(cluster.by_columns);
  options.params = params;
  options.columns = sample.columns;
  options.servers = cluster.servers;
  options.workers = cluster.workers;
  options.heartbeat = std::chrono::milliseconds(200);
  options.dead_after = std::chrono::seconds(4);
  options.replace_limit = std::chrono::seconds(20);
  options.stall_limit = cluster.stall_limit;
  plan.set_run(7);
  Driver driver(options, trees, trees - cluster.forgotten);
  SimulatedNetwork network(cluster.seed, cluster.faults);
  network.AddNode("scheduler", &driver);
  std::vector<std::unique_ptr<SimulatedNode>> nodes;
  std::vector<std::pair<Address, wire::Role>> alive;
  const auto start = [&](wire::Role role) {
    const Address address = absl::StrCat("node", nodes.size());
    const bool elsewhere =
        cluster.others_elsewhere && nodes.size() >= cluster.servers + cluster.workers;
    nodes.push_back(std::make_unique<SimulatedNode>(SimulatedNode::Options{
        .address = address,
        .role = role,
        .incarnation = nodes.size() + 1,
        .rows = &sample.rows,
        .host = elsewhere ? "there" : "here",
        .endpoint = elsewhere ? "tcp://127.0.0.1:9" : address,
        .judging_polls = cluster.judging_polls,
        .loses_second_welcome = cluster.lost_welcomes}));
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
  SCOPED_TRACE(absl::StrCat("seed ", cluster.seed, ", ", cluster.servers, "x", cluster.workers,
                            cluster.by_columns ? " by columns" : " by rows"));
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
  std::vector<float> margins = StartMargins(run.base_scores, sample.rows.rows);
  for (std::size_t t = 0; t + cluster.forgotten < run.trees.size(); ++t)
    AddTree(run.trees[t], sample.rows, &crew, &margins, t % params.classes);
  if (params.objective == Objective::kSoftmax) {
    ClassMetricState metrics(params.classes);
    metrics.AddColumns(margins, sample.rows.labels, sample.rows.weights);
    const ClassMetrics expected = metrics.Finish(), judged = run.judged.classes.Finish();
    EXPECT_NEAR(judged.logloss, expected.logloss, 1e-9);
    EXPECT_EQ(judged.confusion, expected.confusion);
  }
  if (params.objective == Objective::kLogistic) {
    MetricState metrics;
    metrics.AddRows(margins, sample.rows.labels, sample.rows.weights);
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

TEST(TreeClusterTest, MoreWorkersThanRows) {
  const BinnedSample few = MakeSample({.rows = 60, .columns = 3, .bins = 8});
  for (const bool by_columns : {false, true})
    ExpectSame({.servers = 1, .workers = 70, .by_columns = by_columns}, few, Params(4), 2);
}

TEST(TreeClusterTest, LostDoubledAndReorderedMessagesCountOnce) {
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

TEST(TreeClusterTest, LostNodesCostNoBit) {
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
TEST(TreeClusterTest, NodesLostInARoundCostNoBit) {
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

// Then nodes are known again, but do not know it.
TEST(TreeClusterTest, ALostWelcomeOfACoordinatorThatComesBackIsAskedForAgain) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Cluster cluster{.seed = seed, .restarts = 1, .lost_welcomes = true};
    cluster.faults.shortest_delay = std::chrono::milliseconds(1);
    cluster.faults.usual_delay = std::chrono::milliseconds(8);
    ExpectSame(cluster, Dense(), Params(15), 5);
  }
}

TEST(TreeClusterTest, AWelcomeIsNotSentWithEveryHello) {
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

TEST(TreeClusterTest, AWorkerThatOthersCannotReachIsRefusedInPlaceOfALostOneToo) {
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
TEST(TreeClusterTest, ReadingRowsToJudgeThemMayTakeLong) {
  const Cluster cluster{.by_columns = true,
                        .forgotten = 2,
                        .judging_polls = 2000,
                        .stall_limit = std::chrono::seconds(5)};
  ExpectSame(cluster, Dense(), Params(12), 4);
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
