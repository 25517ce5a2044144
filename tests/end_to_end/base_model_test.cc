// Trees that begin with the margins of a linear model, by the programs themselves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/end_to_end/program.h"

namespace ps {
namespace {

using testing::HasSubstr;

// 600 shops of a rate each, which is for a linear model, and two numbers that act together, which
// is for trees.
struct Rows {
  std::string table = "shop,x,y,label\n";
  std::string indices;
};

Rows Generated(int rows, unsigned seed) {
  std::mt19937 random(seed);
  Rows made;
  for (int r = 0; r < rows; ++r) {
    const unsigned shop = random() % 600;
    const int x = static_cast<int>(random() % 100), y = static_cast<int>(random() % 100);
    const double rate = shop * 2654435761u % 1000 / 250.0 - 2;
    const double signal = rate + (x > 50 && y > 50 ? 3 : x > 30 && y > 30 ? -2 : 0);
    const bool positive = random() % 1000 / 1000.0 < 1 / (1 + std::exp(-signal));
    absl::StrAppend(&made.table, "s", shop, ",", x, ",", y, ",", positive, "\n");
    absl::StrAppend(&made.indices, positive, " 1:", (x + 1) / 100.0, " 2:", (y + 1) / 100.0, " ", 10 + shop, ":1\n");
  }
  return made;
}

class BaseModelTest : public testing::Test {
 protected:
  void SetUp() override {
    const Rows early = Generated(24000, 3), train = Generated(12000, 1), test = Generated(4000, 2);
    for (const auto& [name, rows] : {std::pair("early", early), {"train", train}, {"test", test}}) {
      WriteText(place_ / absl::StrCat(name, ".csv"), rows.table);
      WriteText(place_ / absl::StrCat(name, ".svm"), rows.indices);
    }
  }

  static std::string Job(bool table, const std::string& rest) {
    const char* const end = table ? ".csv" : ".svm";
    return absl::StrCat("data:\n  train: {files: [train", end, "]}\n  test: {files: [test", end,
                        "]}\n", table ? "  format: csv\n  header: true\n" : "", rest);
  }

