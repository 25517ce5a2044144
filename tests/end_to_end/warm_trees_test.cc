// Trees that go on from a model, and trees whose leaves are fitted again, by the programs
// themselves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "tests/end_to_end/program.h"

namespace ps {
namespace {

struct TableShape {
  int rows = 8000;
  unsigned seed = 1;
  unsigned colors = 6;  // of eight
  double shift = 0;     // of the signal
  bool numbers = false;
};

std::string Table(const TableShape& shape) {
  static constexpr const char* kColors[] = {"red",  "green", "blue",  "grey",
                                            "pink", "teal",  "ochre", "black"};
  std::mt19937 random(shape.seed);
  std::string text = "color,size,x,label\n";
  for (int r = 0; r < shape.rows; ++r) {
    const unsigned color = random() % shape.colors;
    const double size = random() % 1000 / 100.0, x = random() % 2001 / 1000.0 - 1;
    const double signal = (color % 2 == 0 ? 3 * x : -3 * x) + (size > 6 ? 1.5 : -0.5) + shape.shift;
    const bool positive = random() % 1000 / 1000.0 < 1 / (1 + std::exp(-2 * signal));
    const std::string size_text = random() % 10 == 0 ? "NA" : std::to_string(size);
    absl::StrAppend(&text, kColors[color], ",", size_text, ",", std::to_string(x), ",",
                    shape.numbers ? std::to_string(50 + 10 * signal)
                    : positive    ? "1"
                                  : "0",
                    "\n");
  }
  return text;
}

constexpr char kJob[] =
    "data:\n"
    "  train: {files: [train.csv]}\n"
    "  test: {files: [test.csv]}\n"
    "  format: csv\n"
    "  header: true\n"
    "  label: {column: label}\n"
    "model: {type: gbdt, gbdt: {trees: 20}}\n";

class WarmTreesTest : public testing::Test {
 protected:
  void SetUp() override {
    WriteText(place_ / "train.csv", Table({}));
    WriteText(place_ / "test.csv", Table({.rows = 3000, .seed = 2}));
    WriteText(place_ / "job.yaml", kJob);
  }

  Finished Train(const std::vector<std::string>& settings, const std::string& job = "job.yaml") {
    return TrainJob(place_.path(), settings, job);
  }
  void MustTrain(const std::vector<std::string>& settings, const std::string& job = "job.yaml") {
    const Finished run = Train(settings, job);
    ASSERT_EQ(run.exit_code, 0) << run.err;
  }
  // What ps_eval says of a model must be what the job itself said.
  double TestLoss(const std::string& model, const std::string& data = "test.csv") {
    const Finished eval =
        RunProgram("ps_eval", {"--model", model, "--data", data, "--json"}, place_.path());
    EXPECT_EQ(eval.exit_code, 0) << eval.err;
    const double loss = NumberAt(*JsonReader::Read(eval.out), "model.logloss");
    EXPECT_NEAR(loss, NumberAt(MetricsOf(place_ / model), "test.logloss"), 1e-6);
    return loss;
  }
  // Lines of the first `trees` trees of a model, without those of the sets of categories.
  std::string FirstTrees(const std::string& model, int trees) {
    const Finished dump = RunProgram("ps_model", {"dump", model}, place_.path());
    EXPECT_EQ(dump.exit_code, 0) << dump.err;
    std::istringstream lines(dump.out);
    std::string line, all;
    while (std::getline(lines, line)) {
      if (line[0] >= '0' && line[0] <= '9' && std::stoi(line) >= trees) break;
      all += line + "\n";
    }
    return all;
  }

