// Whole jobs of trees on simulated clusters, with what is to go wrong.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/gbdt/simulated_trees.h"
#include "tests/gbdt/trees_alike.h"

namespace ps {

struct Outcome {
  absl::Status network, status;
  std::vector<Tree> trees;
  std::vector<double> base_scores;
  TreeCoordinator::Judged judged;
  std::uint32_t attempts = 0;
  std::uint64_t steps = 0;
  PartCounts counts;
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
  std::string device;  // of workers by rows
  MonotonicTime stall_limit = std::chrono::minutes(10);
};

inline Outcome GrowOn(const Cluster& cluster, const BinnedSample& sample, const BoostParams& params,
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
  plan.set_device(cluster.device);
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
  run.steps = coordinator.steps();
  run.counts = coordinator.counts();
  return run;
}

// Grows the same trees here and there.
inline Outcome ExpectSame(const Cluster& cluster, const BinnedSample& sample, const BoostParams& params,
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

inline BoostParams Params(int leaves) {
  BoostParams params;
  params.grow.max_leaves = leaves;
  params.grow.min_hessian = 0.1;
  return params;
}

inline BoostParams SoftmaxParams() {
  BoostParams params = Params(12);
  params.objective = Objective::kSoftmax;
  params.classes = 3;
  params.row_sample = 0.8;
  return params;
}

inline BinnedSample OfClasses(BinnedSample sample) {
  GiveClasses(3, &sample);
  return sample;
}

inline BinnedSample Dense() {
  return MakeSample({.rows = 1500, .columns = 7, .bins = 30, .weights = true, .categories = 2});
}
inline BinnedSample Sparse() {
  return MakeSample({.rows = 1500, .columns = 40, .bins = 6, .missing = 0.7, .sparse = true});
}

}  // namespace ps
