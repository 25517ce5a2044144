// A linear model that training goes on with on later rows: the features are the model's, whatever
// those rows look like.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "absl/strings/str_cat.h"
#include "tests/end_to_end/program.h"

namespace ps {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Columns a (a number of 200, in later rows often a name: then no sample takes it for a number) and
// b (of seven names).
std::string Table(unsigned seed, int rows, bool later, bool moved) {
  std::mt19937 random(seed);
  std::string text = moved ? "b,new,label,a\n" : "label,a,b\n";
  for (int r = 0; r < rows; ++r) {
    const unsigned a = random() % 200, b = random() % 7;
    const double signal = (a > 120 ? 1.5 : -1.5) + (b % 2 == 0 ? 0.8 : -0.8);
    const int label = random() % 1000 / 1000.0 < 1 / (1 + std::exp(-signal)) ? 1 : 0;
    const std::string a_text = later && random() % 5 == 0 ? "none" : absl::StrCat(a);
    if (moved) {
      absl::StrAppend(&text, "n", b, ",", r % 3, ",", label, ",", a_text, "\n");
    } else {
      absl::StrAppend(&text, label, ",", a_text, ",n", b, "\n");
    }
  }
  return text;
}

class WarmFeaturesTest : public testing::Test {
 protected:
  void SetUp() override {
    WriteText(place_ / "first.csv", Table(1, 8000, false, false));
    WriteText(place_ / "later.csv", Table(2, 8000, true, true));
    WriteText(place_ / "test.csv", Table(3, 4000, true, true));
    WriteText(
        place_ / "job.yaml",
        "data: {train: {files: [first.csv]}, format: csv, header: true, label: {column: label}}\n");
    const Finished first = Train({"output.dir=first"});
    ASSERT_EQ(first.exit_code, 0) << first.err;
  }

  Finished Train(std::vector<std::string> settings, std::vector<std::string> flags = {}) const {
    std::vector<std::string> arguments{"--config", "job.yaml"};
    for (const std::string& setting : settings)
      arguments.insert(arguments.end(), {"--set", setting});
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    return RunProgram("ps_train", arguments, place_.path(), 200);
  }
  Finished GoOn(std::vector<std::string> settings,
                const std::vector<std::string>& flags = {}) const {
    settings.insert(settings.end(), {"data.train.files=[later.csv]", "data.test.files=[test.csv]",
                                     "model.warm_start=first"});
    return Train(settings, flags);
  }
  double TestLoss(const std::string& model) const {
    return NumberAt(MetricsOf(place_ / model), "test.logloss");
  }

