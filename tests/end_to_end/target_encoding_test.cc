// Categories of many values as their mean label, from a job file to a scored model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "tests/end_to_end/program.h"

namespace ps {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int kShops = 1500;

// shop,x,label: each shop has a rate of its own, or (`noise`) none has.
std::string Table(int rows, unsigned seed, bool noise = false, bool numbers = false) {
  std::mt19937 random(seed);
  std::string text = "shop,x,label\n";
  for (int r = 0; r < rows; ++r) {
    const unsigned shop = random() % kShops;
    const double x = random() % 1000 / 1000.0;
    const double margin = noise ? -1 : (shop * 7919u % 101) / 20.0 - 3.5 + x;
    const bool positive = random() % 100000 / 100000.0 < 1 / (1 + std::exp(-margin));
    text += "s" + std::to_string(shop) + "," + std::to_string(x) + ",";
    text += (numbers ? std::to_string(100 + margin + positive) : positive ? "1" : "0") + "\n";
  }
  return text;
}

constexpr char kJob[] =
    "data:\n"
    "  train: {files: [train.csv]}\n"
    "  test: {files: [test.csv]}\n"
    "  format: csv\n"
    "  header: true\n"
    "  split: {by: ratio, valid: 0.1}\n"
    "model: {type: gbdt, gbdt: {trees: 30}}\n";

class TargetEncodingTest : public testing::Test {
 protected:
  void SetUp() override {
    WriteText(place_ / "train.csv", Table(20000, 1));
    WriteText(place_ / "test.csv", Table(5000, 2));
    WriteText(place_ / "job.yaml", kJob);
  }

  Finished Train(const std::string& out, const std::vector<std::string>& settings = {},
                 const std::vector<std::string>& more = {}) {
    std::vector<std::string> all{"output.dir=" + out};
    all.insert(all.end(), settings.begin(), settings.end());
    return TrainJob(place_.path(), all, "job.yaml", more);
  }
  Finished Model(const std::vector<std::string>& arguments) {
    return RunProgram("ps_model", arguments, place_.path());
  }
  std::string Trees(const std::string& out) { return ReadText(place_ / (out + "/trees.pb")); }
  double Loss(const std::string& out) { return NumberAt(MetricsOf(place_ / out), "test.logloss"); }

  const Workplace place_;
};

TEST_F(TargetEncodingTest, LearnsWhatIsBeyondTheCommonestCategories) {
  const Finished run = Train("out");
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("columns as the mean label of their categories: shop (1500)"));
  ASSERT_EQ(Train("none", {"model.gbdt.target_encoding=none"}).exit_code, 0);
  EXPECT_LT(Loss("out"), Loss("none") - 0.02);

  // What is scored later gets the same numbers.
  const Finished eval = RunProgram(
      "ps_eval", {"--model", "out", "--data", "test.csv", "--json", "--predictions", "p.csv"},
      place_.path());
  ASSERT_EQ(eval.exit_code, 0) << eval.err;
  EXPECT_NEAR(NumberAt(*JsonReader::Read(eval.out), "model.logloss"), Loss("out"), 1e-6);
  const Finished explain =
      Model({"explain", "--model", "out", "--data", "test.csv", "--format", "csv"});
  ASSERT_EQ(explain.exit_code, 0) << explain.err;
  EXPECT_EQ(explain.out.substr(0, explain.out.find('\n')), "row,label,margin,base,shop,x");
  const auto second_line = [](const std::string& text) {
    const std::size_t begin = text.find('\n') + 1;
    return text.substr(begin, text.find('\n', begin) - begin);
  };
  const auto third_field = [](const std::string& line) {
    const std::size_t begin = line.find(',', line.find(',') + 1) + 1;
    return std::stod(line.substr(begin));
  };
  EXPECT_NEAR(third_field(second_line(explain.out)),
              third_field(second_line(ReadText(place_ / "p.csv"))), 1e-5);

  EXPECT_THAT(Model({"inspect", "out"}).out,
              HasSubstr("mean label        shop, 1,500 categories\n"));
  const Finished dump = Model({"dump", "out", "--top", "1"});
  EXPECT_THAT(dump.out, HasSubstr("\tshop\tmean label < 0."));
  EXPECT_THAT(dump.out, HasSubstr("\n0\t"));
  EXPECT_THAT(dump.out, Not(HasSubstr("\n1\t")));
  for (const char* format : {"lightgbm", "xgboost"}) {
    const Finished exported =
        Model({"export", "--format", format, "--model", "out", "--out", "exported"});
    EXPECT_EQ(exported.exit_code, 3);
    EXPECT_THAT(exported.err, HasSubstr("model.gbdt.target_encoding"));
  }
}

TEST_F(TargetEncodingTest, TheSameBytesWhoeverReads) {
  ASSERT_EQ(Train("one", {"train.threads=1"}).exit_code, 0);
  const std::string bytes = Trees("one");
  EXPECT_THAT(bytes, HasSubstr("shop"));
  ASSERT_EQ(Train("five", {"train.threads=5"}).exit_code, 0);
  EXPECT_TRUE(Trees("five") == bytes);
  const Finished cluster = Train("cluster", {}, {"--local", "2x3"});
  ASSERT_EQ(cluster.exit_code, 0) << cluster.err;
  EXPECT_TRUE(Trees("cluster") == bytes);
  EXPECT_EQ(Loss("cluster"), Loss("one"));
  for (const char* out : {"kept", "again"}) {
    const Finished run = Train(out, {"data.cache=cache"});
    ASSERT_EQ(run.exit_code, 0) << run.err;
    EXPECT_TRUE(Trees(out) == bytes);
    EXPECT_EQ(Loss(out), Loss("one"));
  }
  // Other folds: other statistics, of another model.
  const Finished other = Train("seed", {"data.cache=cache", "train.seed=2"});
  ASSERT_EQ(other.exit_code, 0) << other.err;
  EXPECT_THAT(other.err, Not(HasSubstr("binned rows from")));
  ASSERT_EQ(Train("seed_alone", {"train.seed=2"}).exit_code, 0);
  EXPECT_TRUE(Trees("seed") == Trees("seed_alone"));
}