  Finished Train(const std::string& job, const std::vector<std::string>& more = {}) {
    WriteText(place_ / "job.yaml", job);
    std::vector<std::string> arguments{"--config", "job.yaml"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunProgram("ps_train", arguments, place_.path());
  }
  void MustTrain(const std::string& job, const std::vector<std::string>& more = {}) {
    const Finished run = Train(job, more);
    ASSERT_EQ(run.exit_code, 0) << run.err;
  }
  double TestLoss(const std::string& model) {
    return NumberAt(MetricsOf(place_ / model), "test.logloss");
  }
  double Evaluated(const std::string& model, const std::string& data) {
    const Finished eval =
        RunProgram("ps_eval", {"--model", model, "--data", data, "--json"}, place_.path());
    EXPECT_EQ(eval.exit_code, 0) << eval.err;
    return NumberAt(*JsonReader::Read(eval.out), "model.logloss");
  }

  const Workplace place_;
};

constexpr char kLinear[] = "output: {dir: linear}\n";
constexpr char kTrees[] = "model: {type: gbdt, gbdt: {trees: 30, max_leaves: 8}}\n";

TEST_F(BaseModelTest, TreesLearnWhatItLeaves) {
  for (const bool table : {true, false}) {
    MustTrain(Job(table, kLinear),
              {"--set", absl::StrCat("data.train.files=[early", table ? ".csv]" : ".svm]")});
    MustTrain(Job(table, kTrees), {"--set", "output.dir=trees"});
    const std::vector<std::string> based = {"--set", "model.gbdt.base_model=linear"};
    std::string first;
    for (const char* threads : {"1", "3"}) {
      std::vector<std::string> arguments = based;
      arguments.insert(arguments.end(), {"--set", absl::StrCat("train.threads=", threads), "--set",
                                         "output.dir=both"});
      MustTrain(Job(table, kTrees), arguments);
      if (first.empty()) first = ReadText(place_ / "both/trees.pb");
      EXPECT_TRUE(ReadText(place_ / "both/trees.pb") == first);
    }
    EXPECT_LT(TestLoss("both"), 0.97 * TestLoss("linear")) << table;
    // Of a table's column trees take the 255 commonest shops; an index of its own each is too much.
    if (!table) {
      EXPECT_LT(TestLoss("both"), 0.97 * TestLoss("trees"));
    }
    // The model stands alone.
    std::filesystem::rename(place_ / "linear", place_ / "elsewhere");
    EXPECT_NEAR(Evaluated("both", table ? "test.csv" : "test.svm"), TestLoss("both"), 1e-6);
    EXPECT_THAT(RunProgram("ps_model", {"inspect", "both"}, place_.path()).out,
                HasSubstr("base model        linear, "));
    std::filesystem::rename(place_ / "elsewhere", place_ / "linear");
  }
}

TEST_F(BaseModelTest, HeldOutRowsSampledNegativesAndEarlyStopping) {
  MustTrain(Job(true, kLinear), {"--set", "data.keep_negatives=0.5"});
  MustTrain(Job(true, kTrees),
            {"--set", "model.gbdt.base_model=linear", "--set", "output.dir=both", "--set",
             "data.keep_negatives=0.3", "--set", "data.split.valid=0.2", "--set",
             "train.early_stopping={patience: 5}", "--set", "model.gbdt.trees=300"});
  EXPECT_NEAR(Evaluated("both", "test.csv"), TestLoss("both"), 1e-6);
  EXPECT_LT(TestLoss("both"), 0.97 * TestLoss("linear"));
  const JsonValue metrics = MetricsOf(place_ / "both");
  EXPECT_LT(NumberAt(metrics, "trees_grown"), 300);
  EXPECT_NEAR(NumberAt(metrics, "test.calibration"), 1, 0.1);
}

// Rows that the linear model cannot read and the trees can are malformed in training, and later.
TEST_F(BaseModelTest, RowsMustBeReadableByBoth) {
  MustTrain(Job(true, absl::StrCat("features: [{column: shop, op: hash}, {column: y, op: bucket}]\n",
                                   kLinear)));
  std::string rows = ReadText(place_ / "train.csv");
  std::size_t at = rows.find('\n') + 1;
  for (int i = 0; i < 3; ++i) {
    rows.insert(at, "s1,5,many,1\n");
    at = rows.find('\n', at + 2000) + 1;
  }
  WriteText(place_ / "train.csv", rows);
  const std::string job =
      Job(true, absl::StrCat("features: [{column: x, op: numeric}]\n", kTrees));
  MustTrain(job, {"--set", "model.gbdt.base_model=linear", "--set", "output.dir=both"});
  const JsonValue metrics = MetricsOf(place_ / "both");
  EXPECT_EQ(NumberAt(metrics, "rows_learnt"), 12000);
  EXPECT_EQ(NumberAt(metrics, "bad_rows"), 3);
  EXPECT_NEAR(Evaluated("both", "train.csv"), NumberAt(metrics, "train.logloss"), 1e-6);
  const Finished strict = Train(job, {"--set", "model.gbdt.base_model=linear", "--set",
                                      "data.max_bad_rows=0.0001"});
  EXPECT_EQ(strict.exit_code, 3);
  EXPECT_THAT(strict.err, HasSubstr("expected a number in column \"y\", found 'many'"));
}

// Workers read the linear model themselves.
TEST_F(BaseModelTest, OnAClusterTheSameBytes) {
  for (const bool table : {true, false}) {
    MustTrain(Job(table, kLinear));
    const std::vector<std::string> settings = {"--set", "model.gbdt.base_model=linear", "--set",
                                               "data.keep_negatives=0.8", "--set", "output.dir=both"};
    MustTrain(Job(table, kTrees), settings);
    const std::string trees = ReadText(place_ / "both/trees.pb"), weights = ReadText(place_ / "both/weights.bin");
    const double loss = NumberAt(MetricsOf(place_ / "both"), "test.logloss"),
                 auc = NumberAt(MetricsOf(place_ / "both"), "train.auc");
    for (const char* shape : {"1x1", "2x3"}) {
      std::vector<std::string> local = settings;
      local.insert(local.end(), {"--local", shape});
      MustTrain(Job(table, kTrees), local);
      EXPECT_TRUE(ReadText(place_ / "both/trees.pb") == trees) << shape;
      EXPECT_TRUE(ReadText(place_ / "both/weights.bin") == weights) << shape;
      EXPECT_EQ(NumberAt(MetricsOf(place_ / "both"), "test.logloss"), loss);
      EXPECT_EQ(NumberAt(MetricsOf(place_ / "both"), "train.auc"), auc);
    }
  }
}

// Base, columns and features of the linear model are the margin that ps_eval predicts.
TEST_F(BaseModelTest, RowsAreExplained) {
  for (const bool table : {true, false}) {
    const std::string test = table ? "test.csv" : "test.svm";
    MustTrain(Job(table, kLinear));
    MustTrain(Job(table, kTrees), {"--set", "model.gbdt.base_model=linear", "--set", "data.keep_negatives=0.8",
                                   "--set", "output.dir=both"});
    ASSERT_EQ(RunProgram("ps_eval", {"--model", "both", "--data", test, "--predictions", "p.csv"}, place_.path())
                  .exit_code, 0);
    std::vector<double> margins;
    const std::string predictions = ReadText(place_ / "p.csv");
    for (const absl::string_view line : absl::StrSplit(predictions, '\n', absl::SkipEmpty())) {
      const std::vector<std::string> cells = absl::StrSplit(line, ',');
      if (cells[0] != "row") margins.push_back(std::stod(cells[2]));
    }
    const Finished all = RunProgram("ps_model", {"explain", "--model", "both", "--data", test}, place_.path());
    ASSERT_EQ(all.exit_code, 0) << all.err;
    const std::vector<std::string> lines = absl::StrSplit(all.out, '\n', absl::SkipEmpty());
    ASSERT_EQ(lines.size(), margins.size());
    std::size_t linear = 0;
    for (std::size_t r = 0; r < lines.size(); ++r) {
      const JsonValue row = *JsonReader::Read(lines[r]);
      double sum = NumberAt(row, "base");
      for (const auto& [name, value] : row.members.at("contributions").members) {
        sum += value.number;
        linear += name.rfind("linear ", 0) == 0;
      }
      ASSERT_NEAR(NumberAt(row, "margin"), margins[r], 1e-6);
      ASSERT_NEAR(sum, margins[r], 3e-6) << lines[r];
    }
    EXPECT_GT(linear, lines.size());
    const Finished csv = RunProgram(
        "ps_model", {"explain", "--model", "both", "--data", test, "--format", "csv", "--threads", "3"}, place_.path());
    ASSERT_EQ(csv.exit_code, 0) << csv.err;
    const std::vector<std::string> rows = absl::StrSplit(csv.out, '\n', absl::SkipEmpty());
    ASSERT_EQ(rows.size(), margins.size() + 1);
    EXPECT_TRUE(absl::EndsWith(rows[0], ",linear model")) << rows[0];
    for (std::size_t r = 0; r < margins.size(); ++r) {
      const std::vector<std::string> cells = absl::StrSplit(rows[r + 1], ',');
      double sum = 0;
      for (std::size_t c = 3; c < cells.size(); ++c) sum += std::stod(cells[c]);
      ASSERT_NEAR(sum, margins[r], 3e-6) << rows[r + 1];
    }
  }
}

TEST_F(BaseModelTest, WhatDoesNotFitIsRefused) {
  MustTrain(Job(true, kLinear));
  MustTrain(Job(true, kTrees), {"--set", "output.dir=trees"});
  const auto refused = [&](bool table, const std::string& setting, int code,
                           const std::string& said, const std::string& base = "linear") {
    const Finished run =
        Train(Job(table, kTrees), {"--set", "model.gbdt.base_model=" + base, "--set", setting});
    EXPECT_EQ(run.exit_code, code) << setting << run.err;
    EXPECT_THAT(run.err, HasSubstr(said)) << setting;
  };
  refused(true, "job=a", 3, "nowhere", "nowhere");
  refused(true, "job=a", 3, "is a model of type gbdt, not lr", "trees");
  const Finished warm = Train(Job(true, kLinear), {"--set", "model.warm_start=trees", "--set", "output.dir=warm"});
  EXPECT_EQ(warm.exit_code, 3) << warm.err;
  EXPECT_THAT(warm.err, HasSubstr("'trees' is a model of type gbdt, not lr"));
  refused(false, "job=a", 3, "reads format csv, this job's data are libsvm");
  refused(true, "model.warm_start=trees", 2, "not with model.warm_start");
  refused(true, "tune={trainings: 3}", 2, "not with tune");
  refused(true, "model.gbdt.objective=squared", 2, "only with objective logistic");
  MustTrain(Job(true, kTrees), {"--set", "model.gbdt.base_model=linear", "--set", "output.dir=both"});
  const Finished more = Train(Job(true, kTrees), {"--set", "model.warm_start=both"});
  EXPECT_EQ(more.exit_code, 3);
  EXPECT_THAT(more.err, HasSubstr("begins with a linear model"));
  const Finished exported = RunProgram(
      "ps_model", {"export", "--format", "xgboost", "--model", "both", "--out", "f"}, place_.path());
  EXPECT_EQ(exported.exit_code, 3);
  EXPECT_THAT(exported.err, HasSubstr("begin with a linear model"));
}

}  // namespace
}  // namespace ps
