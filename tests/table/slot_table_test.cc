// The table against std::map, through growth, overflow, admission and shrinking.
#include "ps/table/slot_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <numeric>
#include <random>

namespace ps {
namespace {

struct State {
  float z = 0, n = 0;
};

class SlotTableProperty : public ::testing::TestWithParam<std::tuple<int, Optimizer>> {};

TEST_P(SlotTableProperty, EqualsMap) {
  const auto [slot_bits, optimizer] = GetParam();
  SlotTable::Options options;
  options.slot_bits = slot_bits;
  options.optimizer.type = optimizer;
  options.optimizer.l1 = 0.5f;
  options.layout = EntryLayout::For(optimizer);
  SlotTable table(options);
  std::map<Key, State> expected;
  std::mt19937_64 random(7);
  std::vector<Key> universe;
  for (int i = 0; i < 60'000; ++i) universe.push_back(IndexKey(i));
  for (int round = 0; round < 200; ++round) {
    std::map<Key, float> batch;
    for (int i = 0; i < 1'000; ++i) {
      batch[universe[random() % (300 * (round + 1))]] = static_cast<float>(random() % 64) / 16 - 2;
    }
    std::vector<Key> keys;
    std::vector<float> gradients;
    for (const auto& [key, gradient] : batch) {
      keys.push_back(key);
      gradients.push_back(gradient);
    }
    if (round % 2 == 1) {  // unsorted order is as good
      std::reverse(keys.begin(), keys.end());
      std::reverse(gradients.begin(), gradients.end());
    }
    table.Push(keys, gradients);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      ApplyGradient(options.optimizer, gradients[i], &expected[keys[i]].z);
    }
    if (round % 20 == 19) {
      std::vector<float> weights(universe.size());
      table.Pull(universe, absl::MakeSpan(weights));
      for (std::size_t i = 0; i < universe.size(); ++i) {
        const auto found = expected.find(universe[i]);
        const float weight =
            found == expected.end() ? 0.0f : WeightOf(options.optimizer, &found->second.z);
        ASSERT_EQ(weights[i], weight) << "key " << universe[i];
      }
    }
  }
  ASSERT_EQ(table.size(), expected.size());
  std::size_t visited = 0;
  for (SlotIndex slot = 0; slot < table.slots(); ++slot) {
    table.ForEachInSlot(slot, [&](Key key, const float* state) {
      EXPECT_EQ(SlotOf(key, slot_bits), slot);
      EXPECT_EQ(state[0], expected.at(key).z);
      ++visited;
    });
  }
  EXPECT_EQ(visited, expected.size());
}

INSTANTIATE_TEST_SUITE_P(All, SlotTableProperty,
                         ::testing::Combine(::testing::Values(1, 6, 12),
                                            ::testing::Values(Optimizer::kFtrl, Optimizer::kAdaGrad,
                                                              Optimizer::kSgd)));

TEST(SlotTable, KeysOfOneSlotThatCollideInEveryBit) {
  // Keys that differ in the lowest bits only share a home bucket at any size: the longest probes there are.
  SlotTable::Options options;
  SlotTable table(options);
  for (Key key = 1; key <= 500; ++key) *table.FindOrInsert(key) = static_cast<float>(key);
  for (Key key = 1; key <= 500; ++key) {
    ASSERT_NE(table.Find(key), nullptr);
    EXPECT_EQ(*table.Find(key), static_cast<float>(key));
  }
  EXPECT_EQ(table.Find(501), nullptr);
  EXPECT_EQ(table.Find(~Key{0}), nullptr);
  EXPECT_EQ(table.slot_size(0), 500u);
}

TEST(SlotTable, TinySlotsFindTheirLastFreeCell) {
  // Slots of a few buckets meet full buckets so often that some probes go through all their rehashed pairs.
  SlotTable::Options options;
  options.slot_bits = 16;
  SlotTable table(options);
  for (int i = 0; i < 1'700'000; ++i) *table.FindOrInsert(IndexKey(i)) = static_cast<float>(i);
  for (int i = 0; i < 1'700'000; ++i) {
    ASSERT_NE(table.Find(IndexKey(i)), nullptr);
    ASSERT_EQ(*table.Find(IndexKey(i)), static_cast<float>(i));
  }
}

TEST(SlotTable, ManyLanes) {
  for (int lanes : {2, 4, 8, 16}) {
    SlotTable::Options options;
    options.layout = EntryLayout::For(Optimizer::kFtrl, lanes);
    options.lanes.resize(lanes);
    SlotTable table(options);
    for (int i = 0; i < 50'000; ++i) {
      float* state = table.FindOrInsert(IndexKey(i));
      for (int j = 0; j < 2 * lanes; ++j) EXPECT_EQ(state[j], 0.0f);
      for (int j = 0; j < 2 * lanes; ++j) state[j] = static_cast<float>(i * 100 + j);
    }
    for (int i = 0; i < 50'000; ++i) {
      const float* state = table.Find(IndexKey(i));
      ASSERT_NE(state, nullptr);
      for (int j = 0; j < 2 * lanes; ++j) ASSERT_EQ(state[j], static_cast<float>(i * 100 + j));
    }
  }
}

TEST(SlotTable, AdmissionIsNeverLateAndSeldomEarly) {
  SlotTable::Options options;
  options.min_count = 3;
  SlotTable table(options);
  constexpr int kKeys = 400'000;
  std::vector<Key> keys;
  for (int i = 0; i < kKeys; ++i) keys.push_back(IndexKey(i));
  const std::vector<float> gradients(kKeys, 1.0f);
  table.Push(keys, gradients);
  table.Push(keys, gradients);
  EXPECT_LT(table.size(), kKeys / 5) << "admitted before the third appearance";
  table.Push(keys, gradients);
  EXPECT_EQ(table.size(), kKeys);
}

TEST(SlotTable, AdmissionCountsAppearancesWithinABatch) {
  SlotTable::Options options;
  options.min_count = 5;
  SlotTable table(options);
  table.Push({1000, 2000}, {1.0f, 1.0f}, {4, 5});
  EXPECT_EQ(table.Find(1000), nullptr);
  EXPECT_NE(table.Find(2000), nullptr);
}

TEST(SlotTable, AMovedFilterDecidesAsTheOldOne) {
  SlotTable::Options options;
  options.slot_bits = 4;
  options.min_count = 4;
  SlotTable whole(options), moved(options);
  std::mt19937_64 random(3);
  const auto push = [&](SlotTable& table, Key key) { table.Push({key}, {1.0f}); };
  for (int i = 0; i < 60'000; ++i) {
    const Key key = IndexKey(random() % 20'000);
    push(whole, key);
    if (SlotOf(key, 4) == 9) push(moved, key);  // other slots' pushes make no difference
  }
  EXPECT_EQ(moved.SaveFilter(9), whole.SaveFilter(9));
  SlotTable copy(options);
  ASSERT_TRUE(copy.LoadFilter(9, whole.SaveFilter(9)));
  EXPECT_EQ(copy.SaveFilter(9), whole.SaveFilter(9));
  for (int i = 0; i < 5'000; ++i) {
    const Key key = IndexKey(100'000 + random() % 3'000);
    if (SlotOf(key, 4) != 9) continue;
    push(copy, key);
    push(whole, key);
    ASSERT_EQ(copy.Find(key) != nullptr, whole.Find(key) != nullptr);
  }
  copy.ClearSlot(9);
  EXPECT_EQ(copy.SaveFilter(9), "");
}

TEST(SlotTable, FiltersThatAreNoneAreRefused) {
  SlotTable::Options options;
  options.min_count = 2;
  SlotTable table(options);
  for (int i = 0; i < 2'000'000; ++i) table.Push({IndexKey(i)}, {1.0f});
  const std::string good = table.SaveFilter(7);
  ASSERT_GT(good.size(), 256u + 512u + 16u);
  for (std::size_t cut = 1; cut < good.size(); ++cut) {
    if (cut == 264 || cut == 784 || cut == 1816) continue;  // whole generations
    ASSERT_FALSE(table.LoadFilter(7, good.substr(0, cut))) << cut;
  }
  for (const std::size_t at : {0, 1, 2, 3, 5, 6, 7, 264, 267, 269}) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x40);
    EXPECT_FALSE(table.LoadFilter(7, bad)) << at;
  }
  EXPECT_EQ(table.SaveFilter(7), good);
  options.min_count = 1;
  SlotTable unfiltered(options);
  EXPECT_FALSE(unfiltered.LoadFilter(7, good));
  EXPECT_TRUE(unfiltered.LoadFilter(7, ""));
}

TEST(SlotTable, ShrinkDropsZeroWeightsOnly) {
  SlotTable::Options options;
  options.optimizer.l1 = 1.0f;
  SlotTable table(options);
  std::size_t alive = 0;
  for (int i = 0; i < 100'000; ++i) {
    const Key key = IndexKey(i);
    table.Push({key}, {i % 3 == 0 ? 2.0f : 0.5f});  // |z| = .5 stays below l1
    alive += i % 3 == 0;
  }
  std::size_t dropped = 0;
  for (SlotIndex slot = 0; slot < table.slots(); ++slot) dropped += table.ShrinkSlot(slot);
  EXPECT_EQ(table.size(), alive);
  EXPECT_EQ(dropped, 100'000 - alive);
  for (int i = 0; i < 100'000; ++i) ASSERT_EQ(table.Find(IndexKey(i)) != nullptr, i % 3 == 0);
  table.ClearSlot(5);
  EXPECT_EQ(table.slot_size(5), 0u);
}

std::uint64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * 4096;
}

// A server that gave half of its slots away, whichever, has half of the memory, and room for the others to grow.
TEST(SlotTable, MemoryOfClearedSlotsGoesBackAndIsTakenAgain) {
  constexpr int kSlotBits = 11;
  SlotTable::Options options;
  options.slot_bits = kSlotBits;
  options.layout = EntryLayout::For(Optimizer::kFtrl);
  SlotTable table(options);
  constexpr std::uint64_t kKeys = 3'000'000;
  std::vector<Key> keys;
  for (std::uint64_t i = 0; i < kKeys; ++i) keys.push_back(IndexKey(i));
  std::sort(keys.begin(), keys.end());  // as they come in pushes
  std::vector<bool> gone(table.slots(), true);
  const auto fill = [&] {
    for (const Key key : keys) {
      if (gone[SlotOf(key, kSlotBits)]) table.FindOrInsert(key)[0] = static_cast<float>(key >> 40);
    }
    gone.assign(table.slots(), false);
  };
  fill();
  const std::uint64_t full = table.memory_bytes();
  const std::uint64_t resident = ResidentBytes();
  std::mt19937 random(7);
  for (int round = 0; round < 3; ++round) {
    std::vector<SlotIndex> order(table.slots());
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random);
    order.resize(order.size() / 2);
    for (const SlotIndex slot : order) {
      table.ClearSlot(slot);
      gone[slot] = true;
    }
    const std::uint64_t half = table.memory_bytes();
    EXPECT_LT(half, full * 6 / 10);
    EXPECT_LT(ResidentBytes(), resident - (full - half) * 7 / 10) << "but for pages that blocks share";
    for (const Key key : keys) {
      const float* state = table.Find(key);
      ASSERT_EQ(state == nullptr, gone[SlotOf(key, kSlotBits)]);
      if (state != nullptr) {
        ASSERT_EQ(state[0], static_cast<float>(key >> 40));
      }
    }
    fill();
    EXPECT_EQ(table.size(), kKeys);
    EXPECT_LE(table.memory_bytes(), full * 102 / 100) << "places and blocks are taken again";
    for (const Key key : keys) {
      const float* state = table.Find(key);
      ASSERT_NE(state, nullptr);
      ASSERT_EQ(state[0], static_cast<float>(key >> 40));
      ASSERT_EQ(state[1], 0) << "what was there before";
    }
  }
}

TEST(SlotTable, MeanMemoryPerKeyHoldsAtEverySize) {
  SlotTable::Options options;
  SlotTable table(options);
  std::size_t next = 3'000'000;
  for (std::size_t i = 0; i < 4'000'000; ++i) {
    table.FindOrInsert(IndexKey(i));
    if (table.size() == next) {
      EXPECT_LE(static_cast<double>(table.memory_bytes()) / table.size(), 22.9) << table.size();
      next += 250'000;
    }
  }
}

}  // namespace
}  // namespace ps
