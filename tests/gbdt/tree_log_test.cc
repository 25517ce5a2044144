// The log of finished trees, in a checkpoint directory that is away for a while, or was written by
// several processes.
#include "trainer/gbdt/tree_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "ps/base/file.h"
#include "tests/bundle/scratch_directory.h"

namespace ps {
namespace {

std::vector<Tree> Trees(std::size_t count) {
  std::vector<Tree> trees(count);
  for (std::size_t t = 0; t < count; ++t) {
    trees[t].leaf_value = {static_cast<float>(t) + 0.5f};
    trees[t].leaf_cover = {1};
  }
  return trees;
}

class TreeLogTest : public testing::Test {
 protected:
  std::unique_ptr<TreeLog> Open() {
    CheckpointConfig config;
    config.dir = dir_;
    auto store = OpenCheckpointLogStore(config);
    EXPECT_TRUE(store.ok()) << store.status();
    TreeLog::Options options;
    options.name = "job";
    options.digest = "digest";
    options.say = [this](const std::string& line) { said_.push_back(line); };
    auto log = TreeLog::Open(*std::move(store), std::move(options));
    EXPECT_TRUE(log.ok()) << log.status();
    EXPECT_TRUE((*log)->Begin("bins").ok());
    return *std::move(log);
  }
  std::string Piece(int first) const {
    return dir_ + "/trees/piece.00000000" + std::to_string(first);
  }

  const ScratchDirectory scratch_;
  const std::string dir_ = scratch_ / "kept";
  std::vector<std::string> said_;
};

TEST_F(TreeLogTest, RowsThatCannotBeKeptAreToldAndTriedAgain) {
  {
    const auto log = Open();
    const std::string away = dir_ + ".away";
    std::filesystem::rename(dir_, away);
    std::ofstream(dir_) << "in the way";
    EXPECT_TRUE(log->SetRows("rows").ok());
    ASSERT_EQ(said_.size(), 1u);
    EXPECT_THAT(said_[0], testing::HasSubstr("progress is not stored"));
    EXPECT_TRUE(log->KeepAll(Trees(2), 1).ok());
    EXPECT_EQ(said_.size(), 2u);
    std::filesystem::remove(dir_);
    std::filesystem::rename(away, dir_);
    EXPECT_FALSE(std::filesystem::exists(Piece(0)));
    EXPECT_TRUE(log->KeepAll(Trees(3), 1).ok());
    EXPECT_EQ(said_.size(), 2u);
  }
  const auto log = Open();
  EXPECT_EQ(log->TakeTrees({})->size(), 3u);
  EXPECT_EQ(log->SetRows("others").code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(log->SetRows("rows").ok());
}

TEST_F(TreeLogTest, PiecesThatLieOverOthersAreSkipped) {
  const auto keep = [this](std::size_t trees) {
    const auto log = Open();
    EXPECT_TRUE(log->SetRows("rows").ok());
    EXPECT_TRUE(log->KeepAll(Trees(trees), 1).ok());
  };
  // Pieces 0-1, 2-5, 4-5 and 5-6, 7-8.
  keep(2);
  keep(4);
  keep(6);
  const std::string third = Piece(4);
  std::filesystem::rename(third, dir_ + "/third");
  std::filesystem::remove(Piece(2));
  keep(5);
  keep(7);
  std::filesystem::rename(Piece(5), dir_ + "/fourth");
  std::filesystem::remove(Piece(2));
  keep(6);
  std::filesystem::rename(dir_ + "/third", third);
  std::filesystem::rename(dir_ + "/fourth", Piece(5));
  keep(9);
  ASSERT_TRUE(std::filesystem::exists(Piece(7)));

  const std::vector<Tree> trees = *Open()->TakeTrees({});
  ASSERT_EQ(trees.size(), 9u);
  for (std::size_t t = 0; t < trees.size(); ++t)
    EXPECT_EQ(trees[t].leaf_value, Trees(9)[t].leaf_value) << t;
}

TEST_F(TreeLogTest, WhatIsCutShortIsDamagedAndNoOtherVersion) {
  Open();
  const std::string job = dir_ + "/trees/job";
  const std::string whole = ReadWholeFile(job).value();
  const auto error = [&](const std::string& bytes) {
    EXPECT_TRUE(WriteFileAtomically(job, bytes).ok());
    CheckpointConfig config;
    config.dir = dir_;
    return std::string(TreeLog::Open(*OpenCheckpointLogStore(config), {.digest = "digest"}).status().message());
  };
  using testing::HasSubstr;
  for (const std::size_t bytes : {1, 7, 8, 11})
    EXPECT_THAT(error(whole.substr(0, bytes)), HasSubstr("is damaged: it ends after " + std::to_string(bytes) + " bytes"));
  EXPECT_THAT(error(whole.substr(0, whole.size() / 2)), HasSubstr("is damaged: it is cut short or was changed"));
  EXPECT_THAT(error("something else"), HasSubstr("nothing that a job of trees has written"));
  std::string later = whole;
  later[7] = '2';
  EXPECT_THAT(error(later), testing::AllOf(HasSubstr("is of another version of the program"), HasSubstr("checkpoint.resume: never")));
}

}  // namespace
}  // namespace ps
