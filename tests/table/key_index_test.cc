// The index shared by threads: every key has one id, whoever asks, through growth of every slot.
#include "ps/table/key_index.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>
#include <unordered_map>
#include <vector>

namespace ps {
namespace {

TEST(KeyIndex, ThreadsAgreeOnIds) {
  for (int slot_bits : {1, 8, 12}) {
    KeyIndex index(slot_bits, 2);
    constexpr int kThreads = 3, kRounds = 150, kBatch = 1'000, kUniverse = 60'000;
    std::vector<std::unordered_map<Key, std::uint32_t>> seen(kThreads);
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        std::mt19937_64 random(t);
        std::vector<Key> keys(kBatch);
        std::vector<std::uint32_t> ids(kBatch);
        KeyIndex::Recent recent;
        for (int round = 0; round < kRounds; ++round) {
          for (Key& key : keys) key = IndexKey(random() % (kUniverse * (round + 1) / kRounds + 1));
          index.Resolve(keys, &recent, ids.data());
          for (int i = 0; i < kBatch; ++i) {
            const auto [at, fresh] = seen[t].emplace(keys[i], ids[i]);
            ASSERT_EQ(at->second, ids[i]) << "the id of a key changed";
          }
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    std::unordered_map<Key, std::uint32_t> all;
    for (const auto& map : seen) {
      for (const auto& [key, id] : map) {
        const auto [at, fresh] = all.emplace(key, id);
        ASSERT_EQ(at->second, id) << "two threads have different ids for a key";
      }
    }
    std::vector<bool> used(all.size() + 2, false);
    for (const auto& [key, id] : all) {
      ASSERT_GE(id, 2u);
      ASSERT_LT(id, used.size());
      ASSERT_FALSE(used[id]) << "two keys share an id";
      used[id] = true;
    }
    EXPECT_EQ(index.end_id(), all.size() + 2);
    std::size_t visited = 0;
    for (SlotIndex slot = 0; slot < index.slots(); ++slot) {
      index.ForEachInSlot(slot, [&](Key key, std::uint32_t id) {
        EXPECT_EQ(all.at(key), id);
        ++visited;
      });
    }
    EXPECT_EQ(visited, all.size());
  }
}

// Threads meet at the same new keys: one adds a key to a bucket while others are looking at it.
TEST(KeyIndex, ThreadsThatAddTheSameKeysAgree) {
  constexpr int kThreads = 6, kKeys = 40'000, kBatch = 500, kRepeats = 12;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    KeyIndex index(4, 2);
    std::vector<Key> keys(kKeys);
    for (int i = 0; i < kKeys; ++i) keys[i] = IndexKey(repeat * kKeys + i);
    std::vector<std::vector<std::uint32_t>> ids(kThreads, std::vector<std::uint32_t>(kKeys));
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        KeyIndex::Recent recent;
        for (int at = 0; at < kKeys; at += kBatch) {
          index.Resolve(absl::MakeConstSpan(keys).subspan(at, kBatch), &recent, ids[t].data() + at);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (int t = 1; t < kThreads; ++t) ASSERT_EQ(ids[t], ids[0]);
    ASSERT_EQ(index.end_id(), kKeys + 2u);
  }
}

TEST(KeyIndex, TakesKeysThatHaveIdsElsewhere) {
  KeyIndex index(8, 2);
  KeyIndex::Recent recent;
  const std::vector<Key> first = {IndexKey(1), IndexKey(2)};
  std::vector<std::uint32_t> ids(2);
  index.Resolve(first, &recent, ids.data());
  ASSERT_EQ(index.end_id(), 4u);
  // Ids 4 .. 30,003, mixed, by two threads.
  constexpr std::uint32_t kKeys = 30'000;
  std::vector<std::thread> threads;
  for (std::uint32_t t = 0; t < 2; ++t) {
    threads.emplace_back([&index, t] {
      std::vector<Key> keys;
      std::vector<std::uint32_t> given;
      for (std::uint32_t i = t; i < kKeys; i += 2) {
        keys.push_back(IndexKey(100 + i));
        given.push_back(4 + (i * 7919) % kKeys);
      }
      index.Add(keys, given);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(index.end_id(), 4 + kKeys);
  std::vector<Key> keys = {IndexKey(1), IndexKey(2), IndexKey(9'999'999)};
  for (std::uint32_t i = 0; i < kKeys; ++i) keys.push_back(IndexKey(100 + i));
  ids.resize(keys.size());
  index.Resolve(keys, &recent, ids.data());
  EXPECT_EQ(ids[0], 2u);
  EXPECT_EQ(ids[1], 3u);
  EXPECT_EQ(ids[2], 4 + kKeys);
  for (std::uint32_t i = 0; i < kKeys; ++i) ASSERT_EQ(ids[3 + i], 4 + (i * 7919) % kKeys);
}

TEST(KeyIndex, FindNeverAdds) {
  KeyIndex index(12, 1);
  std::vector<Key> keys;
  for (int i = 0; i < 10'000; ++i) keys.push_back(IndexKey(i));
  std::vector<std::uint32_t> ids(keys.size()), found(keys.size());
  KeyIndex::Recent recent;
  index.Find(keys, &recent, found.data());
  for (std::uint32_t id : found) ASSERT_EQ(id, KeyIndex::kUnknown);
  EXPECT_EQ(index.end_id(), 1u);
  index.Resolve(keys, &recent, ids.data());
  index.Find(keys, &recent, found.data());
  EXPECT_EQ(found, ids);
}

}  // namespace
}  // namespace ps
