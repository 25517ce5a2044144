// model.tune as a user runs it: what is printed, what the bundle holds, what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tests/end_to_end/program.h"

namespace ps {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class TuningTest : public testing::Test {
 protected:
  void SetUp() override {
    Generate(place_.path(), "train.svm", "libsvm", 15000);
    WriteText(place_ / "job.yaml",
              "data: {train: {files: [train.svm]}, split: {by: ratio, valid: 0.1, test: 0.1}}\n"
              "model: {type: lr, tune: auto}\n");
  }

  Finished Train(const std::vector<std::string>& arguments) const {
    std::vector<std::string> all{"--config", "job.yaml"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return RunProgram("ps_train", all, place_.path());
  }

  const Workplace place_;
};

TEST_F(TuningTest, OnePassEndsInOneSettingWithItsEvidence) {
  const Finished run = Train({});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.err, AllOf(HasSubstr("tune: auto"), HasSubstr("tune, "),
                             HasSubstr(" leads lane "), HasSubstr(" ± ")));
  const std::optional<JsonValue> trace = JsonReader::Read(ReadText(place_ / "out/tuning.json"));
  ASSERT_TRUE(trace);
  EXPECT_EQ(trace->members.at("format").text, "hyperplane-tuning");
  const auto& lanes = trace->members.at("lanes").items;
  EXPECT_GE(lanes.size(), 16u);
  const JsonValue& chosen = lanes.at(static_cast<std::size_t>(trace->members.at("chosen").number));
  EXPECT_EQ(chosen.members.at("end").text, "chosen");
  const auto& decisions = trace->members.at("decisions").items;
  ASSERT_FALSE(decisions.empty());
  EXPECT_EQ(decisions.back().members.at("rows").number,
            NumberAt(MetricsOf(place_ / "out"), "rows_learnt"));
  EXPECT_THAT(RunProgram("ps_model", {"inspect", "out"}, place_.path()).out,
              HasSubstr("ftrl alpha="));

