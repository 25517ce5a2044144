// Blocks of rows on their way into the whole: columns that are left out, and margins of grown
// trees.
#include "trainer/gbdt/binned_block.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "models/gbdt/booster.h"
#include "tests/gbdt/binned_sample.h"

namespace ps {
namespace {

constexpr std::size_t kRows = 900, kBlockRows = 250;

BinnedBlock BlockOf(const BinnedRows& rows, std::size_t first, std::size_t end) {
  BinnedBlock block;
  block.labels.assign(rows.labels.begin() + static_cast<std::ptrdiff_t>(first),
                      rows.labels.begin() + static_cast<std::ptrdiff_t>(end));
  if (!rows.sparse) {
    block.bins.assign(rows.bins.data() + first * rows.stride, rows.bins.data() + end * rows.stride);
    return block;
  }
  const std::uint64_t begin = rows.row_begin[first];
  block.cells.assign(rows.cells.data() + begin, rows.cells.data() + rows.row_begin[end]);
  for (std::size_t r = first; r <= end; ++r)
    block.row_begin.push_back(static_cast<std::uint32_t>(rows.row_begin[r] - begin));
  return block;
}

std::vector<BinnedSample> Samples() {
  std::vector<BinnedSample> samples;
  samples.push_back(MakeSample({.rows = kRows, .columns = 7, .bins = 20, .categories = 2}));
  samples.push_back(
      MakeSample({.rows = kRows, .columns = 30, .bins = 6, .missing = 0.6, .sparse = true}));
  for (BinnedSample& sample : samples) GiveClasses(3, &sample);
  return samples;
}

TEST(BinnedBlockTest, KeepsTheBinsOfTheColumnsThatAreWanted) {
  for (const BinnedSample& sample : Samples()) {
    for (const std::vector<std::uint32_t>& columns :
         {std::vector<std::uint32_t>{}, {0}, {1, 2, 5}, {0, 1, 2, 3, 4, 5, 6}}) {
      BinnedRows whole;
      whole.sparse = sample.rows.sparse;
      whole.stride = sample.rows.stride;
      whole.first_cell = sample.rows.first_cell;
      const ColumnCut cut(whole, columns);
      const BinnedRows empty = cut.Empty();
      BinnedBlock block = BlockOf(sample.rows, 100, 350);
      cut.Cut(&block);
      for (std::size_t r = 0; r < 250; ++r) {
        std::size_t found = 0;
        for (std::size_t c = 0; c < columns.size(); ++c) {
          const std::uint8_t bin = sample.bin[100 + r][columns[c]];
          if (!sample.rows.sparse) {
            ASSERT_EQ(block.bins[r * empty.stride + c], bin);
          } else if (bin != 0) {
            ASSERT_EQ(block.cells.at(block.row_begin[r] + found++), empty.first_cell[c] + bin - 1);
          }
        }
        if (!sample.rows.sparse) continue;
        ASSERT_EQ(block.row_begin[r + 1] - block.row_begin[r], found);
      }
      EXPECT_EQ(block.bins.size(), sample.rows.sparse ? 0 : 250 * empty.stride);
    }
  }
}

TEST(BinnedBlockTest, MarginsAreThoseOfTreesOnTheWhole) {
  for (const BinnedSample& sample : Samples()) {
    BoostParams params;
    params.objective = Objective::kSoftmax;
    params.classes = 3;
    params.grow.max_leaves = 8;
    Crew crew(1);
    Booster booster(&sample.rows, &sample.columns, params, &crew);
    std::vector<Tree> trees;
    for (const std::size_t wanted : {0u, 3u, 5u}) {
      while (trees.size() < wanted) trees.push_back(booster.GrowNext());
      const std::vector<double> base = booster.base_scores();
      std::vector<float> expected = StartMargins(base, kRows), at_round;
      for (std::size_t t = 0; t < wanted; ++t) {
        if (t == 3) at_round = expected;
        AddTree(trees[t], sample.rows, &crew, &expected, t % 3);
      }
      BlockMargins margins(&trees, &base);
      for (std::size_t first = 0; first < kRows; first += kBlockRows) {
        BinnedBlock block = BlockOf(sample.rows, first, std::min(kRows, first + kBlockRows));
        margins.Score(sample.rows, &block);
        const std::size_t middle = block.labels.size() / 3;
        margins.Append(block, 0, middle);
        margins.Append(block, middle, block.labels.size());
      }
      std::vector<float> all, begun;
      margins.TakeAll(&all, &begun);
      EXPECT_EQ(all, expected);
      EXPECT_EQ(begun, at_round);
    }
  }
}

}  // namespace
}  // namespace ps
