// Text of tables to keys, bytes per second of one core. The texts are generated in the Criteo
// layout: 13 integers of long-tailed distributions, 26 categories of eight hexadecimal digits,
// missing values as frequent as in the public set. One block is parsed again and again, as when a
// reader has just filled it.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <random>
#include <string>

#include "models/features/extractor.h"

namespace ps {
namespace {

constexpr std::size_t kBlockBytes = 256 << 10;

std::string CriteoRow(std::mt19937_64* random) {
  // Percent of rows in which the column is missing, and the scale of its logarithm.
  constexpr int kMissing[13] = {45, 0, 20, 20, 5, 25, 5, 0, 5, 45, 5, 78, 20};
  constexpr double kScale[13] = {1, 2, 2, 1.5, 4, 3, 2, 2, 3, .3, 1, .5, 1.5};
  auto& r = *random;
  std::string row = r() % 4 == 0 ? "1" : "0";
  for (int i = 0; i < 13; ++i) {
    row += '\t';
    if (r() % 100 < static_cast<std::uint64_t>(kMissing[i])) continue;
    const double x = std::exp(kScale[i] * std::normal_distribution<double>(1, 1)(r));
    row += std::to_string(static_cast<int>(std::min(x, 1e7)) - (i == 1));
  }
  for (int i = 0; i < 26; ++i) {
    row += '\t';
    if (i % 5 == 4 && r() % 100 < 45) continue;
    char text[16];
    const double rank = std::pow(2.0, std::uniform_real_distribution<double>(0, 20)(r));
    std::snprintf(text, sizeof(text), "%08x",
                  static_cast<unsigned>(static_cast<std::uint64_t>(rank) * 2654435761u));
    row += text;
  }
  return row + "\n";
}

// As many rows as a sample for cuts has, in a temporary file.
std::string CriteoFile() {
  static const std::string* const path = [] {
    auto* name = new std::string(
        std::string(std::getenv("TMPDIR") ? std::getenv("TMPDIR") : "/tmp") + "/extract_bench.tsv");
    std::mt19937_64 random(1);
    std::ofstream file(*name, std::ios::binary);
    for (int i = 0; i < 30'000; ++i) file << CriteoRow(&random);
    return name;
  }();
  return *path;
}

enum Plan : int { kDefault, kLog, kCategoriesOnly };

void BM_Criteo(benchmark::State& state) {
  JobConfig config;
  config.data.format = DataFormat::kCriteo;
  for (int c = 1; state.range(0) != kDefault && c < 40; ++c) {
    FeatureConfig feature;
    feature.column.index = c;
    feature.op = c <= 13 ? FeatureOp::kLog : FeatureOp::kHash;
    if (c > 13 || state.range(0) == kLog) config.features.push_back(feature);
  }
  const auto files = DataFiles::Open({CriteoFile()});
  const auto extractor = files.ok() ? Extractor::Compile(config, *files)
                                    : absl::StatusOr<std::unique_ptr<Extractor>>(files.status());
  if (!extractor.ok()) {
    state.SkipWithError(extractor.status().ToString().c_str());
    return;
  }
  const auto parser = (*extractor)->MakeParser();
  std::mt19937_64 random(2);
  std::string text;
  while (text.size() < kBlockBytes) text += CriteoRow(&random);
  RowBlock block;
  for (auto _ : state) {
    block.Clear();
    parser->Parse(text, {0, 1}, &block);
    benchmark::DoNotOptimize(block.key.data());
  }
  if (block.bad_rows != 0) state.SkipWithError("bad rows");
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
  state.counters["keys_per_row"] =
      static_cast<double>(block.features()) / static_cast<double>(block.rows());
  state.counters["rows_per_second"] = benchmark::Counter(
      static_cast<double>(state.iterations() * block.rows()), benchmark::Counter::kIsRate);
}
BENCHMARK(BM_Criteo)
    ->ArgName("default_log_categories")
    ->Arg(kDefault)
    ->Arg(kLog)
    ->Arg(kCategoriesOnly);

void BM_CompileCriteo(benchmark::State& state) {
  JobConfig config;
  config.data.format = DataFormat::kCriteo;
  const auto files = DataFiles::Open({CriteoFile()});
  for (auto _ : state) benchmark::DoNotOptimize(Extractor::Compile(config, *files));
}
BENCHMARK(BM_CompileCriteo)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ps

BENCHMARK_MAIN();
