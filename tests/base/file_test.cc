#include "ps/base/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <vector>

namespace ps {
namespace {

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/ps_file_test.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { ASSERT_TRUE(RemoveTree(directory_).ok()); }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      names.push_back(entry.path().filename());
    }
    return names;
  }

  std::string directory_;
};

TEST_F(FileTest, WritesReplacesAndReads) {
  const std::string path = directory_ + "/a";
  for (std::size_t size : {0, 1, 4095, 4096, 4097, 1 << 20}) {
    const std::string content(size, 'x');
    ASSERT_TRUE(WriteFileAtomically(path, content).ok());
    absl::StatusOr<std::string> read = ReadWholeFile(path);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, content);
  }
  EXPECT_EQ(Names(), std::vector<std::string>{"a"});
}

TEST_F(FileTest, ReadsFilesThatReportNoSize) {
  absl::StatusOr<std::string> status = ReadWholeFile("/proc/self/status");
  ASSERT_TRUE(status.ok());
  EXPECT_NE(status->find("VmRSS"), std::string::npos);
}

TEST_F(FileTest, ErrorsNameThePathAndTheReason) {
  const absl::Status missing = ReadWholeFile(directory_ + "/none").status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(missing.message(), "open " + directory_ + "/none: No such file or directory");
  EXPECT_FALSE(ReadWholeFile(directory_).ok());
  EXPECT_EQ(MappedFile::Open(directory_ + "/none").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(MappedFile::Open(directory_).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(WriteFileAtomically(directory_ + "/none/a", "x").code(), absl::StatusCode::kNotFound);
}

TEST_F(FileTest, AFailedReplacementLeavesTheOldContentAndNoRest) {
  ASSERT_TRUE(MakeDirs(directory_ + "/d/inner").ok());
  EXPECT_FALSE(WriteFileAtomically(directory_ + "/d", "x").ok());  // a directory is in the way
  EXPECT_EQ(Names(), std::vector<std::string>{"d"});
}

TEST_F(FileTest, PiecesAreWrittenOneBehindTheOther) {
  const std::string path = directory_ + "/pieces";
  const std::vector<std::string_view> pieces = {"one ", "", "two"};
  ASSERT_TRUE(WriteFileAtomically(path, pieces).ok());
  EXPECT_EQ(*ReadWholeFile(path), "one two");
}

TEST_F(FileTest, AFailedWriteKeepsTheOldContent) {
  const std::string path = directory_ + "/kept";
  ASSERT_TRUE(WriteFileAtomically(path, "old").ok());
  // A limit on the size of files fails the write in its middle, as a full disk does.
  struct rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  struct rlimit small = before;
  small.rlim_cur = 1000;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  auto* handler = std::signal(SIGXFSZ, SIG_IGN);
  const absl::Status status = WriteFileAtomically(path, std::string(5000, 'n'));
  std::signal(SIGXFSZ, handler);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(*ReadWholeFile(path), "old");
  EXPECT_EQ(Names(), std::vector<std::string>{"kept"});
}

TEST_F(FileTest, AReaderNeverSeesAMixtureOfTwoWriters) {
  const std::string path = directory_ + "/shared";
  ASSERT_TRUE(WriteFileAtomically(path, std::string(10000, 'a')).ok());
  auto writer = [&](char c) {
    for (int i = 0; i < 20; ++i) {
      EXPECT_TRUE(WriteFileAtomically(path, std::string(10000, c)).ok());
    }
  };
  std::thread first(writer, 'a');
  std::thread second(writer, 'b');
  for (int i = 0; i < 200; ++i) {
    absl::StatusOr<std::string> read = ReadWholeFile(path);
    ASSERT_TRUE(read.ok());
    ASSERT_EQ(*read, std::string(10000, (*read)[0]));
  }
  first.join();
  second.join();
  EXPECT_EQ(Names(), std::vector<std::string>{"shared"});
}

TEST_F(FileTest, DirectoriesAreMadeAndRemovedTwiceWithoutError) {
  ASSERT_TRUE(MakeDirs(directory_ + "/x/y/z").ok());
  ASSERT_TRUE(MakeDirs(directory_ + "/x/y/z").ok());
  ASSERT_TRUE(WriteFileAtomically(directory_ + "/x/file", "1").ok());
  EXPECT_FALSE(MakeDirs(directory_ + "/x/file/below").ok());
  ASSERT_TRUE(RemoveTree(directory_ + "/x").ok());
  ASSERT_TRUE(RemoveTree(directory_ + "/x").ok());
  EXPECT_TRUE(Names().empty());
}

TEST_F(FileTest, MapsTheBytesAndKeepsThemAfterReplacement) {
  const std::string path = directory_ + "/m";
  ASSERT_TRUE(WriteFileAtomically(path, "old content").ok());
  absl::StatusOr<MappedFile> map = MappedFile::Open(path);
  ASSERT_TRUE(map.ok()) << map.status();
  map->ExpectSequentialRead();
  ASSERT_TRUE(WriteFileAtomically(path, "new").ok());
  EXPECT_EQ(map->bytes(), "old content");
  MappedFile moved = *std::move(map);
  EXPECT_EQ(moved.bytes(), "old content");
  absl::StatusOr<MappedFile> second = MappedFile::Open(path);
  ASSERT_TRUE(second.ok());
  moved = *std::move(second);
  EXPECT_EQ(moved.bytes(), "new");
}

TEST_F(FileTest, MapsAnEmptyFile) {
  ASSERT_TRUE(WriteFileAtomically(directory_ + "/e", "").ok());
  absl::StatusOr<MappedFile> map = MappedFile::Open(directory_ + "/e");
  ASSERT_TRUE(map.ok());
  EXPECT_TRUE(map->bytes().empty());
  map->ExpectSequentialRead();
}

}  // namespace
}  // namespace ps
