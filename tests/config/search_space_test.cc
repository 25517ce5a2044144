#include "models/config/search_space.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace ps {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr char kJob[] =
    "data: {train: {files: [a.csv]}, format: csv, header: true, split: {by: ratio, valid: 0.2}}\n"
    "features: [{column: a, op: bucket}, {op: cross, of: [a, b]}]\n"
    "model: {optimizer: {alpha: 0.3}, gbdt: {trees: 50}}\n"
    "train: {passes: 3}\n";

absl::StatusOr<SearchSpace> Space(const std::string& search, const std::string& job = kJob) {
  absl::StatusOr<LoadedJob> loaded = ParseJob(job + "tune: {search: {" + search + "}}\n", "job.yaml", {});
  if (!loaded.ok()) return loaded.status();
  return SearchSpace::Make(*loaded);
}

std::string Refused(const std::string& search, const std::string& job = kJob) {
  const auto space = Space(search, job);
  EXPECT_TRUE(absl::IsInvalidArgument(space.status())) << space.status();
  return std::string(space.status().message());
}

TEST(SearchSpace, ACommandLineSetsAListByItsKey) {
  const absl::StatusOr<LoadedJob> job = ParseJob(
      std::string(kJob) + "tune: {search: {trials: 5, vary: {model.type: [lr, gbdt], model.gbdt.max_leaves: [15, 31]}}}\n", "job.yaml",
      {"tune.search.vary.model.gbdt.max_leaves=[7]", "tune.search.vary.model.optimizer.alpha=[.1, .2]", "tune.search.trials=3"});
  ASSERT_TRUE(job.ok()) << job.status();
  std::vector<std::pair<std::string, std::vector<std::string>>> vary;
  for (const VariedKey& one : job->config.tune->search->vary) vary.emplace_back(one.key, one.values);
  using Values = std::vector<std::string>;
  EXPECT_THAT(vary, ElementsAre(std::pair("model.type", Values{"lr", "gbdt"}), std::pair("model.gbdt.max_leaves", Values{"7"}),
                                std::pair("model.optimizer.alpha", Values{".1", ".2"})));
  EXPECT_EQ(job->config.tune->search->trials, 3u);
  const auto wrong = ParseJob(kJob, "job.yaml", {"tune.search={trials: 3}", "tune.search.vary.train.passes=3"});
  EXPECT_EQ(wrong.status().message(), "--set tune.search.vary.train.passes=3: tune.search.vary, train.passes: expected a list of at least one value, got 3");
}

// Settings that an optimiser does not have are not tried one by one with it.
TEST(SearchSpace, AJobHasWhatItsOptimizerTakes) {
  // Whichever comes first.
  for (const std::string types : {"ftrl, newton_cg, \"sgd\"", "newton_cg, \"sgd\", ftrl"}) {
    const auto space = Space("trials: 5, vary: {model.optimizer.type: [" + types +
                             "], model.optimizer.alpha: [.1, .2], model.optimizer.l2: [1, 2], model.optimizer.l1: [0, 3], "
                             "train.passes: [3, 4], model.type: [lr, gbdt], model.gbdt.max_leaves: [7, 8]}");
    ASSERT_TRUE(space.ok()) << space.status();
    const int ftrl = types[0] == 'f' ? 0 : 2, newton = types[0] == 'f' ? 1 : 0, sgd = types[0] == 'f' ? 2 : 1;
    using Point = SearchSpace::Point;
    EXPECT_EQ(space->Canonical({ftrl, 1, 1, 1, 1, 0, 1}), (Point{ftrl, 1, 1, 1, 1, 0, 0}));
    EXPECT_EQ(space->Canonical({newton, 1, 1, 1, 1, 0, 1}), (Point{newton, 0, 1, 0, 0, 0, 0}));
    EXPECT_EQ(space->Canonical({sgd, 1, 1, 1, 1, 0, 1}), (Point{sgd, 1, 1, 0, 1, 0, 0}));
    EXPECT_EQ(space->Canonical({newton, 1, 1, 1, 1, 1, 1}), (Point{0, 0, 0, 0, 0, 1, 1}));
    EXPECT_EQ(space->Describe({newton, 1, 1, 1, 1, 0, 1}),
              "model.optimizer.type: newton_cg, model.optimizer.l2: 2, model.type: lr");
    const auto job = space->JobOf({newton, 1, 1, 1, 1, 0, 1});
    ASSERT_TRUE(job.ok()) << job.status();
    EXPECT_EQ(job->config.model.optimizer.alpha, .3) << "the job's own";
    EXPECT_EQ(job->config.model.optimizer.l2, 2);
  }
  const std::string solved = "data: {train: {files: [a.svm]}, split: {by: ratio, valid: 0.2}}\nmodel: {optimizer: {type: newton_cg}}\n";
  EXPECT_THAT(Refused("trials: 5, vary: {model.optimizer.alpha: [.1, .2]}", solved),
              HasSubstr("model.optimizer.alpha: means nothing to the job's model.optimizer.type"));
  EXPECT_TRUE(Space("trials: 5, vary: {model.optimizer: [{type: ftrl}, {type: newton_cg}], train.passes: [1, 2]}", solved).ok());
}

