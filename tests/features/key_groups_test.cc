#include "models/features/key_groups.h"

#include <map>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/features/table_job.h"

namespace ps {
namespace {

using ::testing::ElementsAre;

// Groups of the keys of each row, by name.
std::vector<std::vector<std::string>> NamesOf(const Extractor& extractor, const std::string& rows) {
  const RowBlock block = ParseExact(*extractor.MakeParser(), rows, 1);
  const std::unique_ptr<KeyGroups> groups = extractor.MakeKeyGroups();
  std::vector<std::uint16_t> found;
  groups->Find(block, &found);
  std::vector<std::vector<std::string>> names(block.rows());
  for (std::size_t r = 0; r < block.rows(); ++r) {
    for (std::uint32_t i = block.row_begin[r]; i < block.row_begin[r + 1]; ++i) names[r].push_back(groups->name(found[i]));
  }
  return names;
}

TEST(KeyGroups, AreColumnsTheirResolutionsAndCrosses) {
  JobConfig config = TableJob(DataFormat::kCsv, true);
  config.features = {On("k", FeatureOp::kHash),   On("x", FeatureOp::kNumeric), On("x", FeatureOp::kBucket, 4),
                     On("x", FeatureOp::kLog),    On("x", FeatureOp::kRaw),     CrossOf({"k", "x"})};
  std::string text = "label,x,k\n";
  for (int i = 0; i < 3000; ++i) text += "1," + std::to_string(i * 7 % 3000) + ",kind\n";
  const auto extractor = CompileText(config, text);
  ASSERT_TRUE(extractor.ok()) << extractor.status();
  const auto names = NamesOf(**extractor, "1,12,kind\n0,NA,?\n1,2999,\n");
  ASSERT_EQ(names.size(), 3u);
  const std::size_t levels = names[0].size() - 5;
  ASSERT_GE(levels, 2u) << "the columns' numbers have several resolutions";
  std::vector<std::string> whole{"k"};
  for (std::size_t level = 1; level <= levels; ++level) whole.push_back("x, level " + std::to_string(level));
  for (const char* rest : {"x", "x", "x, value", "k x x"}) whole.push_back(rest);
  EXPECT_EQ(names[0], whole);
  EXPECT_EQ(names[2], whole);
  // A number that is missing makes one key in place of one a resolution.
  EXPECT_THAT(names[1], ElementsAre("k", "x, level 1", "x", "x", "x, value", "k x x"));
}

TEST(KeyGroups, OfOneKeyAreTheSameInEveryRow) {
  JobConfig config = TableJob(DataFormat::kCsv, true);
  std::string text = "label,a,b,c\n";
  for (int i = 0; i < 2000; ++i) {
    text += std::to_string(i % 2) + "," + (i % 11 == 0 ? "" : std::to_string(i * i % 977)) + "," + std::to_string(i % 13) + ".5," + "c" + std::to_string(i % 50) + "\n";
  }
  const auto extractor = CompileText(config, text);
  ASSERT_TRUE(extractor.ok()) << extractor.status();
  const RowBlock block = ParseExact(*(*extractor)->MakeParser(), text);
  const std::unique_ptr<KeyGroups> groups = (*extractor)->MakeKeyGroups();
  std::vector<std::uint16_t> found;
  groups->Find(block, &found);
  std::map<Key, std::uint16_t> of_key;
  std::set<std::uint16_t> seen;
  for (std::size_t i = 0; i < found.size(); ++i) {
    ASSERT_EQ(of_key.emplace(block.key[i], found[i]).first->second, found[i]);
    seen.insert(found[i]);
  }
  EXPECT_EQ(seen.size(), groups->size());
}

TEST(KeyGroups, ThereAreNoneOfTextThatHasNoColumns) {
  JobConfig config;
  config.data.format = DataFormat::kLibsvm;
  const auto extractor = CompileText(config, "1 1:1\n");
  ASSERT_TRUE(extractor.ok());
  EXPECT_EQ((*extractor)->MakeKeyGroups(), nullptr);
}

// Keys that no parser of the plan made must not be read beyond their row.
TEST(KeyGroups, RowsOfOtherLengthsAreNoHarm) {
  JobConfig config = TableJob(DataFormat::kCsv, true);
  config.features = {On("x", FeatureOp::kNumeric), On("k", FeatureOp::kHash)};
  std::string text = "label,x,k\n";
  for (int i = 0; i < 500; ++i) text += "1," + std::to_string(i) + ",kind\n";
  const auto extractor = CompileText(config, text);
  ASSERT_TRUE(extractor.ok());
  RowBlock block = ParseExact(*(*extractor)->MakeParser(), "1,3,kind\n", 1);
  RowBlock cut;
  cut.label = {1, 1, 1};
  cut.row_begin = {0, 0, 1, 9};
  cut.key = {block.key[0], block.key[0], 5, 6, 7, 8, 9, 10, 11};
  std::vector<std::uint16_t> found;
  (*extractor)->MakeKeyGroups()->Find(cut, &found);
  EXPECT_EQ(found.size(), cut.key.size());
  for (const std::uint16_t group : found) EXPECT_LT(group, (*extractor)->MakeKeyGroups()->size());
}

}  // namespace
}  // namespace ps