  const Workplace place_;
};

TEST_F(WarmFeaturesTest, AreThoseOfTheModelThoughLaterRowsLookDifferent) {
  const Finished other = GoOn({"features=[{op: rest}]"});
  EXPECT_EQ(other.exit_code, 3);
  EXPECT_THAT(other.err, AllOf(HasSubstr("another feature plan"),
                               HasSubstr("without `features` a job takes those of the model")));
  const Finished planned = GoOn({}, {"--dry_run"});
  EXPECT_THAT(planned.out,
              AllOf(HasSubstr("features: those of model.warm_start first\n"), HasSubstr("new")));

  // Rows that are hardly learnt: the model is the first one, whose columns stand elsewhere.
  const Finished still = GoOn({"output.dir=still", "model.optimizer={type: sgd, alpha: 1e-9}"});
  ASSERT_EQ(still.exit_code, 0) << still.err;
  EXPECT_THAT(still.err, HasSubstr("features: those of model.warm_start first\n"));
  const std::string warning = " of 8000 rows have a text that is no number, as 'none': model.warm_start takes the column for a number";
  const std::size_t at = still.err.find(warning);
  ASSERT_NE(at, std::string::npos) << still.err;
  EXPECT_EQ(still.err.find(warning, at + 1), std::string::npos) << "once";
  EXPECT_THAT(still.err, HasSubstr("warning: column a: 1"));
  const Finished learnt = GoOn({"output.dir=learnt"});
  ASSERT_EQ(learnt.exit_code, 0) << learnt.err;
  EXPECT_LT(TestLoss("learnt"), TestLoss("still"));
  EXPECT_LT(TestLoss("still"), ConstantLogLoss(MetricsOf(place_ / "still"), "test") - 0.05);
  const Finished eval =
      RunProgram("ps_eval", {"--model", "learnt", "--data", "test.csv", "--json"}, place_.path());
  ASSERT_EQ(eval.exit_code, 0) << eval.err;
  EXPECT_NEAR(NumberAt(*JsonReader::Read(eval.out), "model.logloss"), TestLoss("learnt"), 1e-6);

  // And back, where the columns are as they were: the same model, learnt from its own.
  const Finished back = Train({"model.warm_start=learnt", "data.test.files=[first.csv]",
                               "output.dir=back", "model.optimizer={type: sgd, alpha: 1e-9}"});
  ASSERT_EQ(back.exit_code, 0) << back.err;
  EXPECT_LT(TestLoss("back"), ConstantLogLoss(MetricsOf(place_ / "back"), "test") - 0.05);
}

TEST_F(WarmFeaturesTest, AreTakenOnAClusterAndByATunedJob) {
  const Finished cluster =
      GoOn({"output.dir=cluster", "model.optimizer={type: sgd, alpha: 1e-9}"}, {"--local", "1x1"});
  ASSERT_EQ(cluster.exit_code, 0) << cluster.err;
  ASSERT_EQ(GoOn({"output.dir=still", "model.optimizer={type: sgd, alpha: 1e-9}"}).exit_code, 0);
  EXPECT_NEAR(TestLoss("cluster"), TestLoss("still"), 1e-5);
  const Finished tuned =
      GoOn({"output.dir=tuned", "model.tune=auto", "train={passes: 2, early_stopping: {}}",
            "data.split={by: ratio, valid: 0.3}"});
  ASSERT_EQ(tuned.exit_code, 0) << tuned.err;
  EXPECT_THAT(tuned.err, HasSubstr("now on all rows"));
  EXPECT_LT(TestLoss("tuned"), TestLoss("still"));
  WriteText(place_ / "tuned.yaml", ReadText(place_ / "tuned/tuned_job.yaml"));
  ASSERT_EQ(
      RunProgram("ps_train", {"--config", "tuned.yaml", "--set", "output.dir=again"}, place_.path())
          .exit_code,
      0);
  EXPECT_TRUE(ReadText(place_ / "again/weights.bin") == ReadText(place_ / "tuned/weights.bin"));
}

TEST_F(WarmFeaturesTest, WhatCannotBeMadeOfTheRowsIsSaid) {
  WriteText(place_ / "without.csv", "label,b\n1,n1\n0,n2\n");
  const Finished without = Train({"data.train.files=[without.csv]", "model.warm_start=first"});
  EXPECT_EQ(without.exit_code, 3);
  EXPECT_THAT(without.err, AllOf(HasSubstr("features of model.warm_start 'first'"),
                                 HasSubstr("no column \"a\"; the columns are label, b")));
  const Finished missing = GoOn({"data.missing=[none]"});
  EXPECT_EQ(missing.exit_code, 3);
  EXPECT_THAT(missing.err, HasSubstr("data.missing: another than that of the features"));
  const Finished label = GoOn({"data.label.column=b", "data.label.positive=n1"});
  EXPECT_EQ(label.exit_code, 3);
  EXPECT_THAT(label.err, HasSubstr("data.label.column: \"b\" is a feature"));
  const Finished format = GoOn({"data.format=libsvm", "data.header=false", "data.label={}"});
  EXPECT_EQ(format.exit_code, 3) << format.err;
  EXPECT_THAT(format.err, HasSubstr("the features are of csv text, these data are libsvm"));
  const Finished absent = Train({"model.warm_start=nowhere"});
  EXPECT_EQ(absent.exit_code, 3);
  EXPECT_THAT(absent.err, HasSubstr("nowhere"));
}

}  // namespace
}  // namespace ps
