// Packed histograms of trees: a node of 28 columns x 170 bins; time is that of all its cells.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "ps/trees/histogram_codec.h"

namespace ps {
namespace {

constexpr std::uint32_t kColumns = 28, kBins = 170;

struct Sample {
  std::vector<WideSum> cells = std::vector<WideSum>(kColumns * kBins);
  std::vector<CellGroup> groups;

  Sample() {
    std::mt19937 random(1);
    std::normal_distribution<double> gradient(3, 40), hessian(120, 25);
    for (WideSum& cell : cells) {
      const auto g = static_cast<std::int64_t>(gradient(random)), h = static_cast<std::int64_t>(hessian(random));
      cell = (std::max<std::int64_t>(1, h) << 32) + g;
    }
    for (std::uint32_t column = 0; column < kColumns; ++column) {
      for (std::uint32_t first = 0; first < kBins; first += kMostGroupCells)
        groups.push_back({column * kBins + first, std::min(kMostGroupCells, kBins - first)});
    }
  }
};

void Count(benchmark::State& state, std::size_t bytes) {
  state.SetItemsProcessed(state.iterations() * kColumns * kBins);
  state.counters["bits_a_cell"] = 8.0 * static_cast<double>(bytes) / (kColumns * kBins);
}

void BM_Pack(benchmark::State& state) {
  const Sample sample;
  std::string packed;
  for (auto _ : state) {
    packed.clear();
    PackHistogram(sample.cells.data(), sample.groups, &packed);
  }
  Count(state, packed.size());
}
BENCHMARK(BM_Pack);

void BM_AddPacked(benchmark::State& state) {
  const Sample sample;
  std::vector<WideSum> sums(sample.cells.size());
  std::string packed;
  PackHistogram(sample.cells.data(), sample.groups, &packed);
  for (auto _ : state) benchmark::DoNotOptimize(AddPackedHistogram(packed, sample.groups, sums.data()));
  Count(state, packed.size());
}
BENCHMARK(BM_AddPacked);

}  // namespace
}  // namespace ps

BENCHMARK_MAIN();
