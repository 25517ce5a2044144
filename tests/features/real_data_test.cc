// Row counts and positive rates of the public sets, as their list (MANIFEST.tsv) states them.
// Skipped where the sets are not at hand: PS_DATA_DIR, or shared/data beside the source tree.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/features/table_job.h"

namespace ps {
namespace {

std::string DataDirectory() {
  if (const char* directory = std::getenv("PS_DATA_DIR")) return directory;
  const char* const source = std::getenv("PS_SOURCE_DIR");
  const std::string beside = std::string(source != nullptr ? source : ".") + "/../shared/data";
  return std::filesystem::exists(beside) ? beside : "";
}

struct ListedSet {
  std::uint64_t rows = 0;
  double positive_rate = 0;
};

ListedSet Listed(const std::string& name) {
  std::ifstream manifest(DataDirectory() + "/MANIFEST.tsv");
  std::string line;
  while (std::getline(manifest, line)) {
    std::istringstream fields(line);
    std::string file, rows, features, rate;
    if (std::getline(fields, file, '\t') && file == name && std::getline(fields, rows, '\t') &&
        std::getline(fields, features, '\t') && std::getline(fields, rate, '\t')) {
      return {std::stoull(rows), std::stod(rate)};
    }
  }
  return {};
}

struct RealSet {
  const char* file;
  DataFormat format;
  bool header;
  const char* label;  // name or position
  const char* positive;
};

class RealDataTest : public testing::TestWithParam<RealSet> {};

TEST_P(RealDataTest, RowsAndPositives) {
  const RealSet& set = GetParam();
  const std::string path = DataDirectory() + "/" + set.file;
  if (DataDirectory().empty() || !std::filesystem::exists(path)) {
    GTEST_SKIP() << set.file << " is not at hand; PS_DATA_DIR names the directory of the sets";
  }
  const ListedSet listed = Listed(set.file);
  ASSERT_GT(listed.rows, 0);
  JobConfig config = TableJob(set.format, set.header);
  config.data.train.files = {path};
  config.data.label.positive = set.positive;
  if (set.header) {
    config.data.label.column.name = set.label;
  } else {
    config.data.label.column.index = std::atoi(set.label);
  }
  const auto extractor = CompileFiles(config);
  ASSERT_TRUE(extractor.ok()) << extractor.status();
  const auto files = DataFiles::Open({path});
  ASSERT_TRUE(files.ok());
  const auto parser = (*extractor)->MakeParser();
  const auto stream = BlockStream::Create(*files, 100'000);
  BlockStream::Block piece;
  std::uint64_t rows = 0;
  double positives = 0;
  std::uint64_t lines = 0;
  for (;;) {
    const auto more = stream->Next(&piece);
    ASSERT_TRUE(more.ok()) << more.status();
    if (!*more) break;
    const RowBlock block = ParseExact(*parser, piece.text, piece.offset);
    ASSERT_EQ(block.bad_rows, 0) << block.bad[0].what << ": " << block.bad[0].text;
    rows += block.rows();
    lines += block.lines;
    for (float label : block.label) positives += label;
  }
  EXPECT_EQ(rows, listed.rows);
  EXPECT_GE(lines, rows + set.header);
  EXPECT_NEAR(positives / static_cast<double>(rows), listed.positive_rate, 6e-6);
}

INSTANTIATE_TEST_SUITE_P(
    Sets, RealDataTest,
    testing::Values(RealSet{"adult.data.csv.gz", DataFormat::kCsv, false, "14", ">50K"},
                    RealSet{"adult.test.csv.gz", DataFormat::kCsv, false, "14", ">50K."},
                    RealSet{"telco_churn.csv.gz", DataFormat::kCsv, true, "Churn", "Yes"},
                    RealSet{"online_shoppers.csv.gz", DataFormat::kCsv, true, "Revenue", "TRUE"},
                    RealSet{"amazon_access_train.csv.gz", DataFormat::kCsv, true, "ACTION", ""},
                    RealSet{"avazu_raw_train.csv.gz", DataFormat::kCsv, true, "click", "1"},
                    RealSet{"avazu_raw_test.csv.gz", DataFormat::kCsv, false, "1", ""},
                    RealSet{"criteo_raw_8k.tsv.gz", DataFormat::kCriteo, false, "0", ""},
                    RealSet{"higgs7k_train.tsv.gz", DataFormat::kTsv, false, "0", "1"}),
    [](const auto& set) {
      std::string name = set.param.file;
      std::replace(name.begin(), name.end(), '.', '_');
      return name;
    });

}  // namespace
}  // namespace ps
