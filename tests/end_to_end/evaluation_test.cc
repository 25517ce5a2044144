// What a model's figures mean: ps_eval against ps_train, weights, sampling, warm start, early
// stopping.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "absl/strings/str_split.h"
#include "tests/end_to_end/program.h"

namespace ps {
namespace {

class EvaluationTest : public testing::Test {
 protected:
  JsonValue Train(const std::vector<std::string>& settings,
                  const std::string& config = "job.yaml") {
    std::vector<std::string> arguments{"--config", config, "--log_format=json"};
    for (const std::string& setting : settings) {
      arguments.push_back("--set");
      arguments.push_back(setting);
    }
    last_ = RunProgram("ps_train", arguments, place_.path());
    EXPECT_EQ(last_.exit_code, 0) << last_.err;
    return MetricsOf(place_ / "out");
  }

  JsonValue Eval(const std::string& data) {
    const Finished run =
        RunProgram("ps_eval", {"--model", "out", "--data", data, "--json"}, place_.path());
    EXPECT_EQ(run.exit_code, 0) << run.err;
    return JsonReader::Read(run.out).value_or(JsonValue());
  }

  void MakeLibsvm() {
    Generate(place_.path(), "train.svm", "libsvm", 20000);
    Generate(place_.path(), "test.svm", "libsvm", 10000, 20000);
    WriteText(place_ / "job.yaml",
              "data:\n"
              "  train: {files: [train.svm]}\n"
              "  test: {files: [test.svm]}\n"
              "model:\n"
              "  optimizer: {type: ftrl, alpha: 0.05}\n");
  }

  // The average log loss over the first rows, of the first line of progress.
  double FirstLoss() const {
    const std::optional<JsonValue> line =
        JsonReader::Read(last_.err.substr(0, last_.err.find('\n')));
    EXPECT_TRUE(line.has_value()) << last_.err;
    return line ? NumberAt(*line, "logloss_since_last") : NAN;
  }

