#include "bench/datagen/criteo_truth.h"

#include <cmath>
#include <vector>

#include "ps/base/key.h"

namespace ps {
namespace {

// Inverse distribution functions are piecewise linear between this many quantiles.
constexpr int kQuantileBits = 10;
constexpr int kQuantiles = 1 << kQuantileBits;

constexpr std::array<std::uint32_t, kCategoryColumns> kCardinality = {
    1500, 550,   3000000, 1200000, 300,  24,   12000, 600,     12, 90000, 5500,   4000000, 3100,
    26,   14000, 2500000, 10,      5400, 2000, 12,    3500000, 18, 15,    250000, 100,     120000};

// Share of the rows whose count is missing, and the log-normal law of the others.
struct CountLaw {
  double missing, mean_log, deviation_log;
};
constexpr std::array<CountLaw, kCountColumns> kCountLaws = {{{.45, .6, 1.0},
                                                             {.00, 1.5, 1.8},
                                                             {.21, 1.8, 1.3},
                                                             {.22, 1.6, .9},
                                                             {.03, 7.5, 2.0},
                                                             {.22, 3.5, 1.5},
                                                             {.04, 1.6, 1.3},
                                                             {.00, 2.0, 1.0},
                                                             {.04, 3.8, 1.4},
                                                             {.45, .2, .5},
                                                             {.04, .7, .8},
                                                             {.77, .1, .8},
                                                             {.22, 1.7, 1.0}}};

// Pairs of categorical columns whose combination has a weight of its own.
struct Pair {
  int left, right;
};
constexpr std::array<Pair, 12> kInteractions = {{{0, 5},
                                                 {1, 8},
                                                 {4, 13},
                                                 {5, 16},
                                                 {7, 21},
                                                 {8, 19},
                                                 {13, 22},
                                                 {12, 16},
                                                 {17, 19},
                                                 {18, 24},
                                                 {6, 22},
                                                 {10, 21}}};

// In these columns the third most frequent value is written as an empty field.
constexpr std::uint32_t kMissingRank = 3;
constexpr bool MayBeMissing(int column) { return column % 5 == 2; }

// Deviations of the parts of the raw margin, before the common scale.
constexpr double kCountDeviation = 0.55;
constexpr double kCategoryDeviation = 1.05;
constexpr double kInteractionDeviation = 0.62;
constexpr double kMarginDeviation = 1.40;
constexpr int kCalibrationRows = 8192;
// Rows for the calibration are taken from the far end of the index space.
constexpr std::uint64_t kCalibrationBegin = std::uint64_t{1} << 63;

// Near enough to a standard normal variate: the sum of four uniform ones (Irwin-Hall), from one
// hash.
double NormalFromHash(std::uint64_t hash) {
  const std::int64_t sum = static_cast<std::int64_t>(hash & 0xffff) + ((hash >> 16) & 0xffff) +
                           ((hash >> 32) & 0xffff) + (hash >> 48);
  constexpr double kDeviation = 65536.0 * 0.57735026918962576;  // sqrt(4 / 12)
  return (sum - 2 * 65535) * (1.0 / kDeviation);
}

// Inverse of the normal distribution function, by bisection; only for tables.
double NormalQuantile(double p) {
  double low = -8, high = 8;
  for (int i = 0; i < 60; ++i) {
    const double middle = 0.5 * (low + high);
    (0.5 * std::erfc(-middle * M_SQRT1_2) < p ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

// A bijection on 32 bits (the finaliser of MurmurHash3): distinct ranks of a column print
// differently.
std::uint32_t Mix32(std::uint32_t x) {
  x = (x ^ (x >> 16)) * 0x85ebca6bu;
  x = (x ^ (x >> 13)) * 0xc2b2ae35u;
  return x ^ (x >> 16);
}

using QuantileTable = std::array<float, kQuantiles + 1>;

float Interpolate(const QuantileTable& table, std::uint32_t uniform) {
  const std::uint32_t cell = uniform >> (32 - kQuantileBits);
  const float fraction =
      static_cast<float>(static_cast<std::int32_t>(uniform << kQuantileBits >> 9)) *
      (1.0f / (1 << 23));
  return table[cell] + fraction * (table[cell + 1] - table[cell]);
}

QuantileTable CountQuantiles(const CountLaw& law) {
  QuantileTable table;
  for (int i = 0; i <= kQuantiles; ++i) {
    const double p = std::fmin((i + 0.02) / kQuantiles, 1 - 0.1 / kQuantiles);
    table[i] = std::exp(law.mean_log + law.deviation_log * NormalQuantile(p)) - 0.5;
  }
  table[0] = std::fmax(table[0], 0.0f);
  return table;
}

// Ranks 1 .. cardinality with density x^-zipf on [1, cardinality + 1).
QuantileTable RankQuantiles(double zipf, std::uint32_t cardinality) {
  const double end = cardinality + 1.0;
  const double power = 1 - zipf;
  QuantileTable table;
  for (int i = 0; i <= kQuantiles; ++i) {
    const double p = static_cast<double>(i) / kQuantiles;
    table[i] = std::fabs(power) < 1e-9 ? std::pow(end, p)
                                       : std::pow(1 + p * (std::pow(end, power) - 1), 1 / power);
  }
  return table;
}

}  // namespace

struct CriteoTruth::Tables {
  std::array<QuantileTable, kCountColumns> count_quantiles;
  std::array<std::array<float, kCountBuckets>, kCountColumns> count_effect;
  std::array<std::uint32_t, kCountColumns> missing_below;  // of a 32-bit uniform number
  std::array<QuantileTable, kCategoryColumns> rank_quantiles;
  std::array<std::uint64_t, kCategoryColumns> category_seed;
  std::array<double, kCategoryColumns> category_scale;
  double interaction_scale;
};

CriteoTruth::CriteoTruth(const Options& options) : options_(options) {
  auto tables = std::make_unique<Tables>();
  const std::uint64_t seed = Mix64(options.seed);
  for (int c = 0; c < kCountColumns; ++c) {
    tables->count_quantiles[c] = CountQuantiles(kCountLaws[c]);
    tables->missing_below[c] = static_cast<std::uint32_t>(kCountLaws[c].missing * 4294967296.0);
    const std::uint64_t hash = Mix64(seed + 100 + c);
    const double frequency = 0.15 + 0.25 * ((hash & 0xff) / 256.0);  // radians a bucket
    const double phase = 2 * M_PI * ((hash >> 8 & 0xff) / 256.0);
    const double scale = kCountDeviation * std::sqrt(2.0 / kCountColumns);
    for (int b = 0; b < kCountBuckets; ++b) {
      tables->count_effect[c][b] = scale * std::sin(frequency * b + phase);
    }
  }
  for (int c = 0; c < kCategoryColumns; ++c) {
    tables->rank_quantiles[c] = RankQuantiles(options.zipf, kCardinality[c]);
    tables->category_seed[c] = Mix64(seed + 200 + c);
    // Some columns matter more than others: deviations between 1/2 and 3/2 of the mean.
    const double share = 0.5 + ((tables->category_seed[c] >> 8 & 0xff) / 256.0);
    tables->category_scale[c] = kCategoryDeviation * share / std::sqrt(1.083 * kCategoryColumns);
  }
  tables->interaction_scale = kInteractionDeviation / std::sqrt(kInteractions.size());
  tables_ = std::move(tables);
  Calibrate();
}

CriteoTruth::~CriteoTruth() = default;

CriteoTruth::Drawn CriteoTruth::Draw(std::uint64_t index, CriteoRow* row) const {
  const Tables& tables = *tables_;
  std::uint64_t state = Mix64(Mix64(options_.seed) ^ index);
  const auto next = [&state] { return Mix64(state += 0x632be59bd9b4e019u); };

  double margin = 0;
  for (int c = 0; c < kCountColumns; ++c) {
    const std::uint64_t random = next();
    const bool missing = static_cast<std::uint32_t>(random >> 32) < tables.missing_below[c];
    const float value = Interpolate(tables.count_quantiles[c], static_cast<std::uint32_t>(random));
    row->count[c] = missing ? kMissingCount : static_cast<std::int32_t>(value);
    margin += tables.count_effect[c][CountBucket(row->count[c])];
  }
  std::array<std::uint32_t, kCategoryColumns> rank;
  for (int c = 0; c < kCategoryColumns; c += 2) {
    const std::uint64_t random = next();
    const std::uint32_t halves[2] = {static_cast<std::uint32_t>(random),
                                     static_cast<std::uint32_t>(random >> 32)};
    for (int h = 0; h < 2; ++h) {
      rank[c + h] =
          static_cast<std::uint32_t>(Interpolate(tables.rank_quantiles[c + h], halves[h]));
    }
  }
  for (int c = 0; c < kCategoryColumns; ++c) {
    const std::uint64_t seed = tables.category_seed[c];
    row->category[c] = Mix32(rank[c] ^ static_cast<std::uint32_t>(seed));
    row->category_missing[c] = MayBeMissing(c) && rank[c] == kMissingRank;
    margin += tables.category_scale[c] * NormalFromHash(Mix64(seed + rank[c]));
  }
  for (const Pair& pair : kInteractions) {
    const std::uint64_t seed =
        tables.category_seed[pair.left] ^ (tables.category_seed[pair.right] << 1);
    const std::uint64_t both =
        (static_cast<std::uint64_t>(rank[pair.left]) << 32) | rank[pair.right];
    margin += tables.interaction_scale * NormalFromHash(Mix64(seed ^ both));
  }
  return {margin, (static_cast<double>(next() >> 12) + 0.5) * 0x1p-52};
}

void CriteoTruth::Calibrate() {
  std::vector<double> margins(kCalibrationRows);
  CriteoRow row;
  double sum = 0, squares = 0;
  for (int i = 0; i < kCalibrationRows; ++i) {
    margins[i] = Draw(kCalibrationBegin + i, &row).raw_margin;
    sum += margins[i];
    squares += margins[i] * margins[i];
  }
  const double mean = sum / kCalibrationRows;
  scale_ = kMarginDeviation / std::sqrt(squares / kCalibrationRows - mean * mean);
  double low = -40, high = 40;
  for (int i = 0; i < 50; ++i) {
    intercept_ = 0.5 * (low + high);
    double positives = 0;
    for (double margin : margins) positives += 1 / (1 + std::exp(-(intercept_ + scale_ * margin)));
    (positives < options_.positive_rate * kCalibrationRows ? low : high) = intercept_;
  }
}

void CriteoTruth::Generate(std::uint64_t index, CriteoRow* row) const {
  const Drawn drawn = Draw(index, row);
  row->margin = static_cast<float>(intercept_ + scale_ * drawn.raw_margin);
  row->label = drawn.uniform * (1 + std::exp(-static_cast<double>(row->margin))) < 1;
}

}  // namespace ps
