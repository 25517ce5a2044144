#include "worker/batch.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

#include "gtest/gtest.h"
#include "tests/cluster/random_block.h"
#include "worker/logistic_model.h"

namespace ps {
namespace {

TEST(BatchBuilder, AgreesWithASortedMap) {
  BatchBuilder builder;  // one for all: its memory must not remember
  Batch batch;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    std::mt19937_64 random(seed);
    const RowBlock block =
        RandomBlock(random, random() % 400, 1 + random() % 3000, seed % 3 == 0, false, false);
    RowRange rows{random() % (block.rows() + 1), 0};
    rows.end = rows.begin + random() % (block.rows() - rows.begin + 1);
    const bool bias = seed % 2 == 0;
    builder.Build(block, rows, bias, 1, &batch);
    std::map<Key, unsigned> model;
    for (std::size_t i = block.row_begin[rows.begin]; i < block.row_begin[rows.end]; ++i)
      ++model[block.key[i]];
    if (bias && rows.size() > 0) model[kBiasKey] = static_cast<unsigned>(rows.size());
    ASSERT_EQ(batch.keys.size(), model.size()) << "seed " << seed;
    std::vector<std::uint8_t> counts;
    BatchBuilder::CountRows(batch, &counts);
    std::size_t at = 0;
    for (const auto& [key, count] : model) {
      ASSERT_EQ(batch.keys[at], key) << "seed " << seed;
      ASSERT_EQ(counts[at], std::min(count, 255u));
      ++at;
    }
    std::vector<Key> by_id(batch.keys.size());
    for (std::size_t i = 0; i < batch.keys.size(); ++i) by_id[batch.id_at[i]] = batch.keys[i];
    for (std::size_t i = 0; i < batch.feature_id.size(); ++i) {
      ASSERT_EQ(by_id[batch.feature_id[i]], block.key[block.row_begin[rows.begin] + i]);
    }
  }
}

TEST(Batches, PartTheRowsAndThe64thTakesTheRest) {
  for (std::size_t rows : {0u, 1u, 9u, 10u, 11u, 640u, 641u, 5000u}) {
    const std::uint32_t batches = BatchesOf(rows, 10);
    ASSERT_GE(batches, 1u);
    ASSERT_LE(batches, 64u);
    std::size_t next = 0;
    for (std::uint32_t b = 0; b < batches; ++b) {
      const RowRange range = RowsOfBatch(rows, 10, b);
      ASSERT_EQ(range.begin, next);
      ASSERT_TRUE(range.size() <= 10 || b == 63);
      next = range.end;
    }
    ASSERT_EQ(next, rows);
  }
}

TEST(LogisticModel, AgreesWithADoublePrecisionOracle) {
  std::mt19937_64 random(3);
  BatchBuilder builder;
  for (int trial = 0; trial < 40; ++trial) {
    const RowBlock block =
        RandomBlock(random, 1 + random() % 60, 40, false, trial % 2 == 0, trial % 3 == 0);
    Batch batch;
    builder.Build(block, {0, block.rows()}, trial % 4 != 0, 1, &batch);
    std::map<Key, double> weight, gradient;
    for (std::size_t i = 0; i < batch.keys.size(); ++i) {
      batch.weight[batch.id_at[i]] = static_cast<float>(random() % 200) / 100 - 1;
      weight[batch.keys[i]] = batch.weight[batch.id_at[i]];
    }
    std::vector<float> margins;
    LogisticModel().Compute(&batch, &margins);
    for (std::size_t r = 0; r < block.rows(); ++r) {
      double margin = batch.bias ? weight[kBiasKey] : 0;
      for (std::size_t i = block.row_begin[r]; i < block.row_begin[r + 1]; ++i) {
        margin += weight[block.key[i]] * (block.value.empty() ? 1 : block.value[i]);
      }
      ASSERT_NEAR(margins[r], margin, 1e-4);
      const double error = (1 / (1 + std::exp(-margin)) - block.label[r]) *
                           (block.weight.empty() ? 1 : block.weight[r]);
      for (std::size_t i = block.row_begin[r]; i < block.row_begin[r + 1]; ++i) {
        gradient[block.key[i]] += error * (block.value.empty() ? 1 : block.value[i]);
      }
      if (batch.bias) gradient[kBiasKey] += error;
    }
    for (std::size_t i = 0; i < batch.keys.size(); ++i) {
      ASSERT_NEAR(batch.gradient[batch.id_at[i]], gradient[batch.keys[i]], 1e-3);
    }
  }
}

// Several lanes at once are several batches, to the bit.
TEST(LogisticModel, EveryLaneIsABatchOfItsOwn) {
  const LogisticModel model;
  BatchBuilder builder;
  for (const int lanes : {2, 4, 8, 16}) {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
      std::mt19937_64 random(seed);
      const RowBlock block = RandomBlock(random, random() % 200, 300, false, seed % 2 == 0, seed % 3 == 0);
      Batch all, one;
      builder.Build(block, {0, block.rows()}, seed % 4 != 0, lanes, &all);
      builder.Build(block, {0, block.rows()}, seed % 4 != 0, 1, &one);
      for (float& weight : all.weight) weight = static_cast<float>(random() % 1000) / 300 - 1.5f;
      std::vector<float> margins, alone;
      model.Compute(&all, &margins);
      ASSERT_EQ(margins.size(), block.rows() * lanes);
      for (int k = 0; k < lanes; ++k) {
        for (std::size_t id = 0; id < one.weight.size(); ++id) one.weight[id] = all.weight[id * lanes + k];
        model.Compute(&one, &alone);
        for (std::size_t r = 0; r < alone.size(); ++r) ASSERT_EQ(margins[r * lanes + k], alone[r]);
        for (std::size_t id = 0; id < one.gradient.size(); ++id) {
          ASSERT_EQ(all.gradient[id * lanes + k], one.gradient[id]) << lanes << " lanes, lane " << k;
        }
      }
    }
  }
}

}  // namespace
}  // namespace ps
