// Histograms as workers send them: packed, added up, and cut off anywhere.
#include "ps/trees/histogram_codec.h"

#include <gtest/gtest.h>

#include <random>
#include <string_view>
#include <vector>

namespace ps {
namespace {

TEST(HistogramCodecTest, GivesBackWhatWasPacked) {
  std::mt19937 random(1);
  for (const std::size_t count : {0u, 1u, 63u, 64u, 65u, 700u}) {
    for (const unsigned zeros : {0u, 1u, 50u, 95u, 100u}) {
      for (const int bits : {1, 10, 30}) {
        std::vector<WideSum> cells(count), twice(count), back(count);
        for (std::size_t i = 0; i < count; ++i) {
          if (random() % 100 < zeros) continue;
          const auto g = static_cast<std::int64_t>(random() % (1u << bits)) - (1 << bits) / 2;
          const auto h = static_cast<std::int64_t>(random() % (1u << bits));
          cells[i] = (h << 32) + g;
          twice[i] = 2 * cells[i];
        }
        std::string packed;
        PackHistogram(cells.data(), count, &packed);
        ASSERT_EQ(PackedSize(packed, count), packed.size());
        AddPackedHistogram(packed, count, back.data());
        EXPECT_EQ(back, cells);
        if (bits < 30) {
          AddPackedHistogram(packed, count, back.data());
          EXPECT_EQ(back, twice);
        }
        // Nothing reads beyond what is there.
        for (std::size_t end = 0; end < packed.size(); end += 1 + packed.size() / 50)
          EXPECT_NE(PackedSize(std::string_view(packed).substr(0, end), count), packed.size());
      }
    }
  }
}

}  // namespace
}  // namespace ps
