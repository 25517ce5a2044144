#include "models/data/row_split.h"

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace ps {
namespace {

RowBlock RandomBlock(std::mt19937_64* random, int rows, bool weights, bool values) {
  auto& r = *random;
  RowBlock block;
  block.file = 2;
  for (int row = 0; row < rows; ++row) {
    block.label.push_back(static_cast<float>(r() % 2));
    block.row_offset.push_back(static_cast<std::uint64_t>(row) * 50 + r() % 50);
    if (weights) block.weight.push_back(static_cast<float>(r() % 10));
    for (int f = static_cast<int>(r() % 6); f > 0; --f) {
      block.key.push_back(IndexKey(r()));
      if (values) block.value.push_back(static_cast<float>(r() % 100));
    }
    block.row_begin.push_back(static_cast<std::uint32_t>(block.key.size()));
  }
  block.lines = rows + 3;
  block.bad_rows = 2;
  return block;
}

TEST(RowSplitTest, PartsHoldEveryRowOnceAsItWas) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 60; ++round) {
    const bool weights = round % 2 == 0;
    const bool values = round % 3 == 0;
    const RowBlock in = RandomBlock(&random, static_cast<int>(random() % 200), weights, values);
    const RowSplit split(7, {0.2, 0.3}, 0.5);
    std::map<std::uint64_t, std::size_t> row_at;
    for (std::size_t row = 0; row < in.rows(); ++row) row_at[in.row_offset[row]] = row;
    std::size_t total = 0;
    for (const Part part : {Part::kTrain, Part::kValid, Part::kTest, Part::kDropped}) {
      RowBlock out = in;  // not empty: must be replaced
      split.TakePart(in, part, &out);
      total += out.rows();
      ASSERT_EQ(out.file, in.file);
      ASSERT_EQ(out.bad_rows, 0);
      ASSERT_EQ(out.row_begin.size(), out.rows() + 1);
      ASSERT_EQ(out.row_begin.back(), out.features());
      ASSERT_EQ(out.weight.size(), weights ? out.rows() : 0);
      ASSERT_EQ(out.value.size(), values ? out.features() : 0);
      for (std::size_t row = 0; row < out.rows(); ++row) {
        const std::size_t from = row_at.at(out.row_offset[row]);
        if (row > 0) {
          ASSERT_LT(out.row_offset[row - 1], out.row_offset[row]);
        }
        ASSERT_EQ(split.PartOf({in.file, out.row_offset[row]}, out.label[row]), part);
        ASSERT_EQ(out.label[row], in.label[from]);
        if (weights) {
          ASSERT_EQ(out.weight[row], in.weight[from]);
        }
        const std::uint32_t count = out.row_begin[row + 1] - out.row_begin[row];
        ASSERT_EQ(count, in.row_begin[from + 1] - in.row_begin[from]);
        for (std::uint32_t f = 0; f < count; ++f) {
          ASSERT_EQ(out.key[out.row_begin[row] + f], in.key[in.row_begin[from] + f]);
          if (values) {
            ASSERT_EQ(out.value[out.row_begin[row] + f], in.value[in.row_begin[from] + f]);
          }
        }
      }
    }
    ASSERT_EQ(total, in.rows());
  }
}

TEST(RowSplitTest, FractionsAreMetAndOnlyNegativesAreDropped) {
  const RowSplit split(1, {0.1, 0.2}, 0.25);
  constexpr int kRows = 200000;
  for (const float label : {0.0f, 1.0f}) {
    std::map<Part, int> count;
    for (int row = 0; row < kRows; ++row) {
      ++count[split.PartOf({0, static_cast<std::uint64_t>(row) * 37}, label)];
    }
    EXPECT_NEAR(count[Part::kValid], kRows * 0.1, kRows * 0.005);
    EXPECT_NEAR(count[Part::kTest], kRows * 0.2, kRows * 0.005);
    if (label == 1.0f) {
      EXPECT_EQ(count[Part::kDropped], 0);
    } else {
      EXPECT_NEAR(count[Part::kTrain], kRows * 0.7 * 0.25, kRows * 0.005);
    }
  }
}

TEST(RowSplitTest, SeedAndFileMatterLabelDoesNotForValidAndTest) {
  const RowSplit one(1, {0.5, 0}, 0.1);
  const RowSplit two(2, {0.5, 0}, 0.1);
  int same_seed = 0;
  int same_file = 0;
  for (std::uint64_t offset = 0; offset < 2000; ++offset) {
    const Part part = one.PartOf({0, offset}, 1);
    same_seed += part == two.PartOf({0, offset}, 1);
    same_file += part == one.PartOf({1, offset}, 1);
    EXPECT_EQ(part == Part::kValid, one.PartOf({0, offset}, 0) == Part::kValid);
  }
  EXPECT_NEAR(same_seed, 1000, 150);
  EXPECT_NEAR(same_file, 1000, 150);
}

