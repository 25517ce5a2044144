// Histograms as workers send them: packed, added up, and cut off anywhere.
#include "ps/trees/histogram_codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <string_view>
#include <vector>

namespace ps {
namespace {

std::vector<std::uint64_t> OffsetsOf(const std::vector<std::uint32_t>& cells) {
  std::vector<std::uint64_t> offsets{0};
  for (const std::uint32_t count : cells) offsets.push_back(offsets.back() + count);
  return offsets;
}

std::vector<CellGroup> GroupsOf(const std::vector<std::uint32_t>& cells, bool together) {
  const std::vector<std::uint64_t> offsets = OffsetsOf(cells);
  std::vector<std::uint32_t> columns(cells.size());
  std::iota(columns.begin(), columns.end(), 0u);
  return GroupCells(columns, offsets, together, [&](std::uint32_t c) { return offsets[c]; });
}

TEST(HistogramCodecTest, GivesBackWhatWasPacked) {
  std::mt19937 random(1);
  for (const std::uint32_t count : {0u, 1u, 2u, 63u, 64u, 65u, 256u, 700u}) {
    for (const unsigned zeros : {0u, 1u, 50u, 95u, 100u}) {
      for (const int bits : {1, 10, 30, 31}) {
        const std::vector<CellGroup> groups = GroupsOf({count, 3, 0, 200}, random() % 2 == 0);
        const std::size_t all = count + 203;
        std::vector<WideSum> cells(all), twice(all), back(all);
        for (std::size_t i = 0; i < all; ++i) {
          if (random() % 100 < zeros) continue;
          const auto g = static_cast<std::int64_t>(random() % (1u << bits)) - (1ll << bits) / 2;
          const auto h = static_cast<std::int64_t>(random() % (1u << bits));
          cells[i] = (h << 32) + g;
          twice[i] = 2 * cells[i];
        }
        std::string packed = "before";
        PackHistogram(cells.data(), groups, &packed);
        packed.erase(0, 6);
        ASSERT_EQ(AddPackedHistogram(packed + "behind", groups, back.data()), packed.size());
        ASSERT_EQ(back, cells);
        if (bits < 30) {
          ASSERT_EQ(AddPackedHistogram(packed, groups, back.data()), packed.size());
          EXPECT_EQ(back, twice);
          SubtractPackedHistogram(packed, groups, back.data());
          EXPECT_EQ(back, cells);
        }
        // Nothing reads beyond what is there, and nothing is left of what was not whole.
        for (std::size_t end = 0; end < packed.size(); end += 1 + packed.size() / 20) {
          EXPECT_EQ(
              AddPackedHistogram(std::string_view(packed).substr(0, end), groups, back.data()),
              std::string_view::npos);
          EXPECT_EQ(back, cells);
        }
      }
    }
  }
}

// Of any length, so that its end meets every place in the writer's room.
TEST(HistogramCodecTest, EndsAnywhere) {
  std::mt19937 random(2);
  for (int i = 0; i < 4000; ++i) {
    const std::vector<CellGroup> groups =
        GroupsOf({1 + static_cast<std::uint32_t>(random() % 1500)}, false);
    std::vector<WideSum> cells(groups.back().first + groups.back().count), back(cells.size());
    for (WideSum& cell : cells)
      cell = (static_cast<std::int64_t>(random() % 2000) << 32) +
             static_cast<std::int64_t>(random() % 300);
    std::string packed;
    PackHistogram(cells.data(), groups, &packed);
    ASSERT_EQ(AddPackedHistogram(packed, groups, back.data()), packed.size());
    ASSERT_EQ(back, cells);
  }
}

TEST(HistogramCodecTest, AnyBytesAreReadToTheirEndAtMost) {
  std::mt19937 random(3);
  const std::vector<CellGroup> groups = GroupsOf({300, 5, 64, 1000}, false);
  const std::vector<WideSum> before(1369, 77);
  for (int i = 0; i < 3000; ++i) {
    std::string bytes(random() % 4000, '\0');
    // More zeros than ones: long codes.
    for (char& byte : bytes)
      byte = static_cast<char>(random() & (i % 2 == 0 ? 255 : random() & random()));
    std::vector<WideSum> cells = before;
    const std::size_t taken = AddPackedHistogram(bytes, groups, cells.data());
    if (taken == std::string_view::npos) {
      ASSERT_EQ(cells, before);
    } else {
      ASSERT_LE(taken, bytes.size());
    }
  }
}

// Sums of as many rows that differ by their noise: the bits that such noise has, and little more.
TEST(HistogramCodecTest, TakesTheBitsOfTheNoise) {
  std::mt19937 random(4);
  for (const double deviation : {3.0, 20.0, 150.0, 1000.0, 7000.0}) {
    std::normal_distribution<double> g(40, deviation), h(500000, deviation);
    const std::vector<CellGroup> groups = GroupsOf({256, 256, 256, 256}, false);
    std::vector<WideSum> cells(1024);
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (i % 256 == 0) continue;  // nothing is missing
      cells[i] = (std::llround(h(random)) << 32) + std::llround(g(random));
    }
    std::string packed;
    PackHistogram(cells.data(), groups, &packed);
    const double noise = 2 * std::log2(deviation * std::sqrt(2 * M_PI * M_E));
    EXPECT_LT(8.0 * static_cast<double>(packed.size()) / 1020, noise + 0.75) << deviation;
  }
}

TEST(ColumnSharesTest, EachColumnHasOneServer) {
  std::mt19937 random(5);
  for (const std::uint32_t servers : {1u, 2u, 3u, 50u}) {
    for (const std::size_t columns : {1u, 7u, 28u, 5000u}) {
      std::vector<std::uint32_t> cells(columns);
      for (std::uint32_t& count : cells) count = 1 + static_cast<std::uint32_t>(random() % 255);
      const std::vector<std::uint64_t> offsets = OffsetsOf(cells);
      const std::vector<std::vector<std::uint32_t>> shares = ShareColumns(offsets, servers);
      ASSERT_EQ(shares.size(), servers);
      std::vector<int> has(columns);
      for (const std::vector<std::uint32_t>& share : shares) {
        std::uint64_t of_server = 0;
        for (std::size_t i = 0; i < share.size(); ++i) {
          EXPECT_TRUE(i == 0 || share[i - 1] < share[i]);
          ++has[share[i]];
          of_server += cells[share[i]];
        }
        if (columns >= 100 * servers) {
          EXPECT_NEAR(static_cast<double>(of_server) * servers, static_cast<double>(offsets.back()),
                      0.1 * static_cast<double>(offsets.back()));
        }
      }
      EXPECT_EQ(has, std::vector<int>(columns, 1));
    }
  }
}

TEST(ColumnSharesTest, EachColumnHasOneWorkerAndCellsAreEven) {
  std::mt19937 random(7);
  for (const std::uint32_t workers : {1u, 2u, 7u, 400u}) {
    std::vector<std::uint32_t> cells(300);
    std::uint32_t all = 0;
    for (std::uint32_t& count : cells) all += count = 1 + random() % 256;
    const std::vector<std::uint64_t> offsets = OffsetsOf(cells);
    const std::vector<std::vector<std::uint32_t>> shares = DealColumns(offsets, workers);
    ASSERT_EQ(shares.size(), workers);
    std::vector<int> seen(cells.size());
    for (const std::vector<std::uint32_t>& share : shares) {
      EXPECT_TRUE(std::is_sorted(share.begin(), share.end()));
      std::uint32_t of_share = 0;
      for (const std::uint32_t column : share) {
        ++seen[column];
        of_share += cells[column];
      }
      EXPECT_LE(of_share, all / workers + 256);
    }
    EXPECT_EQ(seen, std::vector<int>(cells.size(), 1));
  }
}

TEST(ColumnSharesTest, GroupsAreWholeColumnsOrPartsOfOne) {
  const std::vector<std::uint64_t> offsets = OffsetsOf({3, 10, 51, 1, 200, 0, 64, 5});
  const auto place = [&](std::uint32_t c) { return offsets[c]; };
  const auto sizes = [&](const std::vector<std::uint32_t>& columns, bool together) {
    std::vector<std::uint32_t> counts;
    for (const CellGroup& group : GroupCells(columns, offsets, together, place))
      counts.push_back(group.count);
    return counts;
  };
  using Sizes = std::vector<std::uint32_t>;
  EXPECT_EQ(sizes({0, 1, 2, 3, 4, 5, 6, 7}, false), (Sizes{3, 10, 51, 1, 50, 50, 50, 50, 64, 5}));
  EXPECT_EQ(sizes({0, 1, 2, 3, 4, 5, 6, 7}, true), (Sizes{64, 1, 50, 50, 50, 50, 64, 5}));
  EXPECT_EQ(sizes({0, 2, 3, 7}, true), (Sizes{3, 52, 5}));  // not next to each other: not together
}

}  // namespace
}  // namespace ps
