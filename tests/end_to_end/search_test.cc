// tune.search as a user runs it: what is tried, what is left, what is refused, and going on after a kill.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "tests/end_to_end/search_fixture.h"

namespace ps {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

TEST_F(SearchTest, TheBestTrialIsTheModelAndItsJobTrainsItAgain) {
  const Finished run = Train({});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, AllOf(HasSubstr("searched: 6 trials"), HasSubstr("model: out ("), Not(HasSubstr("trial-"))));
  const std::optional<JsonValue> trace = JsonReader::Read(ReadText(place_ / "out/search.json"));
  ASSERT_TRUE(trace.has_value()) << ReadText(place_ / "out/search.json");
  const auto& trials = trace->members.at("trials").items;
  ASSERT_EQ(trials.size(), 6u);
  double least = INFINITY;
  for (const JsonValue& trial : trials) least = std::min(least, NumberAt(trial, "log_loss"));
  const JsonValue metrics = MetricsOf(place_ / "out");
  EXPECT_EQ(NumberAt(metrics, "valid.logloss"), least);
  EXPECT_GT(NumberAt(metrics, "rows_test"), 0);
  EXPECT_FALSE(std::filesystem::exists(place_ / "out.search"));
  // Compared row by row, which takes the same rows in the same order, trials differ by less than their errors say.
  EXPECT_THAT(run.err, HasSubstr("; behind trial "));
  const double unpaired = NumberAt(metrics, "valid.logloss_stderr");
  for (const JsonValue& trial : trials) {
    EXPECT_NEAR(NumberAt(trial, "behind"), NumberAt(trial, "log_loss") - least, 1e-12);
    if (NumberAt(trial, "behind") == 0) continue;
    EXPECT_GT(NumberAt(trial, "error"), 0);
    EXPECT_LT(NumberAt(trial, "error"), 0.7 * unpaired);
  }

  WriteText(place_ / "tuned.yaml", ReadText(place_ / "out/tuned_job.yaml"));
  EXPECT_THAT(ReadText(place_ / "tuned.yaml"), AllOf(Not(HasSubstr("tune")), Not(HasSubstr("trial-"))));
  ASSERT_EQ(RunProgram("ps_train", {"--config", "tuned.yaml", "--set", "output.dir=again"}, place_.path()).exit_code, 0);
  EXPECT_EQ(NumberAt(MetricsOf(place_ / "again"), "test.logloss"), NumberAt(metrics, "test.logloss"));
  EXPECT_TRUE(ReadText(place_ / "again/weights.bin") == ReadText(place_ / "out/weights.bin"));
  ASSERT_EQ(RunProgram("ps_eval", {"--model", "out", "--data", "test.csv"}, place_.path()).exit_code, 0);

  // The same decisions by the same seed, whatever the test rows say.
  const std::string first = Trace();
  Generate(place_.path(), "test.csv", "csv", 500, 90000);
  ASSERT_EQ(Train({"train.threads=3"}).exit_code, 0);
  EXPECT_EQ(Trace(), first);
}

TEST_F(SearchTest, AKilledSearchGoesOnAndEndsInTheSame) {
  ASSERT_EQ(Train({}).exit_code, 0);
  const std::string whole = Trace(), weights = ReadText(place_ / "out/weights.bin");
  std::filesystem::remove_all(place_ / "out");
  Program run("ps_train", Arguments({}), place_.path());
  ASSERT_TRUE(run.WaitForError("trial 4 of at most 6 begins"));
  const auto children = run.Children();
  run.Signal(SIGKILL);
  EXPECT_EQ(run.Wait().exit_code, 137);
  EXPECT_TRUE(AllGone(children));
  EXPECT_FALSE(std::filesystem::exists(place_ / "out"));
  // Another search must not take these for its own.
  const Finished other = Train({"tune.search.metric=auc"});
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_THAT(other.err, HasSubstr("out.search has the trials of a search with other keys"));
  const Finished on = Train({});
  ASSERT_EQ(on.exit_code, 0) << on.err;
  // Usually three; the fourth may have ended before the kill.
  EXPECT_THAT(on.err, AnyOf(HasSubstr("going on, 3 trials have"), HasSubstr("going on, 4 trials have")));
  EXPECT_THAT(on.err, AllOf(Not(HasSubstr("trial 3 of")), HasSubstr("trial 6 of")));
  EXPECT_EQ(Trace(), whole);
  EXPECT_TRUE(ReadText(place_ / "out/weights.bin") == weights);
}

