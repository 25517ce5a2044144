// libsvm text whose absent indices are the number 0: trees must be able to cut between 0 and the
// values that there are, however few those are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "tests/end_to_end/program.h"

namespace ps {
namespace {

// `groups` x `levels` indices of which a row has one a group, with the value 1 or, of odd groups,
// one of three values below zero.
std::string OneHot(int rows, int groups, int levels, unsigned seed) {
  std::mt19937 random(seed);
  std::string text;
  for (int r = 0; r < rows; ++r) {
    double signal = 0;
    std::string features;
    for (int group = 0; group < groups; ++group) {
      const int level = static_cast<int>(random() % static_cast<unsigned>(levels)), size = static_cast<int>(random() % 3);
      const bool negative = group % 2 == 1;
      signal += (level % 3 - 1) * (negative ? 0.5 * size : 1.0) * (group < 4 ? 1 : 0.1);
      absl::StrAppend(&features, " ", 1 + levels * group + level, ":",
                      negative ? absl::StrCat(-1 - size) : "1");
    }
    const bool positive = random() % 1000 / 1000.0 < 1 / (1 + std::exp(-1.5 * signal));
    absl::StrAppend(&text, positive, features, "\n");
  }
  return text;
}

class AbsentZeroTest : public testing::Test {
 protected:
  // A model of the test's rows in `dir`.
  void Train(const std::string& absent, const std::string& dir,
             const std::vector<std::string>& more = {}) {
    WriteText(place_ / "job.yaml",
              "data: {train: {files: [train.svm]}, test: {files: [test.svm]}}\n"
              "model: {type: gbdt, gbdt: {trees: 40, max_leaves: 12}}\n");
    std::vector<std::string> arguments{"--config", "job.yaml", "--set", "output.dir=" + dir,
                                       "--set", "model.gbdt.absent=" + absent};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Finished run = RunProgram("ps_train", arguments, place_.path());
    ASSERT_EQ(run.exit_code, 0) << run.err;
  }
  double TestLoss(const std::string& dir) {
    return NumberAt(MetricsOf(place_ / dir), "test.logloss");
  }
  // Of the test rows; fails the test where a model is not what training said of it.
  std::string Predictions(const std::string& model) {
    const Finished eval = RunProgram(
        "ps_eval", {"--model", model, "--data", "test.svm", "--json", "--predictions", "p.csv"},
        place_.path());
    EXPECT_EQ(eval.exit_code, 0) << eval.err;
    return ReadText(place_ / "p.csv");
  }

  const Workplace place_;
};

TEST_F(AbsentZeroTest, ColumnsOfOneValueAreSplitBy) {
  // One of eight columns makes rows of cells, one of three a matrix.
  for (const int levels : {8, 3}) {
    WriteText(place_ / "train.svm", OneHot(6000, 5, levels, 1));
    WriteText(place_ / "test.svm", OneHot(3000, 5, levels, 2));
    Train("missing", "missing");
    Train("zero", "zero");
    EXPECT_NE(RunProgram("ps_model", {"inspect", "zero"}, place_.path()).out.find("absent            zero\n"),
              std::string::npos);
    const double constant = ConstantLogLoss(MetricsOf(place_ / "zero"), "test");
    EXPECT_LT(TestLoss("zero"), 0.95 * constant) << levels;
    EXPECT_NEAR(TestLoss("zero"), TestLoss("missing"), 0.01 * TestLoss("missing")) << levels;
    Train("zero", "cluster", {"--local", "2x3"});
    EXPECT_TRUE(ReadText(place_ / "cluster/trees.pb") == ReadText(place_ / "zero/trees.pb"));
    // What rows are predicted as is what they were learnt as.
    const Finished eval = RunProgram("ps_eval", {"--model", "zero", "--data", "train.svm", "--json"},
                                     place_.path());
    EXPECT_NEAR(NumberAt(*JsonReader::Read(eval.out), "model.logloss"),
                NumberAt(MetricsOf(place_ / "zero"), "train.logloss"), 1e-6);
  }
}

TEST_F(AbsentZeroTest, ThereAndBackToOtherTools) {
  WriteText(place_ / "train.svm", OneHot(6000, 5, 8, 3));
  WriteText(place_ / "test.svm", OneHot(2000, 5, 8, 4));
  Train("zero", "zero");
  const std::string predictions = Predictions("zero");
  for (const std::string format : {"xgboost", "lightgbm"}) {
    ASSERT_EQ(RunProgram("ps_model", {"export", "--format", format, "--model", "zero", "--out", "f"},
                         place_.path()).exit_code, 0);
    const Finished import = RunProgram(
        "ps_model", {"import", "--format", format, "--model", "f", "--out", format, "--like", "zero"},
        place_.path());
    ASSERT_EQ(import.exit_code, 0) << import.err;
    std::istringstream had(predictions), has(Predictions(format));
    std::string before, after;
    std::getline(had, before);
    std::getline(has, after);
    int rows = 0;
    while (std::getline(had, before) && std::getline(has, after)) {
      const double a = std::stod(before.substr(before.rfind(',') + 1)),
                   b = std::stod(after.substr(after.rfind(',') + 1));
      ASSERT_NEAR(a, b, 1e-6) << format << " row " << rows;
      ++rows;
    }
    EXPECT_EQ(rows, 2000);
  }
  // Contributions add up.
  const Finished explained = RunProgram(
      "ps_model", {"explain", "--model", "zero", "--data", "test.svm", "--format", "csv"},
      place_.path());
  ASSERT_EQ(explained.exit_code, 0) << explained.err;
  std::istringstream lines(explained.out);
  std::string line;
  std::getline(lines, line);
  for (int rows = 0; rows < 2000 && std::getline(lines, line); ++rows) {
    std::vector<double> cells;
    std::istringstream fields(line);
    for (std::string cell; std::getline(fields, cell, ',');) cells.push_back(std::stod(cell));
    double sum = 0;
    for (std::size_t i = 3; i < cells.size(); ++i) sum += cells[i];
    ASSERT_NEAR(sum, cells[2], 1e-4) << line;
  }
}

}  // namespace
}  // namespace ps
