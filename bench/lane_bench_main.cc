// lane_bench: what K settings at once cost in the embedded trainer's table, beside K tables of one
// setting each: look-ups and learning apart, and together. One thread; made-up rows.
#include <gflags/gflags.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "bench/table_load.h"
#include "ps/base/program_flags.h"
#include "trainer/embedded/dense_model.h"

DEFINE_uint64(keys, 20'000'000, "Distinct features to draw from");
DEFINE_uint64(rows, 200'000, "Rows timed");
DEFINE_int32(features, 39, "Features a row");
DEFINE_double(zipf, 1.05, "Exponent of the skewed draws");
DEFINE_int32(repeat, 3, "Runs; the fastest counts");

namespace ps {
namespace {

constexpr std::size_t kBlockRows = 1000;

// Processor time of this thread: what a shared machine does meanwhile does not count.
double ThreadSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

std::vector<OptimizerParams> Settings(int lanes) {
  std::vector<OptimizerParams> settings;
  for (int k = 0; k < lanes; ++k) {
    settings.push_back(
        {Optimizer::kFtrl, 0.05f + 0.02f * static_cast<float>(k), 0.5f, 0.1f, 0, 0.2f});
  }
  return settings;
}

std::vector<RowBlock> Blocks(double zipf, std::uint64_t rows) {
  KeySampler sampler(FLAGS_keys, zipf, static_cast<std::size_t>(FLAGS_features));
  std::vector<RowBlock> blocks;
  std::vector<Key> keys;
  for (std::uint64_t done = 0; done < rows; done += kBlockRows) {
    RowBlock block;
    for (std::size_t r = 0; r < kBlockRows; ++r) {
      sampler.Draw(static_cast<std::size_t>(FLAGS_features), &keys);
      block.key.insert(block.key.end(), keys.begin(), keys.end());
      block.row_begin.push_back(static_cast<std::uint32_t>(block.key.size()));
      block.label.push_back(Mix64(done + r) % 4 == 0 ? 1.0f : 0.0f);
    }
    blocks.push_back(std::move(block));
  }
  return blocks;
}

struct Times {
  double resolve = 0, learn = 0;
};

// `tables` models of `lanes` lanes each see all blocks.
Times Measure(const std::vector<RowBlock>& blocks, int tables, int lanes) {
  Times best{1e9, 1e9};
  std::vector<std::unique_ptr<DenseModel>> models;
  for (int t = 0; t < tables; ++t) {
    models.push_back(std::make_unique<DenseModel>(DenseModel::Options{.lanes = Settings(lanes)}));
  }
  std::vector<DenseModel::Scratch> scratch(models.size());
  ResolvedBlock resolved;
  std::vector<float> margins;
  for (int run = 0; run <= FLAGS_repeat; ++run) {  // the first one inserts
    Times times;
    for (const RowBlock& block : blocks) {
      for (std::size_t t = 0; t < models.size(); ++t) {
        const double start = ThreadSeconds();
        models[t]->Resolve(block, &scratch[t], &resolved);
        const double between = ThreadSeconds();
        models[t]->Learn(resolved.View(), &margins).IgnoreError();  // only a device fails
        times.resolve += between - start;
        times.learn += ThreadSeconds() - between;
      }
    }
    if (run == 0) continue;
    best.resolve = std::min(best.resolve, times.resolve);
    best.learn = std::min(best.learn, times.learn);
  }
  return best;
}

void Run() {
  std::printf(
      "%d features a row out of %zu; ns a row, one thread: look-ups + learning\n\n"
      "| draws | K | one table of K lanes | K tables of one lane | times faster: learning | "
      "together |\n"
      "|---|---|---|---|---|---|\n",
      FLAGS_features, static_cast<std::size_t>(FLAGS_keys));
  for (const double zipf : {0.0, FLAGS_zipf}) {
    const std::vector<RowBlock> blocks = Blocks(zipf, FLAGS_rows);
    for (const int lanes : {1, 2, 4, 8, 16}) {
      const Times one = Measure(blocks, 1, lanes), many = Measure(blocks, lanes, 1);
      const double scale = 1e9 / (static_cast<double>(blocks.size()) * kBlockRows);
      std::printf("| %s | %d | %.0f + %.0f | %.0f + %.0f | %.1f | %.1f |\n",
                  zipf == 0 ? "uniform" : "Zipf", lanes, one.resolve * scale, one.learn * scale,
                  many.resolve * scale, many.learn * scale, many.learn / one.learn,
                  (many.resolve + many.learn) / (one.resolve + one.learn));
      std::fflush(stdout);
    }
  }
}

}  // namespace
}  // namespace ps

int main(int argc, char** argv) {
  ps::ParseProgramFlags("lane_bench", "measures several lanes in one table beside several tables", __FILE__, &argc, &argv);
  if (FLAGS_keys < 1000 || FLAGS_rows < 1000 || FLAGS_features < 1 || FLAGS_features > 500 ||
      FLAGS_repeat < 1) {
    std::fprintf(stderr,
                 "lane_bench: --keys and --rows are at least 1,000, --features 1 to 500, --repeat "
                 "1 or more\n");
    return 2;
  }
  ps::Run();
  return 0;
}
