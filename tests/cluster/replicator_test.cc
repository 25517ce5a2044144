// One shard as the copy of a slot, against single items of several streams: which it takes.
#include "ps/server/replicator.h"

#include <vector>

#include "gtest/gtest.h"
#include "ps/server/shard.h"
#include "ps/table/slot_image.h"
#include "ps/wire/key_codec.h"
#include "ps/wire/value_codec.h"

namespace ps {
namespace {

constexpr NodeId kSelf = 2, kPrimary = 1, kOther = 3;
constexpr Key kKey = 5;  // of slot 0

// Slot 0: node 1 is the primary, this shard a copy that has its snapshot on stream 10.
class CopyTest : public ::testing::Test {
 protected:
  explicit CopyTest(int lanes = 1) : shard_(MakeOptions(lanes)) {
    Outbox outbox;
    EXPECT_TRUE(shard_.OnConfig(
        MakeConfig(1, 0,
                   std::vector<NumberedSlotConfig>{
                       {0, {.term = 1, .ver = 1, .members = {kPrimary, kSelf}}},
                       {1, {.term = 1, .ver = 1, .members = {kOther}}}}),
        MonotonicTime(0), outbox));
    EXPECT_EQ(Take(Snap(10, 1)).number(), 1u);
  }

  static Shard::Options MakeOptions(int lanes) {
    Shard::Options options;
    options.table.slot_bits = 1;
    options.table.optimizer = {.type = Optimizer::kSgd, .alpha = -1};
    options.table.layout = EntryLayout::For(Optimizer::kSgd, lanes);
    for (int k = 0; lanes > 1 && k < lanes; ++k) options.table.lanes.push_back({Optimizer::kSgd, -1.0f - k});
    options.replication.self = kSelf;
    return options;
  }

  static Message Item(NodeId from, std::uint64_t stream, std::uint64_t number) {
    Message message;
    wire::Repl& repl = *message.body.mutable_repl();
    repl.set_from(from);
    repl.set_to(kSelf);
    repl.set_stream(stream);
    repl.set_number(number);
    return message;
  }
  Message Snap(std::uint64_t stream, std::uint64_t number) const {
    Message message = Item(kPrimary, stream, number);
    wire::Repl::Snap& snap = *message.body.mutable_repl()->mutable_snap();
    snap.set_slot(0);
    snap.set_term(1);
    message.sections = {EncodeSlotImage(shard_.data().Image(0))};
    return message;
  }
  // One more of kKey.
  static Message Entry(NodeId from, std::uint64_t stream, std::uint64_t number,
                       std::uint32_t batch) {
    Message message = Item(from, stream, number);
    wire::Repl::Entry& entry = *message.body.mutable_repl()->add_entries();
    entry.mutable_name()->set_batch(batch);
    entry.set_count(1);
    const std::string keys = EncodeKeys(std::vector<Key>{kKey});
    const std::string values = EncodeValues(wire::F32, std::vector<float>{1});
    entry.set_key_bytes(static_cast<std::uint32_t>(keys.size()));
    entry.set_value_bytes(static_cast<std::uint32_t>(values.size()));
    message.sections = {keys + values};
    return message;
  }

  wire::Rack Take(const Message& item) {
    Outbox outbox;
    EXPECT_TRUE(shard_.Handle("them", item, MonotonicTime(0), outbox));
    shard_.Flush(MonotonicTime(0), outbox);
    EXPECT_EQ(outbox.items().size(), 1u);
    return outbox.items().at(0).what().body.rack();
  }
  float Weight() {
    float weight = -1;
    shard_.table().Pull({&kKey, 1}, {&weight, 1});
    return weight;
  }

