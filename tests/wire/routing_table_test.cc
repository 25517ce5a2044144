#include "ps/wire/routing_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "tests/wire/random_keys.h"

namespace ps {
namespace {

std::vector<RoutingTable::Shard> Shards(std::size_t count) {
  std::vector<RoutingTable::Shard> shards;
  for (std::size_t i = 0; i < count; ++i) {
    shards.push_back({static_cast<NodeId>(i + 1), "tcp://10.0.0.1:" + std::to_string(7000 + i)});
  }
  return shards;
}

TEST(RoutingTable, EvenTablesHaveNeighbouringSlotsOfLikeNumber) {
  for (const std::size_t count : {1u, 2u, 3u, 7u, 64u, 4095u, 4096u}) {
    const RoutingTable table = RoutingTable::Even(5, 12, Shards(count)).value();
    EXPECT_EQ(table.slots(), 4096);
    EXPECT_EQ(table.epoch(), 5);
    std::vector<int> slots(count);
    ShardIndex previous = 0;
    for (SlotIndex slot = 0; slot < table.slots(); ++slot) {
      const ShardIndex owner = table.OwnerOf(slot);
      ASSERT_TRUE(owner == previous || owner == previous + 1);
      previous = owner;
      ++slots[owner];
    }
    const auto [least, most] = std::minmax_element(slots.begin(), slots.end());
    EXPECT_LE(*most - *least, 1);
    EXPECT_GT(*least, 0);
  }
}

TEST(RoutingTable, RefusesWhatIsNoTable) {
  EXPECT_FALSE(RoutingTable::Even(1, 12, {}).ok());
  EXPECT_FALSE(RoutingTable::Even(1, 0, Shards(1)).ok());
  EXPECT_FALSE(RoutingTable::Even(1, 17, Shards(1)).ok());
  EXPECT_FALSE(RoutingTable::Even(1, -3, Shards(1)).ok());
  EXPECT_FALSE(RoutingTable::Even(1, 2, Shards(5)).ok());
  EXPECT_FALSE(RoutingTable::Even(1, 4, {{1, "a"}, {1, "b"}}).ok());
  EXPECT_FALSE(RoutingTable::FromOwners(1, 2, Shards(2), {0, 1, 0}).ok());
  EXPECT_FALSE(RoutingTable::FromOwners(1, 2, Shards(2), {0, 1, 0, 2}).ok());
  EXPECT_TRUE(RoutingTable::FromOwners(1, 2, Shards(2), {0, 1, 0, 1}).ok());
}

TEST(RoutingTable, TravelsAsAMessage) {
  const RoutingTable table =
      RoutingTable::FromOwners(9, 3, Shards(3), {2, 2, 0, 1, 0, 0, 1, 2}).value();
  const RoutingTable copy = RoutingTable::FromWire(9, table.ToWire()).value();
  EXPECT_EQ(copy.shards(), table.shards());
  EXPECT_EQ(copy.epoch(), 9);
  for (SlotIndex slot = 0; slot < 8; ++slot) EXPECT_EQ(copy.OwnerOf(slot), table.OwnerOf(slot));

  wire::Routing bad = table.ToWire();
  bad.set_slot_bits(4);
  EXPECT_FALSE(RoutingTable::FromWire(9, bad).ok());
  bad.set_slot_bits(4000000000u);
  EXPECT_FALSE(RoutingTable::FromWire(9, bad).ok());
  bad = table.ToWire();
  bad.mutable_owner()->push_back('\0');
  EXPECT_FALSE(RoutingTable::FromWire(9, bad).ok());
  bad = table.ToWire();
  bad.mutable_owner()->at(0) = 3;
  EXPECT_FALSE(RoutingTable::FromWire(9, bad).ok());
  bad = table.ToWire();
  bad.mutable_shards(1)->set_node(1);
  EXPECT_FALSE(RoutingTable::FromWire(9, bad).ok());
  EXPECT_FALSE(RoutingTable::FromWire(9, wire::Routing()).ok());
}

TEST(RoutingTable, FindsShards) {
  const RoutingTable table = RoutingTable::FromOwners(1, 2, Shards(3), {2, 0, 0, 1}).value();
  EXPECT_EQ(table.ShardOf(1), 2);
  EXPECT_EQ(table.ShardOf(Key{1} << 62), 0);
  EXPECT_EQ(table.ShardOf(~Key{0}), 1);
  EXPECT_EQ(table.ShardOfNode(3).value(), 2);
  EXPECT_FALSE(table.ShardOfNode(4).ok());
  EXPECT_EQ(table.SlotsOf(0), (std::vector<SlotIndex>{1, 2}));
  EXPECT_TRUE(table.OwnsAll(2, {1, 2, 3}));
  EXPECT_FALSE(table.OwnsAll(2, {1, 2, Key{1} << 62}));
  EXPECT_TRUE(table.OwnsAll(1, {}));
}

// Against one look-up a key, for tables of every kind.
TEST(RoutingTable, SplitsAsOneLookUpAKeyDoes) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 3000; ++round) {
    const int slot_bits = 1 + static_cast<int>(random() % 10);
    const std::size_t slots = std::size_t{1} << slot_bits;
    const std::size_t count = 1 + random() % std::min<std::size_t>(slots, 9);
    std::vector<std::uint16_t> owner(slots);
    const std::uint64_t longest_run = 1 + random() % 20;
    for (std::size_t slot = 0; slot < slots;) {
      const auto shard = static_cast<std::uint16_t>(random() % count);
      for (std::uint64_t run = 1 + random() % longest_run; run > 0 && slot < slots; --run) {
        owner[slot++] = shard;
      }
    }
    const RoutingTable table =
        RoutingTable::FromOwners(1, slot_bits, Shards(count), std::move(owner)).value();
    const std::vector<Key> keys = RandomKeys(random, random() % 200);

    std::vector<std::vector<Key>> expected(count);
    for (const Key key : keys) expected[table.ShardOf(key)].push_back(key);
    std::vector<bool> seen(count);
    std::vector<Key> scattered(keys.size());
    for (const RoutingTable::Part& part : table.Split(keys)) {
      ASSERT_FALSE(seen[part.shard]);
      seen[part.shard] = true;
      const std::vector<Key> gathered = Gather<Key>(part, keys);
      ASSERT_EQ(part.keys, gathered.size());
      ASSERT_EQ(gathered, expected[part.shard]);
      ASSERT_TRUE(table.OwnsAll(part.shard, gathered));
      Scatter<Key>(part, gathered, absl::MakeSpan(scattered));
      for (std::size_t i = 1; i < part.ranges.size(); ++i) {
        ASSERT_GT(part.ranges[i].begin, part.ranges[i - 1].end);
      }
    }
    ASSERT_EQ(scattered, keys);
    for (std::size_t shard = 0; shard < count; ++shard) {
      ASSERT_EQ(seen[shard], !expected[shard].empty());
    }
  }
}

TEST(RoutingTable, NeighbouringSlotsGiveOneRangeAShard) {
  std::mt19937_64 random(2);
  const RoutingTable table = RoutingTable::Even(1, 12, Shards(7)).value();
  const std::vector<Key> keys = RandomKeys(random, 100000);
  const std::vector<RoutingTable::Part> parts = table.Split(keys);
  ASSERT_EQ(parts.size(), 7);
  std::size_t at = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    EXPECT_EQ(parts[i].shard, i);
    ASSERT_EQ(parts[i].ranges.size(), 1);
    EXPECT_EQ(parts[i].ranges[0].begin, at);
    at = parts[i].ranges[0].end;
  }
  EXPECT_EQ(at, keys.size());
}

}  // namespace
}  // namespace ps