TEST_F(SearchTest, AStoppedSearchLeavesTheBestSoFarAndGoesOn) {
  Program run("ps_train", Arguments({}), place_.path());
  ASSERT_TRUE(run.WaitForError("trial 3 of at most 6 begins"));
  run.Signal(SIGTERM);
  const Finished stopped = run.Wait();
  EXPECT_EQ(stopped.exit_code, 143) << stopped.err;
  EXPECT_THAT(ReadText(place_ / "out/manifest.json"), HasSubstr("\"complete\": false"));
  const Finished on = Train({"tune.search.trials=7"});  // it may have more of them by now
  ASSERT_EQ(on.exit_code, 0) << on.err;
  // The third may have ended before the signal reached it.
  EXPECT_THAT(on.err, AnyOf(HasSubstr("going on, 2 trials have"), HasSubstr("going on, 3 trials have")));
  EXPECT_THAT(on.out, HasSubstr("searched: 7 trials"));
  EXPECT_THAT(ReadText(place_ / "out/manifest.json"), HasSubstr("\"complete\": true"));
}

TEST_F(SearchTest, ASearchThatIsOverGoesOnWithMoreTrials) {
  ASSERT_EQ(Train({"tune.search.trials=8", "output.dir=whole"}).exit_code, 0);
  const std::string tuned = ReadText(place_ / "whole/tuned_job.yaml");
  ASSERT_EQ(Train({"tune.search.trials=3"}).exit_code, 0);
  const std::string weights = ReadText(place_ / "out/weights.bin");
  const auto text_of = [](const Finished& run) { return run.out.substr(0, run.out.find("searched:")); };
  // Nothing is left to do: the model stays, and so does what is said of it.
  const Finished same = Train({"tune.search.trials=3"});
  ASSERT_EQ(same.exit_code, 0) << same.err;
  EXPECT_THAT(same.err, AllOf(HasSubstr("out is of this search, of 3 trials"), Not(HasSubstr("begins:"))));
  EXPECT_THAT(same.out, HasSubstr("searched: 3 trials;"));
  EXPECT_TRUE(ReadText(place_ / "out/weights.bin") == weights);
  const Finished again = Train({"tune.search.trials=3"});
  EXPECT_EQ(text_of(again), text_of(same));
  const Finished more = Train({"tune.search.trials=8"});
  ASSERT_EQ(more.exit_code, 0) << more.err;
  EXPECT_THAT(more.err, AllOf(HasSubstr("trial 4 of at most 8 begins"), Not(HasSubstr("trial 3 of at most 8"))));
  EXPECT_THAT(more.out, HasSubstr("searched: 8 trials;"));
  EXPECT_TRUE(ReadText(place_ / "out/weights.bin") == ReadText(place_ / "whole/weights.bin"));
  EXPECT_EQ(ReadText(place_ / "out/tuned_job.yaml") + "output:\n  dir: whole\n", tuned);
  EXPECT_FALSE(std::filesystem::exists(place_ / "out.search"));
  // One of other settings begins anew.
  const Finished other = Train({"tune.search.trials=2", "tune.search.metric=auc"});
  ASSERT_EQ(other.exit_code, 0) << other.err;
  EXPECT_THAT(other.err, HasSubstr("it begins anew"));
  EXPECT_THAT(other.out, HasSubstr("searched: 2 trials;"));
}