  const Workplace place_;
};

TEST_F(WarmTreesTest, GoOnFromAModel) {
  MustTrain({"output.dir=first"});
  MustTrain({"output.dir=more", "model.warm_start=first"});
  EXPECT_EQ(NumberAt(MetricsOf(place_ / "more"), "trees"), 40);
  EXPECT_EQ(NumberAt(MetricsOf(place_ / "more"), "trees_grown"), 20);
  EXPECT_EQ(FirstTrees("more", 20), FirstTrees("first", 20));
  const double first = TestLoss("first"), more = TestLoss("more");
  EXPECT_LT(more, 0.97 * first);
  // The same as all of them at once.
  MustTrain({"output.dir=once", "model.gbdt.trees=40"});
  EXPECT_TRUE(ReadText(place_ / "more/trees.pb") == ReadText(place_ / "once/trees.pb"));
  for (const char* threads : {"1", "3"}) {
    MustTrain(
        {"output.dir=again", "model.warm_start=first", absl::StrCat("train.threads=", threads)});
    EXPECT_TRUE(ReadText(place_ / "again/trees.pb") == ReadText(place_ / "more/trees.pb"));
  }
}

TEST_F(WarmTreesTest, OtherDataWithOtherCategoriesAndHeldOutRows) {
  MustTrain({"output.dir=first"});
  const std::string new_rows = Table({.seed = 5, .colors = 8, .shift = 0.7});
  WriteText(place_ / "new.csv", new_rows);
  WriteText(place_ / "new_test.csv", Table({.rows = 3000, .seed = 6, .colors = 8, .shift = 0.7}));
  MustTrain({"output.dir=more", "model.warm_start=first", "data.train.files=[new.csv]",
             "data.test.files=[new_test.csv]", "data.split.valid=0.2", "data.keep_negatives=0.7",
             "model.gbdt.trees=200", "train.early_stopping={patience: 5}"});
  const double loss = TestLoss("more", "new_test.csv");
  const Finished before = RunProgram(
      "ps_eval", {"--model", "first", "--data", "new_test.csv", "--json"}, place_.path());
  EXPECT_LT(loss, 0.9 * NumberAt(*JsonReader::Read(before.out), "model.logloss"));
  // The trees that were there say of old and new rows what they said: unheard of colours go where
  // missing ones go. One tree more, which cannot learn, changes nothing.
  MustTrain({"output.dir=same", "model.warm_start=first", "data.train.files=[new.csv]",
             "data.test.files=[new_test.csv]", "model.gbdt.trees=1", "model.gbdt.l1=1e9"});
  for (const char* data : {"test.csv", "new_test.csv"}) {
    std::string predictions[2];
    for (const int which : {0, 1}) {
      const Finished eval = RunProgram(
          "ps_eval",
          {"--model", which == 0 ? "first" : "same", "--data", data, "--predictions", "p.csv"},
          place_.path());
      ASSERT_EQ(eval.exit_code, 0) << eval.err;
      predictions[which] = ReadText(place_ / "p.csv");
    }
    EXPECT_TRUE(predictions[0] == predictions[1]) << data;
  }
}

TEST_F(WarmTreesTest, SparseRowsGoOnAndAreFittedAgain) {
  Generate(place_.path(), "train.svm", "libsvm", 8000);
  Generate(place_.path(), "other.svm", "libsvm", 3000, 8000);
  for (const char* absent : {"missing", "zero"}) {
    WriteText(place_ / "sparse.yaml",
              absl::StrCat("data: {train: {files: [train.svm]}, test: {files: [other.svm]}}\n"
                           "model: {type: gbdt, gbdt: {trees: 15, absent: ",
                           absent, "}}\n"));
    MustTrain({"output.dir=first"}, "sparse.yaml");
    MustTrain({"output.dir=more", "model.warm_start=first"}, "sparse.yaml");
    EXPECT_EQ(FirstTrees("more", 15), FirstTrees("first", 15));
    MustTrain({"output.dir=once", "model.gbdt.trees=30"}, "sparse.yaml");
    EXPECT_TRUE(ReadText(place_ / "more/trees.pb") == ReadText(place_ / "once/trees.pb"));
    TestLoss("more", "other.svm");
    // Few rows, in which some columns of the trees have no value.
    MustTrain({"output.dir=few", "model.warm_start=first", "data.train.files=[other.svm]"},
              "sparse.yaml");
    TestLoss("few", "other.svm");
    MustTrain({"output.dir=refit", "model.warm_start=first",
               "model.gbdt={absent: " + std::string(absent) + ", refit: {decay: 0}}"},
              "sparse.yaml");
    EXPECT_TRUE(ReadText(place_ / "refit/trees.pb") == ReadText(place_ / "first/trees.pb"))
        << absent;
  }
  // Columns would be those beside them.
  const Finished shifted = RunProgram("ps_train", {"--config", "sparse.yaml", "--set", "model.warm_start=first", "--set",
                                                   "data.index_base=0"}, place_.path());
  EXPECT_EQ(shifted.exit_code, 3) << shifted.err;
  EXPECT_THAT(shifted.err, testing::HasSubstr("was trained with data.index_base: 1, set the same"));
}

TEST_F(WarmTreesTest, LeavesAreFittedAgain) {
  const std::string refit = "model={type: gbdt, warm_start: first, gbdt: {refit: {decay: ";
  MustTrain({"output.dir=first"});
  // The same rows say the same: not a bit differs, for any decay.
  for (const char* decay : {"0", "1"}) {
    MustTrain({"output.dir=refit", absl::StrCat(refit, decay, "}}}"), "train.threads=3"});
    EXPECT_TRUE(ReadText(place_ / "refit/trees.pb") == ReadText(place_ / "first/trees.pb"))
        << decay;
  }
  // Others pull the values to what they say, the more the less decay keeps.
  WriteText(place_ / "new.csv", Table({.seed = 7, .shift = 1}));
  WriteText(place_ / "new_test.csv", Table({.rows = 3000, .seed = 8, .shift = 1}));
  double last = INFINITY;
  for (const char* decay : {"1", "0.5", "0"}) {
    MustTrain({"output.dir=refit", absl::StrCat(refit, decay, "}}}"), "data.train.files=[new.csv]",
               "data.test.files=[new_test.csv]"});
    const double loss = TestLoss("refit", "new_test.csv");
    EXPECT_LT(loss, last) << decay;
    last = loss;
    EXPECT_EQ(NumberAt(MetricsOf(place_ / "refit"), "trees"), 20);
  }
}

TEST_F(WarmTreesTest, Numbers) {
  WriteText(place_ / "train.csv", Table({.seed = 9, .numbers = true}));
  WriteText(place_ / "test.csv", Table({.rows = 2000, .seed = 10, .numbers = true}));
  MustTrain({"output.dir=first", "model.gbdt.objective=squared"});
  MustTrain({"output.dir=more", "model.gbdt.objective=squared", "model.warm_start=first"});
  EXPECT_LT(NumberAt(MetricsOf(place_ / "more"), "test.rmse"),
            0.8 * NumberAt(MetricsOf(place_ / "first"), "test.rmse"));
  MustTrain({"output.dir=refit",
             "model={type: gbdt, warm_start: first, gbdt: {objective: squared, "
             "refit: {decay: 0}}}"});
  EXPECT_TRUE(ReadText(place_ / "refit/trees.pb") == ReadText(place_ / "first/trees.pb"));
}

// Workers score their rows with the old trees while they read them.
TEST_F(WarmTreesTest, OnAClusterTheSameBytes) {
  MustTrain({"output.dir=first"});
  WriteText(place_ / "new.csv", Table({.seed = 5, .colors = 8, .shift = 0.7}));
  Generate(place_.path(), "train.svm", "libsvm", 6000);
  WriteText(place_ / "sparse.yaml",
            "data: {train: {files: [train.svm]}, split: {by: ratio, valid: 0.2}}\n"
            "model: {type: gbdt, gbdt: {trees: 8, row_sample: 0.7}}\n");
  MustTrain({"output.dir=first_sparse"}, "sparse.yaml");
  struct Case {
    const char* job;
    std::vector<std::string> settings;
  };
  for (const Case& of : {Case{"job.yaml",
                              {"model.warm_start=first", "data.train.files=[new.csv]",
                               "data.split.valid=0.2", "data.keep_negatives=0.7",
                               "train.early_stopping={patience: 5}"}},
                         Case{"sparse.yaml", {"model.warm_start=first_sparse"}}}) {
    MustTrain(of.settings, of.job);
    const std::string trees = ReadText(place_ / "out/trees.pb");
    const JsonValue expected = MetricsOf(place_ / "out");
    for (const char* shape : {"1x1", "2x3"}) {
      std::vector<std::string> arguments{"--config", of.job, "--local", shape};
      for (const std::string& setting : of.settings) arguments.insert(arguments.end(), {"--set", setting});
      const Finished run = RunProgram("ps_train", arguments, place_.path());
      ASSERT_EQ(run.exit_code, 0) << run.err;
      EXPECT_TRUE(ReadText(place_ / "out/trees.pb") == trees) << of.job << " " << shape;
      for (const char* number : {"train.auc", "valid.logloss", "trees", "trees_grown"})
        EXPECT_EQ(NumberAt(MetricsOf(place_ / "out"), number), NumberAt(expected, number)) << number;
    }
  }
}

TEST_F(WarmTreesTest, WhatDoesNotFitIsRefused) {
  MustTrain({"output.dir=first"});
  MustTrain({"output.dir=linear", "model={type: lr}"});
  const auto refused = [&](const std::vector<std::string>& settings, int code,
                           const std::string& said) {
    const Finished run = Train(settings);
    EXPECT_EQ(run.exit_code, code) << settings.back() << run.err;
    EXPECT_NE(run.err.find(said), std::string::npos) << run.err;
  };
  refused({"model.warm_start=linear"}, 3, "not of trees");
  refused({"model.warm_start=nowhere"}, 3, "nowhere");
  refused({"model.gbdt.objective=squared", "model.warm_start=first"}, 3, "objective: logistic");
  WriteText(place_ / "refit.yaml", std::string(kJob).replace(std::string(kJob).find("model:"), std::string::npos,
                                                             "model: {type: gbdt, gbdt: {refit: {}}}\n"));
  const std::vector<std::string> refit = {"--config", "refit.yaml", "--set", "model.warm_start=first"};
  const auto with = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = refit;
    all.insert(all.end(), more.begin(), more.end());
    return RunProgram("ps_train", all, place_.path());
  };
  for (const Finished& run : {with({"--local", "1x1"}), with({"--set", "cluster={servers: 1, workers: 1}"})}) {
    EXPECT_EQ(run.exit_code, 2);
    EXPECT_NE(run.err.find("model.gbdt.refit"), std::string::npos) << run.err;
    EXPECT_NE(run.err.find("one process"), std::string::npos) << run.err;
  }
  refused({"model.gbdt.refit={}"}, 2, "needs model.warm_start");
  refused({"model.gbdt.refit={}", "model.warm_start=first"}, 2, "model.gbdt.trees: not with");
  refused({"tune={trainings: 3}", "data.split.valid=0.2", "model.warm_start=first"}, 2,
          "begins from nothing");
  WriteText(place_ / "train.csv", "colour,size,x,label\n" + Table({}).substr(19));
  refused({"model.warm_start=first", "data.test={}"}, 3, "'color'");
  Generate(place_.path(), "train.svm", "libsvm", 500);
  WriteText(place_ / "sparse.yaml",
            "data: {train: {files: [train.svm]}}\n"
            "model: {type: gbdt, warm_start: first}\n");
  const Finished sparse = Train({}, "sparse.yaml");
  EXPECT_EQ(sparse.exit_code, 3);
  EXPECT_NE(sparse.err.find("libsvm text"), std::string::npos) << sparse.err;
}

}  // namespace
}  // namespace ps