  // The line that is printed is a job file's: it trains, to about the same.
  const std::size_t at = run.out.find("model: {type: lr, optimizer: ");
  ASSERT_NE(at, std::string::npos) << run.out;
  const std::string line = run.out.substr(at, run.out.find('\n', at) - at + 1);
  const double tuned = NumberAt(MetricsOf(place_ / "out"), "test.logloss");
  WriteText(place_ / "tuned.yaml", ReadText(place_ / "out/tuned_job.yaml"));
  WriteText(
      place_ / "job.yaml",
      "data: {train: {files: [train.svm]}, split: {by: ratio, valid: 0.1, test: 0.1}}\n" + line);
  ASSERT_EQ(Train({}).exit_code, 0);
  EXPECT_NEAR(NumberAt(MetricsOf(place_ / "out"), "test.logloss"), tuned, 0.01 * tuned);
  EXPECT_FALSE(std::filesystem::exists(place_ / "out/tuning.json"));
  // So does the job file that is left.
  const std::string weights = ReadText(place_ / "out/weights.bin");
  ASSERT_EQ(RunProgram("ps_train", {"--config", "tuned.yaml", "--set", "output.dir=again"}, place_.path()).exit_code, 0);
  EXPECT_TRUE(ReadText(place_ / "again/weights.bin") == weights);
}

TEST_F(TuningTest, SeveralPassesAreJudgedOnValidationRows) {
  const Finished run = Train({"--set", "train.passes=4", "--set", "train.early_stopping={}"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const std::string trace = ReadText(place_ / "out/tuning.json");
  EXPECT_THAT(trace, HasSubstr("\"judged_on\":\"validation\""));
  // The test rows decide nothing: others in their place, the same decisions.
  std::string rows = ReadText(place_ / "train.svm");
  WriteText(place_ / "test1.svm", rows.substr(0, rows.find('\n', 100'000) + 1));
  WriteText(place_ / "test2.svm", "1 1:1\n0 2:1\n");
  std::vector<std::string> traces;
  for (const std::string& test : {std::string("test1.svm"), std::string("test2.svm")}) {
    ASSERT_EQ(Train({"--set", "train.passes=4", "--set", "data.split.test=0", "--set", "model.tune_all_rows=false",
                     "--set", "data.test.files=[" + test + "]"})
                  .exit_code,
              0);
    traces.push_back(ReadText(place_ / "out/tuning.json"));
  }
  EXPECT_EQ(traces[0], traces[1]);
}

TEST_F(TuningTest, AllRowsAreLearntWithWhatTheFoldsOfValidationRowsChose) {
  const std::vector<std::string> several = {"--set", "train.passes=6", "--set", "train.early_stopping={patience: 2}"};
  const Finished run = Train(several);
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.err, AllOf(HasSubstr("fold 2 of 5"), HasSubstr("fold 5 of 5"), HasSubstr("now on all rows")));
  EXPECT_THAT(run.out, HasSubstr("the validation rows have been learnt too"));
  const JsonValue metrics = MetricsOf(place_ / "out");
  const std::optional<JsonValue> trace = JsonReader::Read(ReadText(place_ / "out/tuning.json"));
  ASSERT_TRUE(trace);
  EXPECT_EQ(trace->members.at("folds").number, 5);
  const JsonValue& best = trace->members.at("candidates").items.at(0);
  EXPECT_EQ(best.members.at("lane").number, trace->members.at("chosen").number);
  EXPECT_EQ(best.members.at("pass").number, NumberAt(metrics, "passes"));
  EXPECT_NEAR(NumberAt(metrics, "rows_learnt") / NumberAt(metrics, "passes"), 13500, 350) << "train and validation rows";
  // The job file that is left has no validation rows, the same test rows, and trains the same model.
  const std::string weights = ReadText(place_ / "out/weights.bin");
  WriteText(place_ / "tuned.yaml", ReadText(place_ / "out/tuned_job.yaml"));
  ASSERT_EQ(RunProgram("ps_train", {"--config", "tuned.yaml", "--set", "output.dir=again"}, place_.path()).exit_code, 0);
  EXPECT_TRUE(ReadText(place_ / "again/weights.bin") == weights);
  EXPECT_EQ(NumberAt(MetricsOf(place_ / "again"), "test.logloss"), NumberAt(metrics, "test.logloss"));
  // Without them.
  std::vector<std::string> kept = several;
  kept.insert(kept.end(), {"--set", "model.tune_all_rows=false"});
  const Finished held = Train(kept);
  ASSERT_EQ(held.exit_code, 0);
  EXPECT_THAT(held.err, testing::Not(HasSubstr("fold ")));
  EXPECT_LT(NumberAt(MetricsOf(place_ / "out"), "rows_learnt") / NumberAt(MetricsOf(place_ / "out"), "passes"), 12600);
  // Validation rows in a file of their own are one fold.
  Generate(place_.path(), "valid.svm", "libsvm", 3000, 90000);
  std::vector<std::string> files = several;
  files.insert(files.end(), {"--set", "data.split={by: ratio, test: 0.1}", "--set", "data.valid.files=valid.svm"});
  const Finished filed = Train(files);
  ASSERT_EQ(filed.exit_code, 0) << filed.err;
  EXPECT_THAT(filed.err, testing::Not(HasSubstr("fold ")));
  EXPECT_THAT(ReadText(place_ / "out/tuned_job.yaml"), HasSubstr("files: [train.svm, valid.svm]"));
  const JsonValue both = MetricsOf(place_ / "out");
  EXPECT_NEAR(NumberAt(both, "rows_learnt") / NumberAt(both, "passes"), 16500, 350);
}

// Columns of a table, most of which say nothing: the optimum with a penalty for each column is what validation rows
// prefer to every lane.
TEST_F(TuningTest, AnOptimumOverAllRowsIsTriedBesideTheLanes) {
  std::string rows = "y,a,b,c,d,e\n";
  std::mt19937 random(3);
  for (int r = 0; r < 6000; ++r) {
    const unsigned a = random() % 30;
    rows += std::to_string((a * 2654435761u >> 20) % 10 < (random() % 4 == 0 ? 5 : 2) ? 1 : 0) + ",a" + std::to_string(a);
    for (int column = 0; column < 4; ++column) rows += ",v" + std::to_string(random() % 300);
    rows += "\n";
  }
  WriteText(place_ / "table.csv", rows);
  WriteText(place_ / "job.yaml",
            "data: {format: csv, header: true, train: {files: [table.csv]}, label: {column: y}, split: {by: ratio, valid: 0.1, test: 0.2}}\n"
            "model: {type: lr, tune: auto}\n"
            "train: {passes: 10, early_stopping: {patience: 2}}\n");
  const Finished run = Train({});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.err, AllOf(HasSubstr("l2 by the evidence, of 5 groups of features"), HasSubstr("now on all rows")));
  EXPECT_THAT(run.out, HasSubstr("model: {type: lr, optimizer: {type: newton_cg, l2: "));
  const std::optional<JsonValue> trace = JsonReader::Read(ReadText(place_ / "out/tuning.json"));
  ASSERT_TRUE(trace);
  const JsonValue& chosen = trace->members.at("lanes").items.at(static_cast<std::size_t>(trace->members.at("chosen").number));
  EXPECT_EQ(chosen.members.at("type").text, "newton_cg");
  EXPECT_EQ(chosen.members.at("end").text, "chosen");
  const double tuned = NumberAt(MetricsOf(place_ / "out"), "test.logloss");
  // The job that is left trains the same model, and so does the same file without tuning what was not its business.
  const std::string weights = ReadText(place_ / "out/weights.bin");
  WriteText(place_ / "tuned.yaml", ReadText(place_ / "out/tuned_job.yaml"));
  ASSERT_EQ(RunProgram("ps_train", {"--config", "tuned.yaml", "--set", "output.dir=again", "--set", "train.threads=1"}, place_.path()).exit_code, 0);
  EXPECT_TRUE(ReadText(place_ / "again/weights.bin") == weights);
  // One penalty for all, or none to speak of, is worse.
  for (const char* l2 : {"1", "0.01"}) {
    const std::string optimizer = std::string("model.optimizer={type: newton_cg, l2: ") + l2 + "}";
    const Finished plain = RunProgram("ps_train", {"--config", "tuned.yaml", "--set", optimizer, "--set", "output.dir=plain"}, place_.path());
    ASSERT_EQ(plain.exit_code, 0) << plain.err;
    EXPECT_THAT(plain.err, HasSubstr("newton_cg: converged"));
    EXPECT_GT(NumberAt(MetricsOf(place_ / "plain"), "test.logloss"), 1.01 * tuned);
  }
}

// What it cannot do, and what means nothing to it, is said.
TEST_F(TuningTest, TheOptimumOverAllRowsIsForOneProcess) {
  const std::vector<std::string> newton = {"--set", "model.tune=none", "--set", "model.optimizer={type: newton_cg}"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), newton.begin(), newton.end());
    return Train(more);
  };
  for (const std::vector<std::string>& refused : std::vector<std::vector<std::string>>{
           {"--local", "1x1"}, {"--set", "cluster={servers: 1, workers: 1}"}, {"--set", "train.staleness=0"}, {"--set", "model.warm_start=out"}}) {
    const Finished run = with(refused);
    EXPECT_EQ(run.exit_code, 2) << run.err;
    EXPECT_THAT(run.err, HasSubstr("newton_cg"));
  }
  const Finished idle = with({"--set", "train.passes=3", "--dry_run"});
  EXPECT_EQ(idle.exit_code, 0) << idle.err;
  EXPECT_THAT(idle.err, HasSubstr("train.passes has no effect here: newton_cg learns all rows at once"));
  EXPECT_THAT(RunProgram("ps_train", {"--config", "job.yaml", "--set", "model.tune=none", "--set", "model.optimizer={type: newton_cg, l2_evidence: true, l2: 0}"}, place_.path()).err,
              HasSubstr("model.optimizer.l2: a factor of what model.optimizer.l2_evidence finds: above 0"));
}

TEST_F(TuningTest, CompressedRowsEndInAboutTheSameModel) {
  ASSERT_EQ(Train({}).exit_code, 0);
  const double plain = NumberAt(MetricsOf(place_ / "out"), "test.logloss");
  ASSERT_EQ(RunProgram("gzip", {"train.svm"}, place_.path()).exit_code, 0);
  const std::string file = "data.train.files=[train.svm.gz]";
  ASSERT_EQ(Train({"--set", file, "--set", "train.threads=1"}).exit_code, 0);
  EXPECT_NEAR(NumberAt(MetricsOf(place_ / "out"), "test.logloss"), plain, 0.002 * plain);
  const std::string trace = ReadText(place_ / "out/tuning.json");
  ASSERT_EQ(Train({"--set", file, "--set", "train.threads=3"}).exit_code, 0);
  EXPECT_EQ(ReadText(place_ / "out/tuning.json"), trace);
}

TEST_F(TuningTest, AWarmStartIsNotMadeWorse) {
  Generate(place_.path(), "test.svm", "libsvm", 20000, 500000);
  Generate(place_.path(), "more.svm", "libsvm", 30000, 30000);
  const std::string test = "data.test.files=[test.svm]";
  ASSERT_EQ(Train({"--set", "data.split={}", "--set", test, "--set", "output.dir=start"}).exit_code, 0);
  const double start = NumberAt(MetricsOf(place_ / "start"), "test.logloss");
  // Rows that it has learnt, of which much that is predicted says nothing, and rows that it has not.
  for (const char* rows : {"train.svm", "more.svm"}) {
    const std::string train = std::string("data.train.files=[") + rows + "]";
    for (const bool cluster : {false, true}) {
      std::vector<std::string> how = {"--set", "data.split={}", "--set", test, "--set", train, "--set", "model.warm_start=start"};
      if (cluster) how.insert(how.end(), {"--local", "1x1", "--set", "train.staleness=0"});
      ASSERT_EQ(Train(how).exit_code, 0);
      const double warm = NumberAt(MetricsOf(place_ / "out"), "test.logloss");
      EXPECT_LT(warm, rows == std::string("more.svm") ? start : 1.003 * start) << rows << (cluster ? ", cluster" : "");
    }
  }
}

TEST_F(TuningTest, WhenEverySettingDivergesTheJobSaysWhatToLookAt) {
  // FTRL keeps its steps short whatever the data: it takes weights to start from that are beyond
  // all bounds.
  WriteText(place_ / "row.svm", "1 7:1\n");
  ASSERT_EQ(Train({"--set", "data.train.files=[row.svm]", "--set", "data.split={}", "--set",
                   "model.tune=none", "--set", "model.optimizer={type: sgd, alpha: 1e14}", "--set",
                   "output.dir=start"})
                .exit_code,
            0);
  WriteText(place_ / "train.svm", "0 7:1\n" + ReadText(place_ / "train.svm"));
  const Finished run = Train({"--set", "model.warm_start=start"});
  EXPECT_EQ(run.exit_code, 4) << run.err;
  EXPECT_THAT(run.err,
              AllOf(HasSubstr("every setting tried"), HasSubstr("extreme feature values")));
  EXPECT_FALSE(std::filesystem::exists(place_ / "out"));
}

TEST_F(TuningTest, AStoppedJobLeavesAModelOfOneSetting) {
  Generate(place_.path(), "train.svm", "libsvm", 1000000);
  Program run("ps_train", {"--config", "job.yaml"}, place_.path());
  ASSERT_TRUE(run.WaitForError("tune, "));
  run.Signal(SIGTERM);
  const Finished finished = run.Wait();
  EXPECT_EQ(finished.exit_code, 143) << finished.err;
  EXPECT_THAT(ReadText(place_ / "out/tuning.json"), HasSubstr("\"end\":\"chosen\""));
}

}  // namespace
}  // namespace ps
