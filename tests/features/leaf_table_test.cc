#include "models/features/leaf_table.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

#include "gtest/gtest.h"

namespace ps {
namespace {

void ExpectAgreesWithSearch(const std::vector<double>& cuts, std::mt19937_64* random) {
  const LeafTable table(cuts);
  ASSERT_EQ(table.leaves(), cuts.size() + 1);
  std::vector<double> probes = {0, 1, -1, 1e300, -1e300, 1e-300, 99999999, -99999999, 0.5};
  for (double cut : cuts) {
    probes.insert(probes.end(), {cut, std::nextafter(cut, 1e308), std::nextafter(cut, -1e308),
                                 cut * 1.01, cut + 1});
  }
  for (int i = 0; i < 2000; ++i) {
    const double low = cuts.empty() ? -10 : cuts.front() - 1;
    const double high = cuts.empty() ? 10 : cuts.back() + 1;
    probes.push_back(std::uniform_real_distribution<double>(low, high)(*random));
  }
  for (double x : probes) {
    if (!std::isfinite(x)) continue;
    const auto leaf =
        static_cast<std::uint32_t>(std::upper_bound(cuts.begin(), cuts.end(), x) - cuts.begin());
    ASSERT_EQ(table.LeafOf(x), leaf) << x;
  }
}

TEST(LeafTableTest, AgreesWithBinarySearch) {
  std::mt19937_64 random(11);
  ExpectAgreesWithSearch({}, &random);
  ExpectAgreesWithSearch({0}, &random);
  ExpectAgreesWithSearch({-5}, &random);
  ExpectAgreesWithSearch({0.5, 1.5, 2.5, 1e6}, &random);
  ExpectAgreesWithSearch({-2.5, -1.5, -0.5, 0.5, 7}, &random);
  ExpectAgreesWithSearch({-1e300, 0, 1e300}, &random);
  ExpectAgreesWithSearch({-1.7e308, 1.7e308}, &random);
  ExpectAgreesWithSearch({4e-324, 1e-310, 1e-300, 5}, &random);
  for (int round = 0; round < 300; ++round) {
    std::set<double> cuts;
    const int count = 1 + static_cast<int>(random() % 300);
    const double scale = std::exp(static_cast<double>(random() % 40) - 20);
    while (static_cast<int>(cuts.size()) < count) {
      double x = std::normal_distribution<double>(0, 1)(random);
      if (round % 3 == 0) x = std::floor(std::exp(3 * x)) + 0.5;  // half-way between integers
      if (round % 3 == 1) x *= scale;
      if (round % 3 == 2) x = 1e6 + x;
      cuts.insert(x);
      if (round % 3 == 0 && random() % 500 == 0) break;
    }
    ExpectAgreesWithSearch({cuts.begin(), cuts.end()}, &random);
  }
}

}  // namespace
}  // namespace ps