TEST_F(SearchTest, TrialsAtOnceGiveTheSameWheneverTheyEnd) {
  const std::vector<std::string> three = {"tune.search.parallel=3", "tune.search.trials=7"};
  const Finished run = Train(three);
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("searched: 7 trials;"));
  EXPECT_LT(run.err.find("trial 3 of at most 7 begins"), run.err.find("trial 1, "));  // before the first had ended
  const std::string whole = Trace(), weights = ReadText(place_ / "out/weights.bin");
  std::filesystem::remove_all(place_ / "out");
  {
    Program killed("ps_train", Arguments(three), place_.path());
    ASSERT_TRUE(killed.WaitForError("trial 6 of at most 7 begins"));
    const auto children = killed.Children();
    killed.Signal(SIGKILL);
    EXPECT_EQ(killed.Wait().exit_code, 137);
    EXPECT_TRUE(AllGone(children));
  }
  const Finished on = Train(three);
  ASSERT_EQ(on.exit_code, 0) << on.err;
  EXPECT_EQ(Trace(), whole);
  EXPECT_TRUE(ReadText(place_ / "out/weights.bin") == weights);
  const Finished watched = Train(three, {"--http", "127.0.0.1:0"});
  EXPECT_EQ(watched.exit_code, 2);
  EXPECT_THAT(watched.err, HasSubstr("tune.search.parallel: trials at once cannot all be watched"));
}

