// ps_model from the outside.
#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "tests/bundle/bundle_builder.h"
#include "tests/bundle/libsvm_model.h"
#include "tests/bundle/program.h"
#include "tests/bundle/scratch_directory.h"

namespace ps {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class PsModel : public ::testing::Test {
 protected:
  void SetUp() override { WriteLibsvmModel(model_, 50); }
  ProgramResult Model(const std::string& arguments) {
    return RunProgram("ps_model", arguments, scratch_ / "output");
  }
  static std::vector<std::vector<std::string>> Rows(const std::string& text) {
    std::vector<std::vector<std::string>> rows;
    for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
      rows.push_back(absl::StrSplit(line, '\t'));
    }
    return rows;
  }

  const ScratchDirectory scratch_;
  const std::string model_ = scratch_ / "model";
};

TEST_F(PsModel, InspectPrintsWhatTheManifestSays) {
  const ProgramResult result = Model("inspect " + model_);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  for (const char* part :
       {"tiny", "complete", "4,200", "-0.5", "0.25", "ftrl alpha=0.1", "libsvm"}) {
    EXPECT_THAT(result.out, HasSubstr(part));
  }
  EXPECT_EQ(result.out, Model("inspect " + model_ + "/").out);
}

TEST_F(PsModel, DumpOfLibsvmModelsNamesTheIndex) {
  const ProgramResult result = Model("dump " + model_);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto rows = Rows(result.out);
  EXPECT_EQ(rows[0], (std::vector<std::string>{"key", "index", "weight"}));
  EXPECT_EQ(rows[1], (std::vector<std::string>{"bias", "", "-0.5"}));
  std::size_t expected = 0;
  for (std::uint64_t i = 1; i <= 50; ++i) expected += WeightOfIndex(i) != 0;
  ASSERT_EQ(rows.size(), expected + 2);
  float last = 1e9f;
  for (std::size_t r = 2; r < rows.size(); ++r) {
    std::uint64_t index = 0;
    ASSERT_TRUE(absl::SimpleAtoi(rows[r][1], &index));
    const float weight = std::stof(rows[r][2]);
    EXPECT_EQ(weight, WeightOfIndex(index));
    EXPECT_EQ(std::stoull(rows[r][0], nullptr, 16), IndexKey(index));
    EXPECT_LE(std::fabs(weight), last);
    last = std::fabs(weight);
  }
}

TEST_F(PsModel, DumpByKeyAndTop) {
  const auto all = Rows(Model("dump " + model_).out);
  const auto top = Rows(Model("dump " + model_ + " --top 7").out);
  ASSERT_EQ(top.size(), 9);
  EXPECT_TRUE(std::equal(top.begin(), top.end(), all.begin()));
  auto by_key = Rows(Model("dump --by key " + model_).out);
  ASSERT_EQ(by_key.size(), all.size());
  EXPECT_TRUE(std::is_sorted(by_key.begin() + 2, by_key.end()));
  EXPECT_TRUE(std::is_permutation(by_key.begin(), by_key.end(), all.begin()));
  const auto top_by_key = Rows(Model("dump --by=key --top=7 " + model_).out);
  EXPECT_TRUE(std::is_permutation(top_by_key.begin(), top_by_key.end(), top.begin()));
  EXPECT_TRUE(std::is_sorted(top_by_key.begin() + 2, top_by_key.end()));
}

TEST_F(PsModel, DumpOfOtherFormatsHasNoIndex) {
  WriteBundle(scratch_ / "hashed", DrawWeights(20, 1));
  const ProgramResult result = Model("dump " + (scratch_ / "hashed"));
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, StartsWith("key\tweight\nbias\t-1.25\n"));
  EXPECT_EQ(Rows(result.out).size(), 22);
}

TEST_F(PsModel, DiffCountsAndRanks) {
  const std::string a = scratch_ / "a", b = scratch_ / "b";
  WriteBundle(a, {{10, 1.0f}, {20, 2.0f}, {30, 3.0f}, {50, 0.5f}});
  WriteBundle(b, {{10, 1.0f}, {20, -2.0f}, {40, 3.5f}, {50, 0.25f}});
  const ProgramResult result = Model("diff " + a + " " + b);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("added             1\nremoved           1\n"
                                    "changed           2\nunchanged         1\n"));
  const double cosine = (1 - 4 + 0.125) / std::sqrt((1 + 4 + 9 + 0.25) * (1 + 4 + 12.25 + 0.0625));
  char text[32];
  std::snprintf(text, sizeof(text), "%.9f", cosine);
  EXPECT_THAT(result.out, HasSubstr(text));
  EXPECT_THAT(result.out, HasSubstr("key\tbefore\tafter\tdifference\n"
                                    "0000000000000014\t2\t-2\t-4\n"
                                    "0000000000000028\t0\t3.5\t3.5\n"
                                    "000000000000001e\t3\t0\t-3\n"
                                    "0000000000000032\t0.5\t0.25\t-0.25\n"));
  EXPECT_THAT(Model("diff --top 1 " + a + " " + b).out,
              ::testing::EndsWith("difference\n0000000000000014\t2\t-2\t-4\n"));
}

TEST_F(PsModel, DiffOfEqualModels) {
  const ProgramResult result = Model("diff " + model_ + " " + model_);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, HasSubstr("cosine            1.000000000\n"));
  EXPECT_THAT(result.out, HasSubstr("L2 of difference  0\n"));
  EXPECT_THAT(result.out, ::testing::Not(HasSubstr("before\tafter")));
}

TEST_F(PsModel, ExitCodes) {
  EXPECT_EQ(Model("--help").exit_code, 0);
  for (const std::string& usage :
       {std::string(), std::string("inspect"), "explode " + model_,
        "inspect " + (scratch_ / "absent"), "diff " + model_, "inspect " + model_ + " " + model_,
        "import --format xgboost --model " + (scratch_ / "absent") + " --out " + (scratch_ / "made"),
        "dump --by size " + model_, "dump --top -1 " + model_, "dump --bogus " + model_}) {
    const ProgramResult result = Model(usage);
    EXPECT_EQ(result.exit_code, 2) << usage;
    EXPECT_NE(result.err, "") << usage;
    EXPECT_EQ(result.out, "") << usage;
  }
  std::string manifest = ReadText(model_ + "/manifest.json");
  manifest[20] ^= 1;
  WriteText(model_ + "/manifest.json", manifest);
  EXPECT_EQ(Model("inspect " + model_).exit_code, 3);
}

}  // namespace
}  // namespace ps
