// Several lanes in one table are several tables, to the bit; and what becomes of them when their number changes.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "ps/table/slot_table.h"

namespace ps {
namespace {

std::vector<OptimizerParams> SomeLanes(Optimizer type, int lanes) {
  std::vector<OptimizerParams> settings;
  for (int k = 0; k < lanes; ++k) {
    const auto step = static_cast<float>(k + 1);
    settings.push_back({type, 0.05f * step, 0.2f * step, k % 3 == 0 ? 0.0f : 0.1f * step, k % 2 == 0 ? 0.0f : step,
                        k % 4 == 1 ? 0.2f : 0.0f});
  }
  return settings;
}

SlotTable::Options WithLanes(const std::vector<OptimizerParams>& lanes) {
  SlotTable::Options options;
  options.slot_bits = 4;
  options.optimizer = lanes[0];
  options.layout = EntryLayout::For(lanes[0].type, static_cast<int>(lanes.size()));
  if (lanes.size() > 1) options.lanes = lanes;
  return options;
}

// Random pushes of the same keys, with gradients of its own for each lane.
struct LanePushes {
  LanePushes(unsigned seed, int lanes) {
    std::mt19937_64 random(seed);
    for (int i = 0; i < 3000; ++i) keys.push_back(IndexKey(random() % 4000));
    std::sort(keys.begin(), keys.end());
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    for (std::size_t i = 0; i < keys.size() * lanes; ++i) {
      gradients.push_back(static_cast<float>(random() % 2000) / 500 - 2);
    }
  }
  std::vector<float> OfLane(std::size_t lane, std::size_t lanes) const {
    std::vector<float> one;
    for (std::size_t i = lane; i < gradients.size(); i += lanes) one.push_back(gradients[i]);
    return one;
  }
  std::vector<Key> keys;
  std::vector<float> gradients;
};

TEST(SlotTable, EveryLaneIsATableOfItsOwn) {
  for (const Optimizer type : {Optimizer::kFtrl, Optimizer::kAdaGrad, Optimizer::kSgd}) {
    for (const int lanes : {2, 4, 8, 16}) {
      const std::vector<OptimizerParams> settings = SomeLanes(type, lanes);
      SlotTable table(WithLanes(settings));
      std::vector<std::unique_ptr<SlotTable>> alone;
      for (const OptimizerParams& setting : settings) alone.push_back(std::make_unique<SlotTable>(WithLanes({setting})));
      table.SetWeight(0.25f, table.FindOrInsert(IndexKey(7)));
      for (auto& one : alone) one->SetWeight(0.25f, one->FindOrInsert(IndexKey(7)));
      for (unsigned round = 0; round < 10; ++round) {
        const LanePushes pushes(round, lanes);
        table.Push(pushes.keys, pushes.gradients);
        for (int k = 0; k < lanes; ++k) alone[k]->Push(pushes.keys, pushes.OfLane(k, lanes));
        std::vector<float> weights(pushes.keys.size() * lanes), one(pushes.keys.size());
        table.Pull(pushes.keys, absl::MakeSpan(weights));
        for (int k = 0; k < lanes; ++k) {
          alone[k]->Pull(pushes.keys, absl::MakeSpan(one));
          for (std::size_t i = 0; i < one.size(); ++i) {
            ASSERT_EQ(weights[i * lanes + k], one[i]) << lanes << " lanes, lane " << k;
            ASSERT_EQ(table.WeightOfLane(table.Find(pushes.keys[i]), k), one[i]);
          }
        }
      }
      const Key absent = IndexKey(1'000'000);
      std::vector<float> none(lanes, 1);
      table.Pull({&absent, 1}, absl::MakeSpan(none));
      EXPECT_EQ(none, std::vector<float>(lanes, 0));
    }
  }
}

TEST(SlotTable, AStepThatLeavesNoFiniteStateIsNotTaken) {
  const std::vector<OptimizerParams> settings = SomeLanes(Optimizer::kFtrl, 8);
  SlotTable table(WithLanes(settings)), other(WithLanes(settings));
  const Key key = IndexKey(3);
  std::vector<float> gradients = {1, 2, 3, 4, 5, 6, 7, 8}, zero_of_lane_2 = gradients;
  gradients[2] = 3e38f;  // its square is not finite
  table.Push({&key, 1}, gradients);
  zero_of_lane_2[2] = 0;
  other.Push({&key, 1}, zero_of_lane_2);
  for (int j = 0; j < 16; ++j) EXPECT_EQ(table.Find(key)[j], other.Find(key)[j]) << j;
}

TEST(SlotTable, LanesThatChangeAreThoseOfTheKernel) {
  for (const int after : {16, 8, 2, 1}) {
    const std::vector<OptimizerParams> before = SomeLanes(Optimizer::kFtrl, 16);
    SlotTable table(WithLanes(before));
    for (unsigned round = 0; round < 3; ++round) {
      const LanePushes pushes(round, 16);
      table.Push(pushes.keys, pushes.gradients);
    }
    std::vector<OptimizerParams> settings;
    std::vector<LaneOrigin> origins;
    for (int k = 0; k < after; ++k) {
      origins.push_back({(k * 7 + 3) % 16, k % 2 == 1});
      settings.push_back(before[origins.back().from]);
      if (origins.back().reborn) settings.back().alpha *= 1.5f;
    }
    std::map<Key, std::vector<float>> expected;
    for (SlotIndex slot = 0; slot < table.slots(); ++slot) {
      table.ForEachInSlot(slot, [&](Key key, const float* state) {
        std::vector<float> entry(state, state + 32);
        KeepLanes(before, settings, origins, 1, entry.data());
        entry.resize(2 * after);
        expected[key] = entry;
      });
    }
    const std::size_t size = table.size(), bytes = table.memory_bytes();
    table.ChangeLanes(settings, origins);
    EXPECT_EQ(table.size(), size);
    EXPECT_EQ(table.lanes(), after);
    if (after < 16) EXPECT_LT(table.memory_bytes(), bytes);
    for (const auto& [key, entry] : expected) {
      const float* state = table.Find(key);
      ASSERT_NE(state, nullptr);
      ASSERT_EQ(std::vector<float>(state, state + 2 * after), entry);
    }
    // And it goes on as a table of these lanes.
    const LanePushes pushes(9, after);
    table.Push(pushes.keys, pushes.gradients);
    table.Restart(before);
    EXPECT_EQ(table.size(), 0u);
    EXPECT_EQ(table.lanes(), 16);
    EXPECT_EQ(table.Find(pushes.keys[0]), nullptr);
  }
}

}  // namespace
}  // namespace ps
