// Who holds a slot: which news of a sync session counts.
#include "scheduler/slot_map.h"

#include "gtest/gtest.h"

namespace ps {
namespace {

// Two slots on servers 1 and 2 with two copies wanted; a third server comes while only one is there.
class SlotMapTest : public ::testing::Test {
 protected:
  SlotMapTest() : map_(1, 2) {
    map_.Start({{1, {.domain = "a"}}});
    map_.Seal();
    map_.Improve(both_);
    map_.Seal();
    EXPECT_EQ(config().sync_target, 2u);
  }
  const SlotConfig& config() const { return map_.config(0); }

  const SlotMap::Servers both_ = {{1, {.domain = "a"}}, {2, {.domain = "b"}}};
  SlotMap map_;
};

TEST_F(SlotMapTest, ASyncedTargetBecomesAMember) {
  EXPECT_TRUE(map_.Insync(0, config().term, 2, config().sync_id, both_));
  EXPECT_TRUE(config().HasMember(2));
  EXPECT_EQ(config().sync_target, kNobody);
}

TEST_F(SlotMapTest, NewsOfAnEarlierSessionDoesNotCount) {
  const std::uint64_t earlier = config().sync_id;
  // The target goes and comes back under its number: it has forgotten what it had.
  map_.Remove({2});
  map_.Seal();
  map_.Improve(both_);
  map_.Seal();
  ASSERT_EQ(config().sync_target, 2u);
  ASSERT_NE(config().sync_id, earlier);
  EXPECT_FALSE(map_.Insync(0, config().term, 2, earlier, both_));
  EXPECT_FALSE(config().HasMember(2));
}

TEST_F(SlotMapTest, NewsOfAnEarlierTermDoesNotCount) {
  EXPECT_FALSE(map_.Insync(0, config().term - 1, 2, config().sync_id, both_));
  EXPECT_FALSE(map_.Insync(0, config().term, 3, config().sync_id, both_)) << "another node";
  EXPECT_FALSE(map_.Insync(2, config().term, 2, config().sync_id, both_)) << "no such slot";
  EXPECT_FALSE(config().HasMember(2));
}

// A copy that is promoted before it has the slot would begin from nothing.
TEST(SlotMap, SlotsFromACheckpointHaveNoCopiesAtFirst) {
  const SlotMap::Servers servers = {{1, {"a"}}, {2, {"b"}}};
  SlotMap slots(2, 2);
  slots.Start(servers, /*from_checkpoint=*/true);
  for (SlotIndex slot = 0; slot < slots.slots(); ++slot) {
    EXPECT_EQ(slots.config(slot).members.size(), 1u);
    EXPECT_EQ(slots.config(slot).restore_term, slots.config(slot).term);
  }
  slots.Seal();
  slots.Improve(servers);
  EXPECT_GT(slots.Syncing(), 0u);
}

}  // namespace
}  // namespace ps
