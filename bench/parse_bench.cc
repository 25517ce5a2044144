// Text parsing, bytes per second of one core. The texts are generated; 39 features a row as in the
// Criteo layout.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "models/data/libsvm_parser.h"
#include "models/data/row_block.h"
#include "models/data/vw_parser.h"

namespace ps {
namespace {

constexpr std::size_t kTextBytes = 8 << 20;     // larger than the second-level cache
constexpr std::size_t kBlockBytes = 256 << 10;  // what a reader hands to a parser
constexpr int kFeatures = 39;

enum Values : int { kOnes, kDecimals, kScientific, kHashedOnes, kUnordered, kBadRows };

std::string Row(Values values, std::mt19937_64* random) {
  auto& r = *random;
  const int index_bits = values == kHashedOnes ? 40 : 24;
  std::vector<std::uint64_t> indices(kFeatures);
  for (std::uint64_t& index : indices) index = 1 + (r() >> (64 - index_bits)) / (1 + r() % 50);
  std::sort(indices.begin(), indices.end());
  for (int i = 1; i < kFeatures; ++i) indices[i] = std::max(indices[i], indices[i - 1] + 1);
  if (values == kUnordered) std::shuffle(indices.begin(), indices.end(), r);
  std::string row = r() % 4 == 0 ? "1" : "0";
  for (const std::uint64_t index : indices) {
    char text[40] = "1";
    if (values == kDecimals) std::snprintf(text, sizeof(text), "%.4g", (r() % 100000) * 1e-4);
    if (values == kScientific) std::snprintf(text, sizeof(text), "%.7e", (r() % 100000) * 1.1e-6);
    row += " " + std::to_string(index) + ":" + text;
  }
  if (values == kBadRows && r() % 100 == 0) row += " 5:x";
  return row + "\n";
}

// Blocks of whole rows.
std::vector<std::string> Blocks(Values values) {
  std::mt19937_64 random(1);
  std::vector<std::string> blocks;
  for (std::size_t bytes = 0; bytes < kTextBytes; bytes += blocks.back().size()) {
    blocks.emplace_back();
    while (blocks.back().size() < kBlockBytes) blocks.back() += Row(values, &random);
  }
  return blocks;
}

void ParseBlocks(benchmark::State& state, const RowParser& parser,
                 const std::vector<std::string>& blocks) {
  RowBlock block;
  std::size_t bytes = 0;
  std::size_t features = 0;
  for (auto _ : state) {
    for (const std::string& text : blocks) {
      block.Clear();
      parser.Parse(text, {}, &block);
      benchmark::DoNotOptimize(block.key.data());
      bytes += text.size();
      features += block.features();
    }
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
  state.SetItemsProcessed(static_cast<std::int64_t>(features));
}

void Libsvm(benchmark::State& state) {
  ParseBlocks(state, LibsvmParser(1), Blocks(static_cast<Values>(state.range(0))));
  const char* labels[] = {"value 1",        "short decimals",    "scientific",
                          "40-bit indices", "indices unordered", "1 % bad rows"};
  state.SetLabel(labels[state.range(0)]);
}
BENCHMARK(Libsvm)->DenseRange(kOnes, kBadRows)->Unit(benchmark::kMillisecond);

void Vw(benchmark::State& state) {
  std::vector<std::string> blocks = Blocks(static_cast<Values>(state.range(0)));
  for (std::string& text : blocks) {
    std::string bars;
    for (std::size_t line = 0; line < text.size();) {
      const std::size_t next = text.find('\n', line) + 1;
      bars += text.substr(line, 1) + " |f" + text.substr(line + 1, next - line - 1);
      line = next;
    }
    text = bars;
  }
  ParseBlocks(state, VwParser(), blocks);
}
BENCHMARK(Vw)->Arg(kOnes)->Arg(kScientific)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ps

BENCHMARK_MAIN();
