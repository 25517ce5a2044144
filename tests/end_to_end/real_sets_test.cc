// One pass over real sets, with bounds that other trainers set.
#include <gtest/gtest.h>

#include "tests/end_to_end/program.h"

namespace ps {
namespace {

class RealSetsTest : public testing::Test {
 protected:
  void SetUp() override {
    data_ = RealDataDirectory();
    if (data_.empty()) GTEST_SKIP() << "no real data: set PS_DATA_DIR to its directory";
  }

  std::string Unpacked(const std::string& name) const {
    const Finished run = RunProgram("gzip", {"-dc", data_ + "/" + name}, place_.path());
    EXPECT_EQ(run.exit_code, 0) << run.err;
    return run.out;
  }

  JsonValue Train(const std::string& data, const std::string& model, int index_base = 1) const {
    WriteText(place_ / "job.yaml", "data:\n  train: {files: [" + data +
                                       "]}\n  test: {files: [test.svm]}\n  index_base: " +
                                       std::to_string(index_base) + "\nmodel: {" + model + "}\n");
    const Finished run = RunProgram("ps_train", {"--config", "job.yaml"}, place_.path());
    EXPECT_EQ(run.exit_code, 0) << run.err;
    return MetricsOf(place_ / "out");
  }

  std::string data_;
  const Workplace place_;
};

TEST_F(RealSetsTest, CriteoFirst64000Rows) {
  const std::string all = Unpacked("criteo_dac80k_vwhash.svm.gz");
  const std::string train = FirstLines(all, 64000);
  WriteText(place_ / "train.svm", train);
  WriteText(place_ / "test.svm", all.substr(train.size()));
  const JsonValue metrics = Train("train.svm", "optimizer: {type: ftrl, alpha: 0.1}");
  EXPECT_EQ(NumberAt(metrics, "rows_learnt"), 64000);
  EXPECT_EQ(NumberAt(metrics, "rows_test"), 16000);
  EXPECT_LE(NumberAt(metrics, "test.logloss"), .4440);  // Vowpal Wabbit --ftrl: .44351
  EXPECT_GE(NumberAt(metrics, "test.auc"), .766);
  // The best of 35 settings, chosen on the test rows: .44295.
  EXPECT_LE(NumberAt(Train("train.svm", "tune: auto"), "test.logloss"), 1.001 * .44295);
}

TEST_F(RealSetsTest, A9a) {
  const std::string all = Unpacked("a9a_train.svm.gz");
  std::string part[2];
  for (std::size_t at = 0, row = 0; at < all.size(); ++row) {
    const std::size_t end = all.find('\n', at) + 1;
    part[row % 5 == 4] += all.substr(at, end - at);
    at = end == 0 ? all.size() : end;
  }
  WriteText(place_ / "train.svm", part[0]);
  WriteText(place_ / "test.svm", part[1]);
  const JsonValue metrics = Train("train.svm", "optimizer: {type: ftrl, alpha: 0.1}");
  EXPECT_EQ(NumberAt(metrics, "rows_learnt"), 26049);
  EXPECT_EQ(NumberAt(metrics, "rows_test"), 6512);
  EXPECT_LE(NumberAt(metrics, "test.logloss"), .330);  // Vowpal Wabbit: .32691
  EXPECT_GE(NumberAt(metrics, "test.auc"), .902);
  EXPECT_LE(NumberAt(Train("train.svm", "tune: auto"), "test.logloss"), 1.001 * .32612);
}

TEST_F(RealSetsTest, Frappe) {
  WriteText(place_ / "test.svm", Unpacked("frappe_test.svm.gz"));
  const JsonValue metrics =
      Train(data_ + "/frappe_validation.svm.gz", "optimizer: {type: ftrl, alpha: 0.3}", 0);
  EXPECT_EQ(NumberAt(metrics, "rows_learnt"), 57722);
  EXPECT_EQ(NumberAt(metrics, "rows_test"), 28860);
  EXPECT_LE(NumberAt(metrics, "test.logloss"), .3580);  // Vowpal Wabbit's default: .35804
  EXPECT_GE(NumberAt(metrics, "test.auc"), .92);
  const std::string train = data_ + "/frappe_validation.svm.gz";
  EXPECT_LE(NumberAt(Train(train, "tune: auto", 0), "test.logloss"), 1.001 * .29765);
}

}  // namespace
}  // namespace ps