TEST(RowSplitTest, FoldsPartTheRowsThatAreNoTest) {
  const int folds = 4;
  std::vector<RowSplit> splits;
  for (int fold = 0; fold < folds; ++fold) splits.emplace_back(7, SplitConfig{.valid = 0.2, .test = 0.2, .valid_fold = fold}, 1);
  const RowSplit all(7, SplitConfig{.test = 0.2}, 1);
  std::vector<int> sizes(folds);
  for (std::uint64_t offset = 0; offset < 20'000; ++offset) {
    const RowIdentity row{1, offset};
    int valid = 0, test = 0;
    for (int fold = 0; fold < folds; ++fold) {
      const Part part = splits[fold].PartOf(row, 0);
      valid += part == Part::kValid;
      test += part == Part::kTest;
      sizes[fold] += part == Part::kValid;
    }
    const bool is_test = all.PartOf(row, 0) == Part::kTest;
    ASSERT_EQ(test, is_test ? folds : 0);
    ASSERT_EQ(valid, is_test ? 0 : 1);
  }
  for (const int size : sizes) EXPECT_NEAR(size, 4000, 300);
}

TEST(RowSplitTest, PartsOfTheTrainingRowsLieInEachOther) {
  const SplitConfig split{.valid = 0.2, .test = 0.1};
  const auto of = [&](double part) {
    SplitConfig own = split;
    own.train_part = part;
    return RowSplit(5, own, 0.5);
  };
  const RowSplit all = of(1), third = of(1.0 / 3), ninth = of(1.0 / 9);
  EXPECT_TRUE(RowSplit(5, {.train_part = 0.5}, 1).splits());
  std::map<float, std::vector<int>> rows;  // learnt by each, of a label
  for (const float label : {0.0f, 1.0f}) {
    std::vector<int>& count = rows[label];
    count.resize(3);
    for (std::uint64_t offset = 0; offset < 100'000; ++offset) {
      const Part whole = all.PartOf({1, offset}, label);
      const Part larger = third.PartOf({1, offset}, label), smaller = ninth.PartOf({1, offset}, label);
      if (whole == Part::kValid || whole == Part::kTest) {
        ASSERT_EQ(larger, whole);
        ASSERT_EQ(smaller, whole);
      }
      ASSERT_TRUE(smaller != Part::kTrain || larger == Part::kTrain);
      ASSERT_TRUE(larger != Part::kTrain || whole == Part::kTrain);
      count[0] += whole == Part::kTrain;
      count[1] += larger == Part::kTrain;
      count[2] += smaller == Part::kTrain;
    }
    EXPECT_NEAR(count[1], count[0] / 3.0, count[0] * 0.01);
    EXPECT_NEAR(count[2], count[0] / 9.0, count[0] * 0.01);
  }
  EXPECT_NEAR(rows[1][0], 70'000, 500);
  EXPECT_NEAR(rows[0][0], 35'000, 500);
}

TEST(RowSplitTest, TextsTellApartWhatPartsRowsInAnotherWay) {
  const auto text = [](std::uint64_t seed, const SplitConfig& split, double keep_negatives) {
    return RowSplit(seed, split, keep_negatives).Text();
  };
  const SplitConfig one{.valid = 0.2, .test = 0.1};
  EXPECT_EQ(text(7, one, 0.5), text(7, one, 0.5));
  const std::set<std::string> texts{
      text(7, one, 0.5),
      text(8, one, 0.5),
      text(7, one, 0.6),
      text(7, {.valid = 0.3, .test = 0.1}, 0.5),
      text(7, {.valid = 0.2, .test = 0.3}, 0.5),
      text(7, {.valid = 0.2, .test = 0.1, .valid_fold = 1}, 0.5),
      text(7, {.valid = 0.2, .test = 0.1, .valid_fold = 2}, 0.5),
      text(7, {.valid = 0.2, .test = 0.1, .train_part = 0.5}, 0.5),
  };
  EXPECT_EQ(texts.size(), 8u);
}

TEST(RowSplitTest, NothingToSplit) {
  const RowSplit split(9, {}, 1.0);
  EXPECT_FALSE(split.splits());
  EXPECT_EQ(split.PartOf({0, 12}, 0), Part::kTrain);
  EXPECT_TRUE(RowSplit(9, {0.1, 0}, 1.0).splits());
  EXPECT_TRUE(RowSplit(9, {}, 0.9).splits());
  const RowSplit all_valid(9, {1.0, 0}, 1.0);
  for (std::uint64_t offset = 0; offset < 1000; ++offset) {
    ASSERT_EQ(all_valid.PartOf({0, offset}, 0), Part::kValid);
  }
}

}  // namespace
}  // namespace ps
