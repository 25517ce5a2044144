#include "models/data/data_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/data/compressed_text.h"

namespace ps {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DataFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ =
        std::filesystem::path(::testing::TempDir()) / ("data_files_" + std::to_string(::getpid()));
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  std::string Write(const std::string& name, const std::string& bytes) {
    std::ofstream(root_ / name, std::ios::binary) << bytes;
    return (root_ / name).string();
  }
  std::string Path(const std::string& name) { return (root_ / name).string(); }

  std::filesystem::path root_;
};

std::vector<std::string> Names(const DataFiles& data) {
  std::vector<std::string> names;
  for (const DataFile& file : data.files()) {
    names.push_back(std::filesystem::path(file.path).filename().string());
  }
  return names;
}

TEST_F(DataFilesTest, PatternsKeepTheirOrderAndTheirFilesAreSorted) {
  for (const char* name : {"b2.txt", "b10.txt", "B1.txt", "a.txt", "z.dat"}) Write(name, "1\n");
  const auto data = DataFiles::Open({Path("z.dat"), Path("*.txt")});
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(Names(*data), ElementsAre("z.dat", "B1.txt", "a.txt", "b10.txt", "b2.txt"));
}

TEST_F(DataFilesTest, BracesAndLiteralNamesWithStars) {
  Write("day_1", "1\n");
  Write("day_2", "1\n");
  Write("odd*name", "1\n");
  const auto data = DataFiles::Open({Path("day_{2,1}"), Path("odd*name")});
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(Names(*data), ElementsAre("day_1", "day_2", "odd*name"));
}

TEST_F(DataFilesTest, CompressionIsKnownByContentNotByName) {
  Write("plain.gz", "1 1:1\n");
  Write("zipped.txt", Gzip("1 1:1\n"));
  Write("zstd.gz", Zstd("1 1:1\n"));
  Write("empty", "");
  const auto data =
      DataFiles::Open({Path("plain.gz"), Path("zipped.txt"), Path("zstd.gz"), Path("empty")});
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->files()[0].compression, Compression::kNone);
  EXPECT_EQ(data->files()[1].compression, Compression::kGzip);
  EXPECT_EQ(data->files()[2].compression, Compression::kZstd);
  EXPECT_EQ(data->files()[3].compression, Compression::kNone);
  for (std::uint32_t file = 0; file < 3; ++file) EXPECT_EQ(*data->DecompressedBytes(file), 6);
  EXPECT_EQ(*data->DecompressedBytes(3), 0);
  EXPECT_FALSE(data->DecompressedBytes(4).ok());
}

TEST_F(DataFilesTest, ErrorsNameThePatternOrTheFile) {
  Write("one", "1\n");
  const auto none = DataFiles::Open({Path("nothing_*")});
  EXPECT_TRUE(absl::IsNotFound(none.status()));
  EXPECT_THAT(std::string(none.status().message()), HasSubstr("nothing_*"));
  const auto missing = DataFiles::Open({Path("missing.txt")});
  EXPECT_TRUE(absl::IsNotFound(missing.status()));
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("missing.txt"));
  const auto directory = DataFiles::Open({root_.string()});
  EXPECT_TRUE(absl::IsInvalidArgument(directory.status()));
  EXPECT_THAT(std::string(directory.status().message()), HasSubstr("is a directory"));
  const auto twice = DataFiles::Open({Path("one"), Path("o*")});
  EXPECT_TRUE(absl::IsInvalidArgument(twice.status()));
  EXPECT_THAT(std::string(twice.status().message()), HasSubstr("named twice"));
  EXPECT_TRUE(absl::IsInvalidArgument(DataFiles::Open({"-"}).status()));
}

TEST_F(DataFilesTest, RangesCoverEveryFileOnce) {
  Write("a", std::string(10, 'a'));
  Write("b", "");
  Write("c", Gzip(std::string(7, 'c')));
  const auto data = DataFiles::Open({Path("?")});
  ASSERT_TRUE(data.ok()) << data.status();
  for (std::uint64_t size = 1; size <= 12; ++size) {
    const auto ranges = data->PlanRanges(size);
    ASSERT_TRUE(ranges.ok());
    std::vector<std::uint64_t> covered(3, 0);
    for (const FileRange& range : *ranges) {
      EXPECT_EQ(range.begin, covered[range.file]);
      EXPECT_LE(range.end - range.begin, size);
      EXPECT_GT(range.end, range.begin);
      covered[range.file] = range.end;
    }
    EXPECT_THAT(covered, ElementsAre(10, 0, 7));
  }
}

}  // namespace
}  // namespace ps
