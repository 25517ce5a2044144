// The dense model when its lanes change: what is kept, what is given back, what comes after.
#include "trainer/embedded/dense_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <thread>
#include <vector>

#include "ps/base/key.h"

namespace ps {
namespace {

std::vector<OptimizerParams> Settings(int lanes) {
  std::vector<OptimizerParams> settings;
  for (int k = 0; k < lanes; ++k) {
    settings.push_back({Optimizer::kFtrl, 0.05f * static_cast<float>(k + 1), 0.5f, 0.1f, 0, 0.2f});
  }
  return settings;
}

// Rows of features first .. first + features - 1.
RowBlock RandomBlock(unsigned seed, int rows, std::uint64_t first, std::uint64_t features) {
  std::mt19937 random(seed);
  RowBlock block;
  for (int r = 0; r < rows; ++r) {
    std::vector<std::uint64_t> row;
    while (row.size() < 5) {
      const std::uint64_t feature = first + random() % features;
      if (std::find(row.begin(), row.end(), feature) == row.end()) row.push_back(feature);
    }
    for (const std::uint64_t feature : row) block.key.push_back(NonZeroKey(Mix64(feature)));
    block.row_begin.push_back(static_cast<std::uint32_t>(block.key.size()));
    block.label.push_back(static_cast<float>(random() % 2));
  }
  return block;
}

std::vector<float> Lane(const std::vector<float>& margins, std::size_t lanes, std::size_t lane) {
  std::vector<float> one;
  for (std::size_t i = lane; i < margins.size(); i += lanes) one.push_back(margins[i]);
  return one;
}

TEST(DenseModel, ALaneThatStaysPredictsAndLearnsAsBeforeInLessMemory) {
  DenseModel model({.lanes = Settings(8)}), alone({.lanes = {Settings(8)[5]}});
  DenseModel::Scratch scratch, alone_scratch;
  ResolvedBlock rows, alone_rows;
  std::vector<float> margins, alone_margins;
  const auto learn = [&](const RowBlock& block) {
    model.Resolve(block, &scratch, &rows);
    alone.Resolve(block, &alone_scratch, &alone_rows);
    ASSERT_TRUE(model.Learn(rows.View(), &margins).ok());
    ASSERT_TRUE(alone.Learn(alone_rows.View(), &alone_margins).ok());
  };
  learn(RandomBlock(1, 50'000, 1, 200'000));
  EXPECT_EQ(Lane(margins, 8, 5), alone_margins);
  EXPECT_EQ(model.LearntFeatures(), model.features());
  // Ids that were given, but of which nothing has been learnt when the lanes change.
  ResolvedBlock ahead;
  model.Resolve(RandomBlock(2, 5'000, 300'000, 50'000), &scratch, &ahead);
  const std::uint64_t learnt = model.LearntFeatures();
  EXPECT_LT(learnt, model.features());
  const std::uint64_t before = model.memory_bytes();
  const std::vector<OptimizerParams> kept = {Settings(8)[2], Settings(8)[5]};
  model.ChangeLanes(kept, std::vector<LaneOrigin>{{2, false}, {5, false}});
  EXPECT_EQ(model.LearntFeatures(), learnt);
  EXPECT_LT(model.memory_bytes() + model.features() * 6 * 8, before + (1 << 16) * 64);
  learn(RandomBlock(2, 5'000, 300'000, 50'000));
  EXPECT_EQ(Lane(margins, 2, 1), alone_margins);
  learn(RandomBlock(3, 20'000, 1, 600'000));  // new ids in memory that was given back
  EXPECT_EQ(Lane(margins, 2, 1), alone_margins);
  model.ChangeLanes({kept[1]}, std::vector<LaneOrigin>{{1, false}});
  learn(RandomBlock(4, 20'000, 1, 800'000));
  EXPECT_EQ(margins, alone_margins);
  std::vector<Key> keys, alone_keys;
  std::vector<float> weights, alone_weights;
  for (SlotIndex slot = 0; slot < model.slots(); ++slot) {
    model.SlotWeights(slot, &keys, &weights);
    alone.SlotWeights(slot, &alone_keys, &alone_weights);
  }
  EXPECT_EQ(keys, alone_keys);
  EXPECT_EQ(weights, alone_weights);
}

TEST(DenseModel, LanesChangeWhileOthersResolve) {
  DenseModel model({.lanes = Settings(16)});
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 2; ++t) {
    threads.emplace_back([&model, t] {
      DenseModel::Scratch scratch;
      ResolvedBlock rows;
      for (unsigned i = 0; i < 20; ++i) {
        model.Resolve(RandomBlock(100 * t + i, 2'000, 1'000'000 * t + 10'000 * i, 20'000), &scratch,
                      &rows);
      }
    });
  }
  DenseModel::Scratch scratch;
  ResolvedBlock rows;
  std::vector<float> margins;
  for (int lanes = 16; lanes >= 1; lanes /= 2) {
    model.Resolve(RandomBlock(7, 2'000, 1, 5'000), &scratch, &rows);
    ASSERT_TRUE(model.Learn(rows.View(), &margins).ok());
    EXPECT_EQ(margins.size(), static_cast<std::size_t>(2'000 * lanes));
    std::vector<LaneOrigin> origins;
    for (int k = 0; k < std::max(1, lanes / 2); ++k) origins.push_back({k, false});
    model.ChangeLanes(Settings(std::max(1, lanes / 2)), origins);
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(model.lanes().size(), 1u);
  EXPECT_GT(model.features(), model.LearntFeatures());
}

TEST(DenseModel, AStateThatWasKeptComesBackAsTheOnlyLane) {
  DenseModel model({.lanes = Settings(4)});
  DenseModel::Scratch scratch;
  ResolvedBlock rows;
  std::vector<float> margins, before, after;
  model.Resolve(RandomBlock(1, 5'000, 1, 10'000), &scratch, &rows);
  ASSERT_TRUE(model.Learn(rows.View(), &margins).ok());
  ASSERT_TRUE(model.Score(rows, &before).ok());
  const std::vector<float> kept = model.CopyLane(2);
  ResolvedBlock more;
  model.Resolve(RandomBlock(2, 5'000, 5'000, 10'000), &scratch, &more);
  ASSERT_TRUE(model.Learn(more.View(), &margins).ok());
  model.RestoreState(Settings(4)[2], kept);
  ASSERT_EQ(model.lanes().size(), 1u);
  ASSERT_TRUE(model.Score(rows, &after).ok());
  EXPECT_EQ(after, Lane(before, 4, 2));
}

}  // namespace
}  // namespace ps
