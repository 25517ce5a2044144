#include "ps/server/step_buffer.h"

#include <algorithm>
#include <memory>
#include <random>

#include "gtest/gtest.h"

namespace ps {
namespace {

using Accepted = StepBuffer::Accepted;

SlotTable MakeTable() {
  SlotTable::Options options;
  options.slot_bits = 2;
  options.optimizer = {.type = Optimizer::kSgd, .alpha = -1};
  options.layout = EntryLayout::For(Optimizer::kSgd);
  return SlotTable(options);
}

Contribution Part(std::uint32_t chunk, std::vector<Key> keys, std::vector<float> gradients,
                  bool last = false) {
  return {chunk,
          last,
          std::make_shared<const std::vector<Key>>(std::move(keys)),
          std::move(gradients),
          {}};
}

float Weight(const SlotTable& table, Key key) {
  float weight = -1;
  table.Pull({&key, 1}, {&weight, 1});
  return weight;
}

TEST(StepBuffer, AStepIsAppliedWhenEveryChunkHasCome) {
  SlotTable table = MakeTable();
  StepBuffer steps;
  const RoundChunks round{0, 2};
  EXPECT_EQ(steps.Add({0, 0, 0}, round, Part(0, {1, 2}, {1, 10}, true)), Accepted::kBuffered);
  EXPECT_FALSE(steps.Commit(table));
  EXPECT_EQ(Weight(table, 1), 0);
  EXPECT_FALSE(steps.Ready({0, 0, 1}));
  EXPECT_EQ(steps.Add({0, 0, 0}, round, Part(1, {2, 3}, {100, 1000})), Accepted::kBuffered);
  EXPECT_TRUE(steps.Commit(table));
  EXPECT_EQ(Weight(table, 1), 1);
  EXPECT_EQ(Weight(table, 2), 110);
  EXPECT_EQ(Weight(table, 3), 1000);
  // Chunk 0 has ended: chunk 1 alone makes the next step.
  EXPECT_TRUE(steps.Ready({0, 0, 1}));
  EXPECT_FALSE(steps.Ready({0, 1, 0}));
  EXPECT_EQ(steps.Add({0, 0, 1}, round, Part(1, {}, {}, true)), Accepted::kBuffered);
  EXPECT_TRUE(steps.Commit(table));
  EXPECT_TRUE(steps.Ready({0, 1, 0}));
  EXPECT_FALSE(steps.Ready({0, 1, 1}));
  EXPECT_TRUE(steps.Ready({1, 0, 0}));
}

TEST(StepBuffer, EveryLaneIsSummedByItself) {
  SlotTable::Options options;
  options.slot_bits = 2;
  options.optimizer = {.type = Optimizer::kSgd, .alpha = -1};
  options.lanes = {options.optimizer, {.type = Optimizer::kSgd, .alpha = -2}};
  options.layout = EntryLayout::For(Optimizer::kSgd, 2);
  SlotTable table(options);
  StepBuffer steps;
  const RoundChunks round{0, 2};
  steps.Add({0, 0, 0}, round, Part(0, {1, 2}, {1, 10, 2, 20}));
  steps.Add({0, 0, 0}, round, Part(1, {2, 3}, {3, 30, 4, 40}));
  EXPECT_TRUE(steps.Commit(table));
  const std::vector<Key> keys = {1, 2, 3};
  std::vector<float> weights(6);
  table.Pull(keys, absl::MakeSpan(weights));
  EXPECT_EQ(weights, (std::vector<float>{1, 20, 5, 100, 4, 80}));
  // Whoever is one step behind sees what there was before.
  steps.Add({0, 0, 1}, round, Part(0, {2}, {1, 1}, true));
  steps.Add({0, 0, 1}, round, Part(1, {}, {}, true));
  EXPECT_TRUE(steps.Commit(table));
  steps.Pull(table, {0, 0, 1}, keys, absl::MakeSpan(weights));
  EXPECT_EQ(weights, (std::vector<float>{1, 20, 5, 100, 4, 80}));
  steps.Pull(table, {0, 1, 0}, keys, absl::MakeSpan(weights));
  EXPECT_EQ(weights, (std::vector<float>{1, 20, 6, 102, 4, 80}));
}

TEST(StepBuffer, RepetitionsAndContradictionsAreNotKept) {
  SlotTable table = MakeTable();
  StepBuffer steps;
  const RoundChunks round{4, 2};
  EXPECT_EQ(steps.Add({0, 2, 1}, round, Part(4, {1}, {1})), Accepted::kTooEarly);
  EXPECT_EQ(steps.Add({0, 2, 0}, round, Part(6, {1}, {1})), Accepted::kImpossible);
  EXPECT_EQ(steps.Add({0, 2, 0}, round, Part(3, {1}, {1})), Accepted::kImpossible);
  EXPECT_EQ(steps.Add({0, 2, 0}, round, Part(4, {1}, {1}, true)), Accepted::kBuffered);
  EXPECT_EQ(steps.Add({0, 2, 0}, round, Part(4, {1}, {1}, true)), Accepted::kRepeated);
  EXPECT_EQ(steps.Add({0, 2, 0}, {4, 3}, Part(5, {1}, {1})), Accepted::kImpossible);
  EXPECT_EQ(steps.Add({0, 2, 1}, round, Part(5, {1}, {1})), Accepted::kTooEarly);
  EXPECT_EQ(steps.Add({0, 2, 0}, round, Part(5, {1}, {1}, true)), Accepted::kBuffered);
  EXPECT_TRUE(steps.Commit(table));
  EXPECT_EQ(Weight(table, 1), 2);
  EXPECT_EQ(steps.Add({0, 2, 0}, round, Part(5, {1}, {1}, true)), Accepted::kRepeated);
  EXPECT_EQ(steps.Add({0, 1, 0}, {2, 2}, Part(2, {1}, {1}, true)), Accepted::kRepeated);
  EXPECT_EQ(Weight(table, 1), 2);
}

// As one that takes over a chunk of whose batches the scheduler has not heard.
TEST(StepBuffer, EveryStepOfARoundIsSeenAsItWas) {
  SlotTable table = MakeTable();
  StepBuffer steps;
  const std::vector<Key> keys = {5, 10, 20, 30};
  std::vector<std::vector<float>> seen;
  std::vector<float> weights(4);
  for (std::uint32_t batch = 0; batch < 4; ++batch) {
    table.Pull(keys, absl::MakeSpan(weights));
    seen.push_back(weights);
    ASSERT_EQ(steps.Add({0, 0, batch}, {0, 1}, Part(0, {10, 20 + batch % 2 * 10}, {1, 2}, batch == 3)), Accepted::kBuffered);
    ASSERT_TRUE(steps.Commit(table));
  }
  for (std::uint32_t batch = 0; batch < 4; ++batch) {
    steps.Pull(table, {0, 0, batch}, keys, absl::MakeSpan(weights));
    EXPECT_EQ(weights, seen[batch]) << batch;
  }
  // With the next round they are forgotten.
  ASSERT_EQ(steps.Add({0, 1, 0}, {1, 1}, Part(1, {10}, {1}, true)), Accepted::kBuffered);
  ASSERT_TRUE(steps.Commit(table));
  steps.Pull(table, {0, 1, 0}, keys, absl::MakeSpan(weights));
  EXPECT_EQ(weights, (std::vector<float>{0, 4, 4, 4}));
}

TEST(StepBuffer, AWorkerOneStepBehindSeesTheWeightsOfItsStep) {
  SlotTable table = MakeTable();
  StepBuffer steps;
  const RoundChunks round{0, 1};
  ASSERT_EQ(steps.Add({0, 0, 0}, round, Part(0, {10, 30}, {1, 2})), Accepted::kBuffered);
  ASSERT_TRUE(steps.Commit(table));
  ASSERT_EQ(steps.Add({0, 0, 1}, round, Part(0, {10, 20}, {4, 8})), Accepted::kBuffered);
  ASSERT_TRUE(steps.Commit(table));
  const std::vector<Key> keys = {5, 10, 20, 30};
  std::vector<float> weights(4);
  steps.Pull(table, {0, 0, 1}, keys, absl::MakeSpan(weights));
  EXPECT_EQ(weights, (std::vector<float>{0, 1, 0, 2}));
  steps.Pull(table, {0, 0, 2}, keys, absl::MakeSpan(weights));
  EXPECT_EQ(weights, (std::vector<float>{0, 5, 8, 2}));
}

// Sums are floats: their order shows. Whatever the order of arrival, it is that of the chunks.
TEST(StepBuffer, TheOrderOfArrivalDoesNotShow) {
  std::mt19937_64 random(7);
  std::vector<Contribution> parts;
  for (std::uint32_t chunk = 0; chunk < 8; ++chunk) {
    std::vector<Key> keys;
    std::vector<float> gradients;
    for (Key key = 1; key < 200; ++key) {
      if (random() % 3 == 0) continue;
      keys.push_back(key << 50);
      gradients.push_back(static_cast<float>(static_cast<double>(random() % 2000001) / 1e6 - 1) *
                          static_cast<float>(1 << (random() % 20)));
    }
    parts.push_back(Part(chunk, keys, gradients, true));
  }
  std::vector<float> first;
  for (int order = 0; order < 20; ++order) {
    std::shuffle(parts.begin(), parts.end(), random);
    SlotTable table = MakeTable();
    StepBuffer steps;
    for (const Contribution& part : parts) {
      ASSERT_EQ(steps.Add({0, 0, 0}, {0, 8}, part), Accepted::kBuffered);
    }
    ASSERT_TRUE(steps.Commit(table));
    std::vector<float> weights;
    for (Key key = 1; key < 200; ++key) weights.push_back(Weight(table, key << 50));
    if (order == 0) first = weights;
    ASSERT_EQ(weights, first);
  }
}

}  // namespace
}  // namespace ps
