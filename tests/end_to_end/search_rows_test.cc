// tune.search and the rows: trials compared by those of validation, and learning a part of those of training.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>

#include "tests/end_to_end/search_fixture.h"

namespace ps {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST_F(SearchTest, ErrorsAreOfTheMetricOrThereAreNone) {
  const std::vector<std::string> trees = {"tune.search.trials=2", "tune.search.vary={model.gbdt.max_leaves: [7, 15]}", "model.type=gbdt"};
  std::vector<std::string> settings = trees;
  settings.push_back("model.gbdt.objective=squared");
  ASSERT_EQ(Train(settings).exit_code, 0);
  for (const JsonValue& trial : Trials()) {
    if (NumberAt(trial, "behind") == 0) continue;
    // Of few rows a few thousandths; of squared errors without their root it would be as much again.
    EXPECT_GT(NumberAt(trial, "error"), 1e-5);
    EXPECT_LT(NumberAt(trial, "error"), 0.01);
  }
  settings = trees;
  settings.insert(settings.end(), {"tune.search.metric=auc", "output.dir=auc"});
  const Finished auc = Train(settings);
  ASSERT_EQ(auc.exit_code, 0) << auc.err;
  EXPECT_THAT(ReadText(place_ / "auc/search.json"), AllOf(HasSubstr("\"behind\""), Not(HasSubstr("\"error\""))));
  EXPECT_THAT(auc.err, Not(HasSubstr("±")));
}

// They are for the errors alone: a training is not lost for them.
TEST_F(SearchTest, LossesThatCannotBeKeptFailNoTraining) {
  WriteText(place_ / "one.yaml",
            "data: {train: {files: [train.csv]}, format: csv, header: true, label: {column: label}, split: {by: ratio, valid: 0.2}}\n"
            "model: {type: lr}\n");
  for (const std::vector<std::string>& how :
       std::vector<std::vector<std::string>>{{}, {"--local", "1x1"}, {"--set", "model={type: gbdt, gbdt: {trees: 3}}"}}) {
    std::vector<std::string> arguments = {"--config", "one.yaml", "--valid_losses=absent/losses"};
    arguments.insert(arguments.end(), how.begin(), how.end());
    const Finished run = RunProgram("ps_train", arguments, place_.path());
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_THAT(run.err, HasSubstr("warning: how sure the order of trials is cannot be said of this one: "));
    EXPECT_TRUE(MetricsOf(place_ / "out").members.at("complete").flag);
  }
}

// The first trial fails, and then there is no time: the best so far learns all rows, and no other begins.
TEST_F(SearchTest, HalvingWithoutTimeEndsWithAModelOfAllRows) {
  const Finished run = Train({"tune.search.halving=true", "tune.search.trials=40", "tune.search.budget=0.1s", "model.type=lr",
                              "tune.search.vary={data.missing: [['0'], ['']], model.optimizer.alpha: [0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8], model.warm_start: [absent, '']}"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const std::vector<JsonValue> trials = Trials();
  EXPECT_EQ(trials.at(0).members.at("end").text, "failed");
  EXPECT_LT(trials.size(), 9u) << "of as many one would have learnt all rows in its turn";
  int chosen = 0;
  for (const JsonValue& trial : trials) {
    const std::string& end = trial.members.at("end").text;
    chosen += end == "chosen";
    if (end != "failed") {
      EXPECT_EQ(NumberAt(trial, "part") == 1, end == "chosen");
    }
  }
  EXPECT_EQ(chosen, 1);
}

TEST_F(SearchTest, HalvingGoesOnWithTheBetterOnesWhateverIsKilled) {
  const std::vector<std::string> halving = {"tune.search.halving=true", "tune.search.trials=7", "tune.search.parallel=2",
                                            "features=[{column: I1, op: bucket}, {column: C1, op: hash}]",
                                            "tune.search.vary={model.type: [lr, gbdt], model.optimizer.alpha: [0.01, 0.05, 0.2, 0.8],"
                                            " model.gbdt.max_leaves: [2, 7, 15]}"};
  const Finished run = Train(halving);
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.err, AllOf(HasSubstr("trial 1 of at most 7 begins on 1/9 of the training rows"),
                             HasSubstr("trial 1 goes on, to 1/3 of the training rows"), HasSubstr("trial 1 goes on, to all rows")));
  int all = 0, dropped = 0;
  for (const JsonValue& trial : Trials()) {
    const bool chosen = trial.members.at("end").text == "chosen";
    all += NumberAt(trial, "part") == 1;
    dropped += trial.members.at("end").text == "dropped";
    EXPECT_TRUE(!chosen || NumberAt(trial, "part") == 1);
    EXPECT_EQ(trial.members.contains("error"), NumberAt(trial, "part") == 1 && !chosen);
  }
  EXPECT_GE(all, 1);
  EXPECT_GE(dropped, 4);
  EXPECT_EQ(all + dropped, 7);
  EXPECT_THAT(run.out, HasSubstr("searched: 7 trials, " + std::to_string(all) + " of them on all rows"));
  const double rows = NumberAt(MetricsOf(place_ / "out"), "rows_learnt");
  EXPECT_GT(rows, 4500) << "of about 4,800";
  const std::string whole = Trace(), weights = ReadText(place_ / "out/weights.bin");
  WriteText(place_ / "tuned.yaml", ReadText(place_ / "out/tuned_job.yaml"));
  ASSERT_EQ(RunProgram("ps_train", {"--config", "tuned.yaml", "--set", "output.dir=again"}, place_.path()).exit_code, 0);
  EXPECT_EQ(NumberAt(MetricsOf(place_ / "again"), "rows_learnt"), rows);
  EXPECT_EQ(NumberAt(MetricsOf(place_ / "again"), "test.logloss"), NumberAt(MetricsOf(place_ / "out"), "test.logloss"));
  std::filesystem::remove_all(place_ / "out");
  for (const char* when : {"trial 1 goes on, to 1/3", "trial 3 of at most 7 begins", "trial 6 of at most 7 begins"}) {
    Program killed("ps_train", Arguments(halving), place_.path());
    ASSERT_TRUE(killed.WaitForError(when)) << when;
    const auto children = killed.Children();
    killed.Signal(SIGKILL);
    EXPECT_EQ(killed.Wait().exit_code, 137);
    EXPECT_TRUE(AllGone(children));
  }
  const Finished on = Train(halving);
  ASSERT_EQ(on.exit_code, 0) << on.err;
  EXPECT_EQ(Trace(), whole);
  EXPECT_TRUE(ReadText(place_ / "out/weights.bin") == weights);
  // One without halving is another search.
  EXPECT_THAT(Train({"tune.search.trials=1"}).err, HasSubstr("it begins anew"));
}

TEST_F(SearchTest, APartOfTheRowsIsTheSameWhereverItIsLearnt) {
  WriteText(place_ / "plain.yaml", "data: {train: {files: [train.csv]}, format: csv, header: true, label: {column: label}, split: {by: ratio, valid: 0.2}}\n"
                                   "features: [{column: I1, op: bucket}, {column: C1, op: hash}]\n");
  std::vector<double> learnt;
  for (const std::vector<std::string>& more : {std::vector<std::string>{}, {"--local", "1x2"}, {"--set", "model={type: gbdt, gbdt: {trees: 5}}"},
                                               {"--set", "model={type: gbdt, gbdt: {trees: 5}}", "--local", "1x2"}}) {
    std::vector<std::string> arguments = {"--config", "plain.yaml", "--train_part=0.25", "--valid_losses=losses"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Finished run = RunProgram("ps_train", arguments, place_.path());
    ASSERT_EQ(run.exit_code, 0) << run.err;
    const JsonValue metrics = MetricsOf(place_ / "out");
    learnt.push_back(NumberAt(metrics, "train.rows"));
    // Validation rows stay all: eight bytes of each, behind 24.
    EXPECT_NEAR(NumberAt(metrics, "rows_valid"), 1200, 150);
    EXPECT_EQ(static_cast<double>(std::filesystem::file_size(place_ / "losses")), 24 + 8 * NumberAt(metrics, "rows_valid"));
  }
  EXPECT_NEAR(learnt[0], 1200, 150);
  for (const double rows : learnt) EXPECT_EQ(rows, learnt[0]);
}

TEST_F(SearchTest, TrialsRunOnACluster) {
  const Finished run = Train({"tune.search.trials=3"}, {"--local", "1x2"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("searched: 3 trials"));
  const std::vector<JsonValue> trials = Trials();
  EXPECT_EQ(std::count_if(trials.begin(), trials.end(), [](const JsonValue& trial) { return trial.members.contains("error"); }), 2);
}

}  // namespace
}  // namespace ps