TEST_F(TargetEncodingTest, SaysWhichColumnsStayCategories) {
  WriteText(place_ / "train.csv", Table(4000, 1));
  for (const std::vector<std::string>& more : {std::vector<std::string>(), {"--local", "1x2"}}) {
    const Finished run = Train("out", {}, more);
    ASSERT_EQ(run.exit_code, 0) << run.err;
    EXPECT_THAT(run.err,
                testing::ContainsRegex("shop stays categories: 2\\.[0-9] rows a category\n"));
    EXPECT_THAT(run.err, Not(HasSubstr("columns as the mean label")));
  }
}

// Labels that nothing explains, thirteen rows a shop: statistics with a row's own label would seem
// to.
TEST_F(TargetEncodingTest, RowsDoNotKnowTheirOwnLabels) {
  WriteText(place_ / "train.csv", Table(20000, 3, true));
  WriteText(place_ / "test.csv", Table(20000, 4, true));
  const Finished run = Train("out");
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("shop (1500)"));
  const JsonValue metrics = MetricsOf(place_ / "out");
  EXPECT_LT(NumberAt(metrics, "test.logloss"), 1.01 * ConstantLogLoss(metrics, "test"));
  EXPECT_GT(NumberAt(metrics, "train.logloss"), 0.94 * ConstantLogLoss(metrics, "train"));
}

TEST_F(TargetEncodingTest, NumbersAsLabels) {
  WriteText(place_ / "train.csv", Table(20000, 1, false, true));
  WriteText(place_ / "test.csv", Table(5000, 2, false, true));
  ASSERT_EQ(Train("out", {"model.gbdt.objective=squared"}).exit_code, 0);
  ASSERT_EQ(
      Train("none", {"model.gbdt.objective=squared", "model.gbdt.target_encoding=none"}).exit_code,
      0);
  EXPECT_LT(NumberAt(MetricsOf(place_ / "out"), "test.rmse"),
            0.8 * NumberAt(MetricsOf(place_ / "none"), "test.rmse"));
  const Finished eval =
      RunProgram("ps_eval", {"--model", "out", "--data", "test.csv"}, place_.path());
  EXPECT_EQ(eval.exit_code, 0) << eval.err;
}

TEST_F(TargetEncodingTest, ColumnsThatAreNamed) {
  const Finished run =
      Train("out", {"model.gbdt.target_encoding=none", "model.gbdt.target_columns=[x, shop]"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("mean label of their categories: shop (1500), x (1000)"));
  const std::vector<std::pair<std::vector<std::string>, std::string>> refusals = {
      {{"model.gbdt.target_columns=[shop]", "model.gbdt.objective=softmax"}, "not with softmax"},
      {{"model.gbdt.target_smooth=0"}, "above 0"},
      {{"model.gbdt.target_encoding=all"}, "target_encoding"},
  };
  // Known once the header has been read.
  const Finished unknown = Train("refused", {"model.gbdt.target_columns=[colour]"});
  EXPECT_EQ(unknown.exit_code, 3) << unknown.err;
  EXPECT_THAT(unknown.err, HasSubstr("there is no column colour among the features"));
  for (const auto& [settings, text] : refusals) {
    const Finished refused = Train("refused", settings);
    EXPECT_EQ(refused.exit_code, 2) << refused.err;
    EXPECT_THAT(refused.err, HasSubstr(text));
  }
}

TEST_F(TargetEncodingTest, TreesGoOnAndBecomeFeatures) {
  ASSERT_EQ(Train("out").exit_code, 0);
  WriteText(place_ / "train.csv", Table(20000, 5));
  const Finished more = Train("more", {"model.warm_start=out", "model.gbdt.trees=20"});
  ASSERT_EQ(more.exit_code, 0) << more.err;
  EXPECT_THAT(more.err, HasSubstr("rows that it has learnt know their own labels"));
  EXPECT_LT(Loss("more"), Loss("out") + 0.002);
  const Finished cluster =
      Train("cluster", {"model.warm_start=out", "model.gbdt.trees=20"}, {"--local", "1x2"});
  ASSERT_EQ(cluster.exit_code, 0) << cluster.err;
  EXPECT_TRUE(Trees("cluster") == Trees("more"));
  const Finished eval =
      RunProgram("ps_eval", {"--model", "more", "--data", "test.csv", "--json"}, place_.path());
  ASSERT_EQ(eval.exit_code, 0) << eval.err;
  EXPECT_NEAR(NumberAt(*JsonReader::Read(eval.out), "model.logloss"), Loss("more"), 1e-6);
  const Finished leaves =
      Train("leaves", {"features=[{op: tree_leaves, model: out}]", "model={type: lr}"});
  ASSERT_EQ(leaves.exit_code, 0) << leaves.err;
  EXPECT_LT(Loss("leaves"), Loss("out") + 0.05);
}

}  // namespace
}  // namespace ps