  Shard shard_;
};

TEST_F(CopyTest, TakesWhatItsStreamBringsOnce) {
  EXPECT_EQ(Take(Entry(kPrimary, 10, 2, 0)).refused_size(), 0);
  EXPECT_EQ(Take(Entry(kPrimary, 10, 2, 0)).number(), 2u) << "a repetition";
  EXPECT_EQ(Weight(), 1);
}

TEST_F(CopyTest, AnotherNodesStreamIsRefused) {
  const wire::Rack rack = Take(Entry(kOther, 20, 1, 0));
  ASSERT_EQ(rack.refused_size(), 1);
  EXPECT_EQ(rack.refused(0), 0u);
  EXPECT_EQ(Weight(), 0);
}

TEST_F(CopyTest, ANewStreamOfTheSameNodeIsRefusedUntilItBringsASnapshot) {
  EXPECT_EQ(Take(Entry(kPrimary, 11, 1, 0)).refused_size(), 1);
  EXPECT_EQ(Weight(), 0);
  EXPECT_EQ(Take(Snap(11, 2)).refused_size(), 0);
  EXPECT_EQ(Take(Entry(kPrimary, 11, 3, 0)).refused_size(), 0);
  EXPECT_EQ(Weight(), 1);
}

TEST_F(CopyTest, AnOlderStreamIsNotAnswered) {
  EXPECT_EQ(Take(Snap(11, 1)).number(), 1u);
  Outbox outbox;
  EXPECT_TRUE(shard_.Handle("them", Entry(kPrimary, 10, 2, 0), MonotonicTime(0), outbox));
  shard_.Flush(MonotonicTime(0), outbox);
  EXPECT_TRUE(outbox.items().empty());
  EXPECT_EQ(Weight(), 0);
}

// Two lanes, which a configuration makes change places.
class LanesCopyTest : public CopyTest {
 protected:
  LanesCopyTest() : CopyTest(2) {}

  void ChangePlaces() {
    Message config = MakeConfig(2, 1, std::vector<NumberedSlotConfig>{});
    config.body.set_gen(1);
    wire::LaneChange& change = *config.body.mutable_config()->add_lane_changes();
    for (const std::uint32_t from : {1, 0}) {
      change.add_lanes()->set_alpha(from == 1 ? -2 : -1);
      change.add_from(from);
      change.add_reborn(false);
    }
    Outbox outbox;
    EXPECT_TRUE(shard_.OnConfig(config, MonotonicTime(0), outbox));
  }
  static Message Push(std::uint64_t number, std::uint32_t batch, std::uint32_t lane_changes) {
    Message message = Entry(kPrimary, 10, number, batch);
    wire::Repl::Entry& entry = *message.body.mutable_repl()->mutable_entries(0);
    entry.set_lane_changes(lane_changes);
    const std::string values = EncodeValues(wire::F32, std::vector<float>{1, 1});
    message.sections[0] = message.sections[0].substr(0, entry.key_bytes()) + values;
    entry.set_value_bytes(static_cast<std::uint32_t>(values.size()));
    return message;
  }
  Message SnapOf(std::uint64_t number, std::uint32_t lane_changes) const {
    Message message = Snap(10, number);
    message.body.mutable_repl()->mutable_snap()->set_lane_changes(lane_changes);
    return message;
  }
  std::vector<float> Weights() {
    std::vector<float> weights(2);
    shard_.table().Pull({&kKey, 1}, absl::MakeSpan(weights));
    return weights;
  }
};

TEST_F(LanesCopyTest, WhatIsOfOtherLanesIsRefusedUntilTheSlotComesAsAWhole) {
  EXPECT_EQ(Take(Push(2, 0, 0)).refused_size(), 0);
  EXPECT_EQ(Weights(), (std::vector<float>{1, 2}));
  ChangePlaces();
  EXPECT_EQ(Weights(), (std::vector<float>{2, 1}));
  // One that its sender applied before it heard of the change: the slot lacks it from now on.
  EXPECT_EQ(Take(Push(3, 1, 0)).refused_size(), 1);
  EXPECT_EQ(Take(Push(4, 2, 1)).refused_size(), 1);
  EXPECT_EQ(Take(SnapOf(5, 0)).refused_size(), 1);
  EXPECT_EQ(Weights(), (std::vector<float>{2, 1}));
  EXPECT_EQ(Take(SnapOf(6, 1)).refused_size(), 0);
  EXPECT_EQ(Take(Push(7, 3, 1)).refused_size(), 0);
  EXPECT_EQ(Weights(), (std::vector<float>{4, 2}));
}

TEST_F(LanesCopyTest, AnImpossibleChangeEndsTheJob) {
  Message config = MakeConfig(2, 1, std::vector<NumberedSlotConfig>{});
  config.body.set_gen(1);
  wire::LaneChange& change = *config.body.mutable_config()->add_lane_changes();
  change.add_lanes()->set_alpha(-1);
  change.add_from(7);
  change.add_reborn(false);
  Outbox outbox;
  shard_.OnConfig(config, MonotonicTime(0), outbox);
  EXPECT_TRUE(absl::IsInvalidArgument(shard_.replicator().restored()));
  EXPECT_EQ(shard_.replicator().restored_epoch(), 2u);  // the scheduler ignores failures of an older one
  EXPECT_EQ(shard_.table().lanes(), 2);
}

}  // namespace
}  // namespace ps
