// Linear models on the leaves of trees, by the programs themselves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <random>

#include "absl/strings/str_cat.h"
#include "tests/end_to_end/program.h"

namespace ps {
namespace {

using testing::HasSubstr;

// Rows of a rule that no sum over columns can have, in both formats.
struct Rows {
  std::string table = "color,size,x,label\n";
  std::string indices;
};

Rows Generated(int rows, unsigned seed) {
  static constexpr const char* kColors[] = {"red", "green", "blue", "grey"};
  std::mt19937 random(seed);
  Rows made;
  for (int r = 0; r < rows; ++r) {
    const unsigned color = random() % 4;
    const int size = static_cast<int>(random() % 50), x = static_cast<int>(random() % 201) - 100;
    const double signal = (color % 2 == 0 ? 3 : -3) * x / 100.0 + (size > 30 ? 1.5 : -0.5);
    const bool positive = random() % 1000 / 1000.0 < 1 / (1 + std::exp(-2 * signal));
    absl::StrAppend(&made.table, kColors[color], ",", random() % 9 == 0 ? "NA" : absl::StrCat(size),
                    ",", x, ",", positive, "\n");
    absl::StrAppend(&made.indices, positive, " ", 1 + color, ":1 11:", size + 1, " 12:", x + 101,
                    "\n");
  }
  return made;
}

class LeavesTest : public testing::Test {
 protected:
  void SetUp() override {
    const Rows early = Generated(8000, 1), late = Generated(8000, 2), test = Generated(4000, 3);
    for (const auto& [name, rows] : {std::pair("early", early), {"late", late}, {"test", test}}) {
      WriteText(place_ / absl::StrCat(name, ".csv"), rows.table);
      WriteText(place_ / absl::StrCat(name, ".svm"), rows.indices);
    }
  }

  static std::string Job(const std::string& data, bool table, const std::string& rest) {
    const char* const end = table ? ".csv" : ".svm";
    return absl::StrCat("data:\n  train: {files: [", data, end, "]}\n  test: {files: [test", end,
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

  const Workplace place_;
};

constexpr char kTrees[] = "model: {type: gbdt, gbdt: {trees: 30, max_leaves: 12}}\n"
                          "output: {dir: trees}\n";

TEST_F(LeavesTest, LearnWhatColumnsAloneCannot) {
  for (const bool table : {true, false}) {
    MustTrain(Job("early", table, kTrees));
    MustTrain(Job("late", table, "output: {dir: plain}\n"));
    const std::string leaves = "{op: tree_leaves, model: trees}";
    MustTrain(Job("late", table, "features: [" + leaves + "]\noutput: {dir: leaves}\n"));
    MustTrain(Job("late", table, "features: [{op: rest}, " + leaves + "]\noutput: {dir: both}\n"));
    const double plain = TestLoss("plain");
    EXPECT_LT(TestLoss("leaves"), 0.8 * plain) << table;
    EXPECT_LT(TestLoss("both"), 0.8 * plain) << table;
    // The model stands alone: the trees are part of it.
    std::filesystem::rename(place_ / "trees", place_ / "elsewhere");
    for (const char* model : {"leaves", "both"}) {
      const std::string data = table ? "test.csv" : "test.svm";
      const Finished eval = RunProgram("ps_eval", {"--model", model, "--data", data, "--json"},
                                       place_.path());
      ASSERT_EQ(eval.exit_code, 0) << eval.err;
      EXPECT_NEAR(NumberAt(*JsonReader::Read(eval.out), "model.logloss"), TestLoss(model), 1e-6);
      const Finished explained = RunProgram(
          "ps_model", {"explain", "--model", model, "--data", data, "--top", "40"}, place_.path());
      EXPECT_EQ(explained.exit_code, 0) << explained.err;
      EXPECT_THAT(explained.out, HasSubstr("\"tree 3 leaf "));
      const Finished dump = RunProgram("ps_model", {"dump", model}, place_.path());
      EXPECT_THAT(dump.out, HasSubstr("\ttree 29 leaf "));
      const bool leaves_only = table && std::string(model) == "leaves";
      EXPECT_THAT(dump.out, HasSubstr(leaves_only ? "key\tleaf\tweight" : "key\tfeature\tweight"));
      const Finished inspect = RunProgram("ps_model", {"inspect", model}, place_.path());
      EXPECT_THAT(inspect.out, HasSubstr(" leaves of 30 trees"));
    }
    std::filesystem::rename(place_ / "elsewhere", place_ / "trees");
  }
}

TEST_F(LeavesTest, TheSameBytesOnAnyCluster) {
  for (const bool table : {true, false}) {
    MustTrain(Job("early", table, kTrees));
    const std::string job = Job("late", table,
                                "features: [{op: rest}, {op: tree_leaves, model: trees}]\n"
                                "train: {staleness: 0}\n");
    MustTrain(job, {"--set", "output.dir=here"});
    MustTrain(job, {"--set", "output.dir=there", "--local", "2x3"});
    EXPECT_TRUE(ReadText(place_ / "here/weights.bin") == ReadText(place_ / "there/weights.bin"));
    EXPECT_TRUE(ReadText(place_ / "here/extractor.pb") == ReadText(place_ / "there/extractor.pb"));
    EXPECT_NEAR(TestLoss("here"), TestLoss("there"), 1e-9);
  }
}

TEST_F(LeavesTest, ModelsThatDoNotFitAreRefused) {
  MustTrain(Job("early", true, kTrees));
  MustTrain(Job("early", true, "output: {dir: linear}\n"));
  const auto refused = [&](const std::string& job, const std::string& said) {
    const Finished run = Train(job);
    EXPECT_EQ(run.exit_code, 3) << run.err;
    EXPECT_THAT(run.err, HasSubstr("features[0].model: ")) << job;
    EXPECT_THAT(run.err, HasSubstr(said)) << job;
  };
  const auto leaves_of = [](const std::string& model) {
    return absl::StrCat("features: [{op: tree_leaves, model: ", model, "}]\n");
  };
  refused(Job("late", true, leaves_of("nowhere")), "nowhere");
  refused(Job("late", true, leaves_of("linear")), "is a model of type lr, not of trees");
  refused(Job("late", false, leaves_of("trees")), "was trained on tables");
  std::string other = Job("late", true, leaves_of("trees"));
  other.replace(other.find("  header"), 0, "  missing: ['', none]\n");
  refused(other, "another data.missing");
  WriteText(place_ / "late.csv", "colour" + ReadText(place_ / "late.csv").substr(5));
  refused(Job("late", true, leaves_of("trees")), "asks for column 'color'");
  // Damage in the bundle of trees, and later in the model's own copy.
  std::string bytes = ReadText(place_ / "trees/trees.pb");
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  WriteText(place_ / "trees/trees.pb", bytes);
  refused(Job("early", true, leaves_of("trees")), "checksum");
}

}  // namespace
}  // namespace ps