TEST(SearchSpace, AJobHasWhatItsTypeOfModelTakes) {
  const auto space = Space(
      "trials: 5, vary: {model.type: [lr, gbdt], model.optimizer.alpha: [.1, .2], model.gbdt.max_leaves: [15, 31]}");
  ASSERT_TRUE(space.ok()) << space.status();
  EXPECT_EQ(space->points(), 8);
  const auto linear = space->JobOf({0, 1, 1});
  ASSERT_TRUE(linear.ok()) << linear.status();
  EXPECT_EQ(linear->config.model.optimizer.alpha, .2);
  EXPECT_EQ(linear->config.train.passes, 3);
  EXPECT_EQ(linear->config.features.size(), 2u);
  EXPECT_FALSE(linear->config.tune.has_value());
  EXPECT_THAT(linear->effective_yaml, AllOf(Not(HasSubstr("gbdt")), Not(HasSubstr("tune"))));
  const auto trees = space->JobOf({1, 1, 0});
  ASSERT_TRUE(trees.ok()) << trees.status();
  EXPECT_EQ(trees->config.model.gbdt.max_leaves, 15);
  EXPECT_EQ(trees->config.model.gbdt.trees, 50);
  EXPECT_EQ(trees->config.features.size(), 1u) << "trees find crosses themselves";
  EXPECT_THAT(trees->effective_yaml, AllOf(Not(HasSubstr("optimizer")), Not(HasSubstr("passes"))));
  EXPECT_EQ(space->Canonical({0, 1, 1}), (SearchSpace::Point{0, 1, 0}));
  EXPECT_EQ(space->Canonical({1, 1, 1}), (SearchSpace::Point{1, 0, 1}));
  EXPECT_EQ(space->Describe({1, 1, 0}), "model.type: gbdt, model.gbdt.max_leaves: 15");
}

TEST(SearchSpace, ValuesMayBeListsAndSections) {
  const auto space = Space(
      "trials: 5, vary: {features: [[{column: a, op: hash}], [{column: a, op: bucket, buckets: 8}, {column: b, op: hash}]],"
      " model.optimizer: [{type: adagrad, alpha: .5}, {type: ftrl, l1: 2}], train.early_stopping: [{patience: 2}, {}]}");
  ASSERT_TRUE(space.ok()) << space.status();
  const auto job = space->JobOf({1, 0, 0}, {"output.dir=elsewhere"});
  ASSERT_TRUE(job.ok()) << job.status();
  ASSERT_EQ(job->config.features.size(), 2u);
  EXPECT_EQ(job->config.features[0].buckets, 8);
  EXPECT_EQ(job->config.model.optimizer.type, OptimizerType::kAdaGrad);
  EXPECT_EQ(job->config.train.early_stopping->patience, 2);
  EXPECT_EQ(job->config.output.dir, "elsewhere");
}

TEST(SearchSpace, ValuesThatGiveTheSameJobAreOne) {
  const auto space = Space(
      "trials: 9, vary: {model.type: [lr, gbdt], features: [[{op: rest}], [{op: rest}, {op: cross, of: [a, b]}],"
      " [{op: cross, of: [a, b]}], [{column: a, op: hash}]], model.gbdt: [{learning_rate: .2}, {learning_rate: 0.2, max_leaves: 31}, {learning_rate: .3}],"
      " train.passes: [2, 1, 3]}");
  ASSERT_TRUE(space.ok()) << space.status();
  std::vector<std::pair<JobConfig, SearchSpace::Point>> jobs;
  for (int i = 0; i < 2 * 4 * 3 * 3; ++i) {
    const SearchSpace::Point any = {i % 2, i / 2 % 4, i / 8 % 3, i / 24};
    const SearchSpace::Point point = space->Canonical(any);
    const auto job = space->JobOf(point), same = space->JobOf(any);
    ASSERT_TRUE(job.ok() && same.ok()) << job.status() << same.status();
    // Where only a cross is said, trees have no feature, which means the rest.
    EXPECT_TRUE(job->config == same->config || same->config.features.empty()) << i;
    for (const auto& [config, of_config] : jobs) EXPECT_EQ(config == job->config, of_config == point) << i;
    jobs.emplace_back(job->config, point);
  }
  EXPECT_EQ(space->Canonical({1, 2, 0, 0}), (SearchSpace::Point{1, 0, 0, 0})) << "trees without crosses";
  EXPECT_EQ(space->Canonical({0, 2, 0, 0}), (SearchSpace::Point{0, 2, 0, 0}));
}

