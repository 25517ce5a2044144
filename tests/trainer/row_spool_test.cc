// Blocks come back as they were put in, from memory and from the file.
#include "trainer/embedded/row_spool.h"

#include <gtest/gtest.h>

#include <random>

namespace ps {
namespace {

ResolvedBlock RandomBlock(unsigned seed) {
  std::mt19937 random(seed);
  ResolvedBlock block;
  const bool values = seed % 2 == 1, weights = seed % 3 == 1;
  for (std::size_t r = 0, rows = random() % 50; r < rows; ++r) {
    for (std::size_t i = 0, groups = random() % 6; i < groups * kGroup; ++i) {
      block.ids.push_back(static_cast<std::uint32_t>(random()));
      if (values) block.values.push_back(static_cast<float>(random()));
    }
    block.row_begin.push_back(static_cast<std::uint32_t>(block.ids.size()));
    block.labels.push_back(random() % 2);
    if (weights) block.weights.push_back(static_cast<float>(random() % 9));
  }
  return block;
}

class RowSpoolTest : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(RowSpoolTest, ReturnsWhatWasAppended) {
  RowSpool spool(::testing::TempDir() + "/spool", GetParam());
  std::vector<ResolvedBlock> blocks;
  std::uint64_t rows = 0;
  for (unsigned seed = 0; seed < 60; ++seed) {
    ResolvedBlock block = RandomBlock(seed);
    ASSERT_TRUE(spool.Append(block).ok());
    rows += block.rows();
    if (block.rows() > 0) blocks.push_back(std::move(block));
  }
  EXPECT_EQ(spool.rows(), rows);
  ASSERT_EQ(spool.blocks(), blocks.size());
  EXPECT_EQ(spool.file_bytes() > 0, GetParam() < 1'000'000);
  ResolvedBlock storage;
  for (std::size_t i = blocks.size(); i-- > 0;) {
    const ResolvedBlock* read = nullptr;
    ASSERT_TRUE(spool.Read(i, &storage, &read).ok());
    EXPECT_EQ(read->ids, blocks[i].ids);
    EXPECT_EQ(read->values, blocks[i].values);
    EXPECT_EQ(read->row_begin, blocks[i].row_begin);
    EXPECT_EQ(read->labels, blocks[i].labels);
    EXPECT_EQ(read->weights, blocks[i].weights);
  }
}

INSTANTIATE_TEST_SUITE_P(Limits, RowSpoolTest, ::testing::Values(0, 20'000, 1'000'000'000));

TEST(RowSpool, ADirectoryThatCannotBeMadeIsNamed) {
  RowSpool spool("/proc/no/such", 0);
  const absl::Status status = spool.Append(RandomBlock(5));
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find("train.row_cache"), absl::string_view::npos) << status;
}

}  // namespace
}  // namespace ps