  const Workplace place_;
  Finished last_;
};

TEST_F(EvaluationTest, ScoringAFileGivesWhatTrainingSaid) {
  MakeLibsvm();
  const JsonValue trained = Train({});
  const JsonValue scored = Eval("test.svm");
  for (const char* figure : {"auc", "logloss", "calibration", "ks"}) {
    EXPECT_NEAR(NumberAt(scored, std::string("model.") + figure),
                NumberAt(trained, std::string("test.") + figure), 1e-6)
        << figure;
  }
  EXPECT_EQ(NumberAt(scored, "model.positives"), NumberAt(trained, "test.positives"));
}

TEST_F(EvaluationTest, ColumnsThatDataLackAreNamed) {
  std::string rows;
  for (int r = 0; r < 2000; ++r) rows += std::to_string(r % 2) + "," + std::to_string(r % 37) + ",n" + std::to_string(r % 5) + ",u\n";
  WriteText(place_ / "train.csv", "label,a,b,unused\n" + rows);
  WriteText(place_ / "renamed.csv", "label,a,c,unused\n" + rows);
  WriteText(place_ / "moved.csv", "label,b,a,unused\n" + rows);
  WriteText(place_ / "other.csv", "label,a,b,anything\n" + rows);
  for (const char* type : {"lr", "gbdt"}) {
    SCOPED_TRACE(type);
    WriteText(place_ / "job.yaml",
              std::string("data: {train: {files: [train.csv]}, format: csv, header: true}\n"
                          "features: [{column: a, op: numeric}, {column: b, op: hash}]\nmodel: {type: ") + type + "}\n");
    Train({});
    const auto refused = [&](const std::vector<std::string>& command, const std::string& what) {
      const Finished run = RunProgram(command[0], {command.begin() + 1, command.end()}, place_.path());
      EXPECT_EQ(run.exit_code, 3) << run.err;
      EXPECT_THAT(run.err, testing::HasSubstr(what));
      EXPECT_EQ(run.out, "");
    };
    const std::string lacking = "renamed.csv: the header has no column b, which the training data had; it has label, a, c, unused";
    refused({"ps_eval", "--model", "out", "--data", "train.csv,renamed.csv"}, lacking);
    refused({"ps_model", "explain", "--model", "out", "--data", "renamed.csv"}, lacking);
    refused({"ps_eval", "--model", "out", "--data", "moved.csv"},
            "moved.csv: the header has other columns than the training data, or in another order: those had label, a, b, "
            "unused; it has label, b, a, unused");
    const Finished other = RunProgram("ps_eval", {"--model", "out", "--data", "other.csv"}, place_.path());
    EXPECT_EQ(other.exit_code, 0) << other.err;
    EXPECT_EQ(other.err, "") << "a column that nothing reads";
    // Columns that only another model within the model reads.
    WriteText(place_ / "outer.yaml",
              std::string("data: {train: {files: [train.csv]}, format: csv, header: true}\noutput: {dir: outer}\n") +
                  (type == std::string("lr")
                       ? "features: [{column: a, op: numeric}]\nmodel: {type: gbdt, gbdt: {trees: 3, base_model: out}}\n"
                       : "features: [{op: tree_leaves, model: out}]\n"));
    const Finished outer = RunProgram("ps_train", {"--config", "outer.yaml"}, place_.path());
    ASSERT_EQ(outer.exit_code, 0) << outer.err;
    refused({"ps_eval", "--model", "outer", "--data", "renamed.csv"}, "the header has no column b");
    refused({"ps_eval", "--model", "outer", "--data", "moved.csv"}, "or in another order");
  }
}

TEST_F(EvaluationTest, WarmStartGoesOnWhereTheModelStopped) {
  MakeLibsvm();
  Train({});
  const double cold = FirstLoss();
  const JsonValue first = MetricsOf(place_ / "out");
  Generate(place_.path(), "more.svm", "libsvm", 20000, 40000);
  const JsonValue cold_more = Train({"data.train.files=[more.svm]", "output.dir=out"});
  const double cold_more_first = FirstLoss();
  Train({});
  Train({"data.train.files=[more.svm]", "model.warm_start=out"});
  EXPECT_LT(FirstLoss(), cold_more_first - .005) << "a cold start begins with " << cold;
  const JsonValue warm = MetricsOf(place_ / "out");
  EXPECT_LT(NumberAt(warm, "test.logloss"), NumberAt(first, "test.logloss"));
  EXPECT_LT(NumberAt(warm, "test.logloss"), NumberAt(cold_more, "test.logloss"));
}

TEST_F(EvaluationTest, EarlyStoppingKeepsTheBestPass) {
  MakeLibsvm();
  const std::string valid = "data.split={by: ratio, valid: 0.1}";
  const JsonValue stopped = Train({valid, "train.passes=20", "train.early_stopping={patience: 2}"});
  const int best = static_cast<int>(NumberAt(stopped, "best_pass"));
  ASSERT_GE(best, 1);
  EXPECT_EQ(NumberAt(stopped, "passes"), best + 2);
  const std::string weights = ReadText(place_ / "out/weights.bin");
  const double test_logloss = NumberAt(stopped, "test.logloss");
  // The model is that of a job with so many passes, and its neighbours are worse.
  const JsonValue straight = Train({valid, "train.passes=" + std::to_string(best)});
  EXPECT_TRUE(ReadText(place_ / "out/weights.bin") == weights);
  EXPECT_EQ(NumberAt(straight, "test.logloss"), test_logloss);
  const JsonValue longer = Train({valid, "train.passes=" + std::to_string(best + 1)});
  EXPECT_GT(NumberAt(longer, "valid.logloss"), NumberAt(straight, "valid.logloss"));
  EXPECT_NEAR(NumberAt(stopped, "valid.logloss"), NumberAt(straight, "valid.logloss"), 1e-12);
}

// Rows of a CSV with a weight column: `weight_of(i)` of row i, or the row so many times.
std::string Weighted(const std::string& csv, int (*weight_of)(int), bool repeat) {
  std::vector<std::string> lines = absl::StrSplit(csv, '\n', absl::SkipEmpty());
  std::string text = lines[0] + ",w\n";
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const int weight = weight_of(static_cast<int>(i));
    const int copies = repeat ? weight : 1;
    for (int c = 0; c < copies; ++c) {
      text += lines[i] + "," + std::to_string(repeat ? 1 : weight) + "\n";
    }
  }
  return text;
}

TEST_F(EvaluationTest, ImportanceWeightsCountAsRepeatedRows) {
  Generate(place_.path(), "rows.csv", "csv", 5000);
  const std::string rows = ReadText(place_ / "rows.csv");
  const auto some = [](int i) { return i % 3; };  // 0, 1 and 2
  WriteText(place_ / "plain.csv", Weighted(
                                      rows, [](int) { return 1; }, false));
  WriteText(place_ / "double.csv", Weighted(
                                       rows, [](int) { return 2; }, false));
  WriteText(place_ / "weighted.csv", Weighted(rows, some, false));
  WriteText(place_ / "repeated.csv", Weighted(rows, some, true));
  WriteText(place_ / "job.yaml",
            "data:\n"
            "  train: {files: [plain.csv]}\n"
            "  format: csv\n"
            "  header: true\n"
            "  weight: w\n"
            "features:\n"
            "  - {column: C6, op: hash}\n"
            "  - {column: C9, op: hash}\n"
            "  - {column: C20, op: hash}\n"
            "model:\n"
            "  optimizer: {type: sgd, alpha: 0.0625}\n");
  const JsonValue trained = Train({});
  const std::string weights = ReadText(place_ / "out/weights.bin");
  // Figures: a row of weight 2 counts as that row twice, one of weight 0 not at all.
  const JsonValue weighted = Eval("weighted.csv"), repeated = Eval("repeated.csv");
  for (const char* figure : {"auc", "logloss", "calibration", "rows", "positives"}) {
    const std::string path = std::string("model.") + figure;
    EXPECT_NEAR(NumberAt(weighted, path), NumberAt(repeated, path), 1e-9) << figure;
  }
  EXPECT_GT(std::fabs(NumberAt(weighted, "model.logloss") - NumberAt(trained, "train.logloss")),
            1e-6);
  // Learning: with SGD, twice the gradient at half the rate is the same step, to the bit.
  Train({"data.train.files=[double.csv]", "model.optimizer.alpha=0.03125"});
  EXPECT_TRUE(ReadText(place_ / "out/weights.bin") == weights);
  Train({"data.train.files=[double.csv]"});
  EXPECT_FALSE(ReadText(place_ / "out/weights.bin") == weights);
}

TEST_F(EvaluationTest, ImportanceInVowpalWabbitText) {
  Generate(place_.path(), "plain.vw", "vw", 5000);
  std::string doubled;
  for (const std::string& line :
       std::vector<std::string>(absl::StrSplit(ReadText(place_ / "plain.vw"), '\n'))) {
    const std::size_t bar = line.find('|');
    if (bar == std::string::npos) continue;
    const std::string label = line.substr(0, line.find(' '));
    doubled += label + " 2 " + line.substr(bar) + "\n";
  }
  WriteText(place_ / "double.vw", doubled);
  WriteText(place_ / "job.yaml",
            "data:\n  train: {files: [plain.vw], format: vw}\n"
            "model:\n  optimizer: {type: sgd, alpha: 0.0625}\n");
  const JsonValue plain = Train({});
  const std::string weights = ReadText(place_ / "out/weights.bin");
  const JsonValue twice = Train({"data.train.files=[double.vw]", "model.optimizer.alpha=0.03125"});
  EXPECT_TRUE(ReadText(place_ / "out/weights.bin") == weights);
  EXPECT_NEAR(NumberAt(twice, "train.logloss"), NumberAt(plain, "train.logloss"), 1e-9);
  EXPECT_EQ(NumberAt(twice, "rows_learnt"), 5000);
}

TEST_F(EvaluationTest, SampledNegativesGiveProbabilitiesOfTheWholeData) {
  Generate(place_.path(), "train.tsv", "criteo", 40000);
  Generate(place_.path(), "test.tsv", "criteo", 20000, 40000);
  WriteText(place_ / "job.yaml",
            "data:\n"
            "  train: {files: [train.tsv], format: tsv}\n"
            "  test: {files: [test.tsv]}\n"
            "  label: {column: 0}\n"
            "features:\n"
            "  - {column: 19, op: hash}\n"
            "  - {column: 22, op: hash}\n"
            "  - {column: 30, op: hash}\n"
            "model:\n"
            "  optimizer: {type: ftrl, alpha: 0.02}\n");
  const JsonValue sampled = Train({"data.keep_negatives=0.25"});
  const double negatives = 40000 - NumberAt(sampled, "train.positives");
  EXPECT_GT(NumberAt(sampled, "rows_dropped"), .7 * negatives);
  EXPECT_EQ(NumberAt(sampled, "rows_learnt") + NumberAt(sampled, "rows_dropped"), 40000);
  EXPECT_EQ(NumberAt(sampled, "test.rows"), 20000);
  EXPECT_NEAR(NumberAt(sampled, "test.calibration"), 1, .05);
  EXPECT_NEAR(NumberAt(Eval("test.tsv"), "model.calibration"),
              NumberAt(sampled, "test.calibration"), 1e-6);
}

}  // namespace
}  // namespace ps