TEST(SearchSpace, KnowsTheModelsThatItsJobsRead) {
  const auto space = Space(
      "trials: 9, vary: {model.type: [gbdt, lr], model.warm_start: ['', first, second], model.gbdt: [{}, {base_model: linear}],"
      " features: [[{op: rest}], [{op: rest}, {op: tree_leaves, model: trees}]]}");
  ASSERT_TRUE(space.ok()) << space.status();
  EXPECT_THAT(space->bundles(), ElementsAre("first", "linear", "second", "trees"));
}

TEST(SearchSpace, TreesMayBeTunedInEachTrial) {
  const auto space = Space("trials: 2, vary: {model.type: [lr, gbdt]}}, trainings: 5, x: {");
  EXPECT_FALSE(space.ok());  // x is no key
  absl::StatusOr<LoadedJob> loaded = ParseJob(
      std::string(kJob) + "tune: {trainings: 5, search: {trials: 2, vary: {model.type: [lr, gbdt]}}}\n", "job.yaml", {});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const auto both = SearchSpace::Make(*loaded);
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_EQ(both->JobOf({1})->config.tune->trainings, 5);
  EXPECT_FALSE(both->JobOf({0})->config.tune.has_value());
}

TEST(SearchSpace, WhatCannotBeIsRefusedBeforeAnythingRuns) {
  EXPECT_THAT(Refused("vary: {train.passes: [1, 2]}"), HasSubstr("give trials"));
  EXPECT_THAT(Refused("trials: 3"), HasSubstr("vary: required"));
  EXPECT_THAT(Refused("trials: 3, vary: {model.optimiser.alpha: [1, 2]}"),
              HasSubstr("model.optimiser.alpha: unknown key, did you mean model.optimizer.alpha?"));
  EXPECT_THAT(Refused("trials: 3, vary: {data.split.valid: [.1, .2], train.seed: [1, 2], output.dir: [a, b]}"),
              AllOf(HasSubstr("data.split.valid: must be the same"), HasSubstr("train.seed: must be the same"),
                    HasSubstr("output.dir: must be the same")));
  EXPECT_THAT(Refused("trials: 3, vary: {model.optimizer.alpha: [.1, -1, fast]}"),
              AllOf(HasSubstr("must be above 0, is -1"), HasSubstr("expected a number, got fast")));
  EXPECT_THAT(Refused("trials: 3, vary: {model.gbdt.max_leaves: [15, 31]}"), HasSubstr("means nothing to model.type lr"));
  EXPECT_THAT(Refused("trials: 3, vary: {model.optimizer: [{alpha: .1}], model.optimizer.alpha: [.1]}"),
              HasSubstr("is a part of it"));
  EXPECT_THAT(Refused("trials: 3, vary: {train.passes: [2, 2]}"), HasSubstr("a value twice"));
  EXPECT_THAT(Refused("trials: 3, vary: {train.passes: 2}"), HasSubstr("expected a list of at least one value, got 2"));
  EXPECT_THAT(Refused("trials: 3, metric: rmse, vary: {train.passes: [1, 2]}"), HasSubstr("rmse is for"));
  EXPECT_THAT(Refused("trials: 3, vary: {train.passes: [1, 2]}", "data: {train: {files: [a.svm]}}\n"),
              HasSubstr("needs validation rows"));
  // What is wrong with the job whatever varies.
  EXPECT_THAT(Refused("trials: 3, vary: {train.passes: [1, 2]}",
                      "data: {train: {files: [a.svm]}, header: true, split: {by: ratio, valid: .1}}\n"),
              HasSubstr("data.header: only csv and tsv"));
}

}  // namespace
}  // namespace ps