TEST_F(SearchTest, AKillDoesNotTakeTrialsThatHaveEndedWithIt) {
  const std::vector<std::string> settings = {"tune.search.parallel=2", "tune.search.trials=2", "tune.search.vary={train.passes: [1, 1000000]}"};
  const std::string state = place_ / "out.search/trials.pb";
  {
    Program run("ps_train", Arguments(settings), place_.path());
    ASSERT_TRUE(run.WaitForError("trial 2 of at most 2 begins"));
    const auto wait_for = [](const auto& what) {
      for (int i = 0; i < 600 && !what(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
      return what();
    };
    ASSERT_TRUE(wait_for([&] { return std::filesystem::exists(place_ / "out.search/trial-1/model/metrics.json"); }));
    ASSERT_TRUE(wait_for([&] { return run.Children().size() == 1; }));
    const auto ended = std::filesystem::last_write_time(place_ / "out.search/trial-1/model/metrics.json");
    ASSERT_TRUE(wait_for([&] { return std::filesystem::last_write_time(state) >= ended; })) << "its end is not kept";
    run.Signal(SIGKILL);
    EXPECT_EQ(run.Wait().exit_code, 137);
  }
  Program on("ps_train", Arguments(settings), place_.path());
  EXPECT_TRUE(on.WaitForError("search: going on, 1 trials have ended before")) << on.Wait().err;
  on.Signal(SIGKILL);
  on.Wait();
}

TEST_F(SearchTest, WhatIsWrongWithATrialIsSaidByItsKeys) {
  const Finished wrong = Train({"tune.search.vary={model.optimizer.alpha: [0.1, -1], model.bias: [true, perhaps]}"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.err, AllOf(HasSubstr("tune.search, the trial of {model.optimizer.alpha: -1"), HasSubstr("perhaps"),
                               Not(testing::ContainsRegex("\\}:[0-9]"))));
}

TEST_F(SearchTest, FailedTrialsAreToldAndDoNotEndTheSearch) {
  // A column that is not there: only the data can tell.
  const Finished run = Train({"tune.search.vary={features: [[{column: C1, op: hash}], [{column: nowhere, op: hash}]], "
                              "model.optimizer: [{type: ftrl, alpha: .1}, {type: sgd, alpha: 1e38}]}"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr(", and 3 that failed"));
  EXPECT_THAT(run.err, AllOf(HasSubstr("nowhere"), HasSubstr("failed: ")));
  EXPECT_THAT(ReadText(place_ / "out/search.json"), AllOf(HasSubstr("\"end\":\"failed\""), HasSubstr("\"end\":\"chosen\"")));
  const Finished all = Train({"tune.search.vary={features: [[{column: nowhere, op: hash}], [{column: nobody, op: hash}]]}",
                              "output.dir=none"});
  EXPECT_EQ(all.exit_code, 3);
  EXPECT_THAT(all.err, HasSubstr("all trials failed"));
  EXPECT_FALSE(std::filesystem::exists(place_ / "none"));
  // Nothing of it is worth keeping: what is put right need not be told to begin anew.
  const Finished right = Train({"tune.search.vary={model.optimizer.alpha: [.1, .2], model.bias: [true, false]}", "output.dir=none"});
  EXPECT_EQ(right.exit_code, 0) << right.err;
  EXPECT_THAT(right.err, HasSubstr("had failed: it begins anew"));
}

TEST_F(SearchTest, WarningsOfTrialsAreSaid) {
  const Finished run = Train({"data.label.positive=what", "tune.search.vary={model.type: [lr, gbdt]}"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const std::string warning = "warning: all rows of data.train have the same label";
  EXPECT_THAT(run.err, AllOf(HasSubstr("trial 1: " + warning), Not(HasSubstr("trial 2: " + warning)))) << "once is enough";
  EXPECT_THAT(run.out.substr(run.out.find("searched: 2 trials")), HasSubstr("\n" + warning));
  // One that stands beside the figures is not said once more.
  const Finished shared = Train({"data.test.files=[train.csv]", "tune.search.vary={model.type: [lr, gbdt]}", "output.dir=shared"});
  ASSERT_EQ(shared.exit_code, 0) << shared.err;
  const std::string among = "warning: data.test.files: train.csv is among data.train.files";
  EXPECT_NE(shared.out.find(among), std::string::npos) << shared.out;
  EXPECT_EQ(shared.out.find(among), shared.out.rfind(among)) << shared.out;
}

TEST_F(SearchTest, WhatEveryTrialWouldFailByIsSaidAtOnce) {
  const std::string table = ReadText(place_ / "train.csv"), job = ReadText(place_ / "job.yaml");
  WriteText(place_ / "header.csv", table.substr(0, table.find('\n') + 1));
  for (const std::vector<std::string>& dry : {std::vector<std::string>{}, {"--dry_run"}}) {
    const Finished rows = Train({"data.valid.files=[header.csv]", "data.split={}"}, dry);
    EXPECT_EQ(rows.exit_code, 3);
    EXPECT_THAT(rows.err, AllOf(HasSubstr("header.csv has no rows"), Not(HasSubstr("begins:"))));
    const Finished labels = Train({"data.label.column=C9", "tune.search.vary={model.type: [gbdt], model.gbdt.max_leaves: [7, 15]}"}, dry);
    EXPECT_EQ(labels.exit_code, 3) << labels.err;
    EXPECT_THAT(labels.err, AllOf(HasSubstr("malformed"), Not(HasSubstr("begins:"))));
    // Checkpoints of linear models are of clusters.
    WriteText(place_ / "job.yaml", job + "checkpoint: {dir: ck}\n");
    const Finished kept = Train({"tune.search.vary={model.optimizer.alpha: [0.1, 0.2]}"}, dry);
    EXPECT_EQ(kept.exit_code, 2);
    EXPECT_THAT(kept.err, AllOf(HasSubstr("checkpoint is for a cluster"), Not(HasSubstr("begins:"))));
    WriteText(place_ / "job.yaml", job);
    // Where there is a device, a job that asks for it is planned.
    Generate(place_.path(), "few.svm", "libsvm", 100);
    WriteText(place_ / "few.yaml", "data: {train: {files: [few.svm]}}\ndevice: cuda\noutput: {dir: few}\n");
    const Finished here = RunProgram("ps_train", {"--config", "few.yaml", "--dry_run"}, place_.path());
    if (here.exit_code == 0) continue;
    ASSERT_EQ(here.exit_code, 5) << here.err;
    const Finished device = Train({"device=cuda"}, dry);
    EXPECT_EQ(device.exit_code, 5);
    EXPECT_THAT(device.err, AllOf(HasSubstr("device: cuda cannot be had"), Not(HasSubstr("begins:"))));
  }
  EXPECT_FALSE(std::filesystem::exists(place_ / "out.search"));
}

TEST_F(SearchTest, WhatOneTrialWouldFailByIsNotedAndTheOthersRun) {
  const Finished crosswise = Train({"tune.search.vary={features: [[{column: C1, op: hash}], [{column: nowhere, op: hash}]], "
                                    "data.missing: [[NA], [x]], model.optimizer.alpha: [.1, .2]}"});
  ASSERT_EQ(crosswise.exit_code, 0) << crosswise.err;
  EXPECT_THAT(crosswise.err, AllOf(HasSubstr("note: the trial of "), HasSubstr("nowhere")));
  // The first value and the last one are wrong, each by itself.
  const Finished between = Train({"tune.search.vary={features: [[{column: nowhere, op: hash}], [{column: C1, op: hash}], "
                                  "[{column: nobody, op: hash}]]}", "output.dir=between"});
  ASSERT_EQ(between.exit_code, 0) << between.err;
  EXPECT_THAT(between.out, HasSubstr("and 2 that failed"));
  WriteText(place_ / "job.yaml", ReadText(place_ / "job.yaml") + "checkpoint: {dir: ck}\n");
  const Finished types = Train({"tune.search.vary={model.type: [gbdt, lr]}", "output.dir=types"});
  ASSERT_EQ(types.exit_code, 0) << types.err;
  EXPECT_THAT(types.err, HasSubstr("note: the trial of model.type: lr fails: checkpoint is for a cluster"));
}

TEST_F(SearchTest, ABudgetEndsItAndWhatIsWrongIsSaidAtOnce) {
  const Finished run = Train({"tune.search.trials=1000", "tune.search.budget=1s", "model.gbdt.trees=100000",
                              "tune.search.vary={model.type: [lr, gbdt], model.gbdt.max_leaves: [7, 15]}"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("is given up: the budget is used up"));
  // It is over: the same command begins no trial and writes nothing.
  const auto written = std::filesystem::last_write_time(place_ / "out/manifest.json");
  const Finished same = Train({"tune.search.trials=1000", "tune.search.budget=1s", "model.gbdt.trees=100000",
                               "tune.search.vary={model.type: [lr, gbdt], model.gbdt.max_leaves: [7, 15]}"});
  ASSERT_EQ(same.exit_code, 0) << same.err;
  EXPECT_THAT(same.err, AllOf(HasSubstr("out is of this search"), Not(HasSubstr("begins:"))));
  EXPECT_EQ(std::filesystem::last_write_time(place_ / "out/manifest.json"), written);
  EXPECT_FALSE(std::filesystem::exists(place_ / "out.search"));
  const Finished wrong = Train({"tune.search.vary={model.optimizer.alpa: [1, 2]}"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("did you mean model.optimizer.alpha?"));
  const Finished listening = Train({}, {"--listen", "tcp://127.0.0.1:0"});
  EXPECT_EQ(listening.exit_code, 2);
  const Finished planned = Train({"output.dir=planned"}, {"--dry_run"});
  EXPECT_EQ(planned.exit_code, 0) << planned.err;
  EXPECT_THAT(planned.out, AllOf(HasSubstr("at most 6 trials of 8 jobs"), HasSubstr("the first trial:")));
  EXPECT_FALSE(std::filesystem::exists(place_ / "planned.search"));
}

TEST_F(SearchTest, DirectoriesHaveAnyNameAndNoOtherIsTouched) {
  const std::string names = "output: {dir: \"out s #1\"}\ncheckpoint: {dir: \"ck: #1\", every: 0.05}\n";
  WriteText(place_ / "job.yaml", ReadText(place_ / "job.yaml") + names);
  const Finished run = Train({"tune.search.trials=2", "tune.search.vary={model.optimizer.alpha: [0.05, 0.2]}"}, {"--local", "1x1"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("searched: 2 trials;"));
  EXPECT_GT(NumberAt(MetricsOf(place_ / "out s #1"), "rows_test"), 0);
  EXPECT_FALSE(std::filesystem::exists(place_ / "out s"));
  WriteText(place_ / "tuned.yaml", ReadText(place_ / "out s #1/tuned_job.yaml"));
  std::filesystem::remove_all(place_ / "out s #1");
  ASSERT_EQ(RunProgram("ps_train", {"--config", "tuned.yaml", "--local", "1x1"}, place_.path()).exit_code, 0);
  EXPECT_TRUE(std::filesystem::exists(place_ / "out s #1/manifest.json"));
  EXPECT_FALSE(std::filesystem::exists(place_ / "out s"));
}

TEST_F(SearchTest, CheckpointsOfAnotherSearchAreNotFoundAndOwnOnesDoNotStay) {
  const std::vector<std::string> local = {"--local", "1x1"};
  WriteText(place_ / "job.yaml", ReadText(place_ / "job.yaml") + "checkpoint: {dir: ck, every: 0.05}\n");
  {
    std::vector<std::string> arguments = Arguments({"train.passes=1000000", "tune.search.vary={model.optimizer.alpha: [0.1, 0.3]}"});
    arguments.insert(arguments.end(), local.begin(), local.end());
    Program run("ps_train", arguments, place_.path());
    ASSERT_TRUE(run.WaitForError("trial 1 of at most 2 begins"));
    const std::string log = place_ / "out.search/trial-1/log";
    for (int i = 0; i < 400 && !(std::filesystem::exists(log) && ReadText(log).find("checkpoint 1 is written") != std::string::npos); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    const auto children = run.Children();
    run.Signal(SIGKILL);
    EXPECT_EQ(run.Wait().exit_code, 137);
    EXPECT_TRUE(AllGone(children));
  }
  ASSERT_FALSE(std::filesystem::is_empty(place_ / "ck"));
  std::filesystem::remove_all(place_ / "out.search");
  const auto entries = [this] {
    const std::filesystem::directory_iterator ck(place_ / "ck");
    return std::count_if(begin(ck), end(ck), [](const auto& entry) { return entry.path().filename() != "lock"; });
  };
  const auto left = entries();
  const Finished other = Train({"tune.search.vary={model.optimizer.alpha: [0.05, 0.2]}"}, local);
  ASSERT_EQ(other.exit_code, 0) << other.err;
  EXPECT_THAT(other.out, HasSubstr("searched: 2 trials;")) << "none failed";
  EXPECT_EQ(entries(), left);
}

TEST_F(SearchTest, TrialsOfOtherDataOrOfAnotherStartAreNotMixed) {
  const std::string job = ReadText(place_ / "job.yaml");
  WriteText(place_ / "plain.yaml", job.substr(0, job.find("model:")) + "output: {dir: start}\n");
  const auto train_start = [&](const std::string& alpha) {
    const std::vector<std::string> plain = {"--config", "plain.yaml", "--set", "model.optimizer.alpha=" + alpha};
    return RunProgram("ps_train", plain, place_.path()).exit_code;
  };
  const std::vector<std::string> search = {"tune.search.vary={model.warm_start: ['', start], model.optimizer.alpha: [0.05, 0.1, 0.2]}"};
  const auto kill_at = [&](const std::string& text) {
    Program run("ps_train", Arguments(search), place_.path());
    EXPECT_TRUE(run.WaitForError(text));
    run.Signal(SIGKILL);
    EXPECT_EQ(run.Wait().exit_code, 137);
  };
  ASSERT_EQ(train_start("0.1"), 0);
  kill_at("trial 2 of at most 6 begins");
  const std::string data = place_ / "train.csv";  // as many bytes, written again
  const auto written = std::filesystem::last_write_time(data);
  std::filesystem::last_write_time(data, written + std::chrono::seconds(1));
  const Finished other_data = Train(search);
  EXPECT_EQ(other_data.exit_code, 2);
  EXPECT_THAT(other_data.err, HasSubstr("settings, data or models to begin with: remove it"));
  std::filesystem::last_write_time(data, written);
  kill_at("search: going on");
  ASSERT_EQ(train_start("0.3"), 0);
  const Finished other_start = Train(search);
  EXPECT_EQ(other_start.exit_code, 2);
  EXPECT_THAT(other_start.err, HasSubstr("settings, data or models to begin with: remove it"));
}

}  // namespace
}  // namespace ps
