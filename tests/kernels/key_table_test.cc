// What a device's table of keys must be: a map from exact keys to dense ids, whatever keys come in
// what order. Built twice: with the kernels executed on the host, and for a real device, without
// which it skips.
#include "kernels/cuda/key_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <unordered_map>
#include <vector>

#include "kernels/cuda/device.h"
#include "ps/base/key.h"

namespace ps {
namespace {

constexpr std::uint32_t kFirstId = 2;

class DeviceKeyTableTest : public testing::Test {
 protected:
  void SetUp() override {
    const absl::StatusOr<DeviceInfo> device = FindDevice();
    if (!device.ok()) GTEST_SKIP() << device.status().message();
    ASSERT_TRUE(table_.Start(kFirstId, nullptr).ok());
  }

  std::vector<std::uint32_t> FindOrInsert(const std::vector<Key>& keys) {
    DeviceArray<unsigned long long> on_device;
    DeviceArray<std::uint32_t> found;
    std::vector<std::uint32_t> ids(keys.size());
    EXPECT_TRUE(on_device.Allocate(keys.size(), "keys").ok());
    EXPECT_TRUE(found.Allocate(keys.size(), "ids").ok());
    const std::vector<unsigned long long> wide(keys.begin(), keys.end());
    EXPECT_EQ(CopyToDevice(on_device.data(), wide.data(), wide.size(), nullptr), cudaSuccess);
    EXPECT_EQ(table_.FindOrInsert(on_device.data(), keys.size(), found.data(), nullptr),
              cudaSuccess);
    EXPECT_EQ(CopyToHost(ids.data(), found.data(), ids.size(), nullptr), cudaSuccess);
    EXPECT_EQ(cudaStreamSynchronize(nullptr), cudaSuccess);
    return ids;
  }

  // Looks keys up and holds the answers against those before.
  void Check(const std::vector<Key>& keys) {
    ASSERT_TRUE(table_.Reserve(kFirstId + known_.size() + keys.size(), nullptr).ok());
    CheckInRoom(keys);
  }
  void CheckInRoom(const std::vector<Key>& keys) {
    const std::vector<std::uint32_t> ids = FindOrInsert(keys);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (keys[i] == kEmptyKey) {
        ASSERT_EQ(ids[i], 0u);
        continue;
      }
      const auto [at, is_new] = known_.emplace(keys[i], ids[i]);
      ASSERT_EQ(at->second, ids[i]) << "key " << i;
      if (!is_new) continue;
      ASSERT_TRUE(given_.insert(ids[i]).second) << "id " << ids[i] << " of two keys";
    }
    ExpectDense();
  }
  void ExpectDense() {
    std::uint32_t next = 0;
    EXPECT_EQ(CopyToHost(&next, table_.next_id(), 1, nullptr), cudaSuccess);
    EXPECT_EQ(cudaStreamSynchronize(nullptr), cudaSuccess);
    ASSERT_EQ(next, kFirstId + known_.size());
    if (known_.empty()) return;
    EXPECT_EQ(*given_.begin(), kFirstId);
    EXPECT_EQ(*given_.rbegin(), next - 1);
  }
  std::unordered_map<Key, std::uint32_t> Pairs() {
    std::vector<KeyBucket> buckets(table_.buckets());
    EXPECT_TRUE(table_.Read(0, buckets.size(), buckets.data(), nullptr).ok());
    std::unordered_map<Key, std::uint32_t> pairs;
    for (const KeyBucket& bucket : buckets) {
      for (unsigned c = 0; c < KeyBucket::kCells; ++c) {
        if (bucket.keys[c] == kEmptyKey) continue;
        EXPECT_TRUE(pairs.emplace(bucket.keys[c], bucket.ids[c]).second) << "a key twice";
      }
    }
    return pairs;
  }

  DeviceKeyTable table_;
  std::unordered_map<Key, std::uint32_t> known_;
  std::set<std::uint32_t> given_;
};

std::vector<Key> RandomKeys(unsigned seed, std::size_t count, std::uint64_t distinct) {
  std::mt19937_64 random(seed);
  std::vector<Key> keys;
  for (std::size_t i = 0; i < count; ++i)
    keys.push_back(random() % 9 == 0 ? kEmptyKey : IndexKey(random() % distinct));
  return keys;
}

TEST_F(DeviceKeyTableTest, NoKeys) {
  Check({});
  Check({kEmptyKey, kEmptyKey});
  EXPECT_TRUE(Pairs().empty());
}

TEST_F(DeviceKeyTableTest, RandomKeysWithRepeatsOverManyGrowths) {
  const std::uint64_t before = table_.buckets();
  for (unsigned seed = 1; seed <= 12; ++seed)
    Check(RandomKeys(seed, 37 * seed * seed + seed, seed % 3 == 0 ? 50 : 300'000));
  Check(RandomKeys(13, 30'000, 300'000));
  EXPECT_GT(table_.buckets(), 4 * before);
  EXPECT_EQ(Pairs(), known_);
}

TEST_F(DeviceKeyTableTest, AllTheSameKey) {
  Check(std::vector<Key>(1000, IndexKey(7)));
  Check(std::vector<Key>(33, IndexKey(7)));
  EXPECT_EQ(Pairs(), known_);
}

// The upper half of a product of these with any number of buckets is 0: one home for all.
TEST_F(DeviceKeyTableTest, KeysOfOneHome) {
  std::vector<Key> keys;
  for (Key key = 1; key <= 4000; ++key) keys.push_back(1 + key * 7919 % 4001 % 4000);
  Check(keys);
  std::reverse(keys.begin(), keys.end());
  Check(keys);
  EXPECT_EQ(Pairs(), known_);
}

TEST_F(DeviceKeyTableTest, TheExtremes) {
  Check({1, ~Key{0}, Key{1} << 63, (Key{1} << 63) - 1, 2, ~Key{0} - 1, ~Key{0}, 1});
  EXPECT_EQ(known_.size(), 6u);
}

// More than a table is ever filled, so that rehashing does not end a search: cells are looked at
// one after the other until the last free one.
TEST_F(DeviceKeyTableTest, AFullTableStillEndsEverySearch) {
  std::vector<Key> keys;
  for (std::uint64_t i = 0; i < table_.buckets() * KeyBucket::kCells; ++i)
    keys.push_back(IndexKey(i));
  CheckInRoom(keys);
  CheckInRoom(keys);
  EXPECT_EQ(Pairs(), known_);
}

TEST_F(DeviceKeyTableTest, TakesKeysThatHaveIds) {
  std::vector<KeyBucket> buckets(3, KeyBucket{});
  for (std::uint32_t i = 0; i < 11; ++i) {
    buckets[i / 5].keys[i % 5] = IndexKey(1000 + i);
    buckets[i / 5].ids[i % 5] = 12 - i;
    known_.emplace(IndexKey(1000 + i), 12 - i);
    given_.insert(12 - i);
  }
  table_ = {};
  ASSERT_TRUE(table_.Start(13, nullptr).ok());
  ASSERT_TRUE(table_.Insert(buckets.data(), 2, nullptr).ok());
  ASSERT_TRUE(table_.Insert(buckets.data() + 2, 1, nullptr).ok());
  Check(RandomKeys(3, 8'000, 20'000));
  EXPECT_EQ(Pairs(), known_);
}

}  // namespace
}  // namespace ps
