// Keys that have no effect where a job runs are named, and no others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/config/idle_keys.h"
#include "models/config/load.h"

namespace ps {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr bool kHere = false, kCluster = true;

std::vector<std::string> OfData(const std::string& data, bool on_cluster, const std::string& yaml) {
  const auto config = ParseJobConfig(data + yaml, "job.yaml", {});
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? IdleKeys(*config, on_cluster) : std::vector<std::string>();
}

std::vector<std::string> Of(bool on_cluster, const std::string& yaml) {
  return OfData("data: {train: {files: [a]}, split: {valid: 0.1}}\n", on_cluster, yaml);
}

TEST(IdleKeysTest, AJobOfDefaultsHasNone) {
  for (const std::string yaml : {"", "model: {type: gbdt}\n", "cluster: {values: f32, lanes: 16, replicas: 1}\n",
                                 "model: {tune_all_rows: true}\n"}) {
    EXPECT_THAT(Of(kHere, yaml), IsEmpty()) << yaml;
    EXPECT_THAT(Of(kCluster, yaml), IsEmpty()) << yaml;
  }
}

TEST(IdleKeysTest, WhatAClusterHasIsNamedInOneProcess) {
  EXPECT_THAT(Of(kHere, "train: {staleness: 4}\n"),
              ElementsAre("train.staleness has no effect here: the job runs in one process; give cluster.servers and "
                          "cluster.workers, or --local"));
  EXPECT_THAT(Of(kHere, "train: {staleness: unbounded}\n"), ElementsAre(HasSubstr("train.staleness")));
  EXPECT_THAT(Of(kHere, "model: {type: gbdt, gbdt: {distribution: rows}}\n"),
              ElementsAre(HasSubstr("model.gbdt.distribution")));
  const std::string all = "cluster: {replicas: 2, ack: primary, failure_timeout: 3, values: bf16, slot_bits: 4}\n";
  EXPECT_THAT(Of(kHere, all), ElementsAre(HasSubstr("replicas"), HasSubstr("ack"), HasSubstr("failure_timeout"),
                                          HasSubstr("slot_bits"), HasSubstr("values")));
  for (const std::string& yaml : {std::string("train: {staleness: 4}\n"), all,
                                  std::string("model: {type: gbdt, gbdt: {distribution: rows}}\n")}) {
    EXPECT_THAT(Of(kCluster, yaml), IsEmpty()) << yaml;
  }
}

TEST(IdleKeysTest, StepsInOneProcessAreThoseOfACluster) {
  EXPECT_THAT(Of(kHere, "train: {staleness: 0, chunks_per_round: 4}\ncluster: {values: bf16}\n"), IsEmpty());
  EXPECT_THAT(Of(kCluster, "train: {chunks_per_round: 4}\n"),
              ElementsAre("train.chunks_per_round has no effect here: it is for train.staleness: 0"));
}

TEST(IdleKeysTest, WhatTuningHasIsNamedWithout) {
  EXPECT_THAT(Of(kHere, "model: {tune_all_rows: false}\n"),
              ElementsAre("model.tune_all_rows has no effect here: it is for model.tune: auto"));
  EXPECT_THAT(Of(kCluster, "cluster: {lanes: 4}\n"), ElementsAre(HasSubstr("cluster.lanes")));
  EXPECT_THAT(Of(kCluster, "model: {tune: auto}\ncluster: {lanes: 4}\n"), IsEmpty());
  EXPECT_THAT(Of(kHere, "model: {tune: auto, tune_all_rows: false}\n"),
              ElementsAre(AllOf(HasSubstr("model.tune_all_rows"), HasSubstr("several passes"))));
  EXPECT_THAT(Of(kHere, "model: {tune: auto, tune_all_rows: false}\ntrain: {passes: 3}\n"), IsEmpty());
}

TEST(IdleKeysTest, WhatOnePassAndTheOptimizerDoNotHave) {
  // Rows that are held out are kept, too.
  EXPECT_THAT(Of(kHere, "train: {early_stopping: {}, row_cache: c}\n"), ElementsAre(HasSubstr("train.early_stopping")));
  EXPECT_THAT(OfData("data: {train: {files: [a]}}\n", kHere, "train: {row_cache: c}\n"),
              ElementsAre(HasSubstr("train.row_cache")));
  EXPECT_THAT(Of(kHere, "train: {early_stopping: {}, row_cache: c, passes: 2}\n"), IsEmpty());
  EXPECT_THAT(Of(kHere, "model: {optimizer: {type: sgd, beta: 1, l1: 1, newton: 1}}\n"),
              ElementsAre(HasSubstr("optimizer.l1"), HasSubstr("optimizer.newton"), HasSubstr("optimizer.beta")));
  EXPECT_THAT(Of(kHere, "model: {optimizer: {type: adagrad, beta: 1, l2: 1}}\n"), IsEmpty());
  EXPECT_THAT(Of(kHere, "model: {optimizer: {beta: 1, l1: 1, newton: 1}}\n"), IsEmpty());
}

TEST(IdleKeysTest, WhatTreesDoNotHave) {
  EXPECT_THAT(Of(kHere, "model: {type: gbdt, gbdt: {target_encoding: none, target_smooth: 3}}\n"),
              ElementsAre(HasSubstr("model.gbdt.target_smooth")));
  EXPECT_THAT(Of(kHere, "model: {type: gbdt, warm_start: m, gbdt: {refit: {}, max_leaves: 7}}\n"),
              ElementsAre(HasSubstr("model.gbdt.max_leaves")));
}

// Settings of copies and lanes of a linear model's servers are a mistake about the type.
TEST(IdleKeysTest, OfTreesSomeAreErrors) {
  const auto config = ParseJobConfig(
      "data: {train: {files: [a]}}\nmodel: {type: gbdt}\ncluster: {lanes: 4, ack: primary}\n", "job.yaml", {});
  EXPECT_THAT(std::string(config.status().message()), AllOf(HasSubstr("cluster.lanes: not for model.type gbdt"),
                                                            HasSubstr("cluster.ack: not for model.type gbdt")));
}

}  // namespace
}  // namespace ps
