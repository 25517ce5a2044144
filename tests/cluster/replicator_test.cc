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
  CopyTest() : shard_(MakeOptions()) {
    Outbox outbox;
    EXPECT_TRUE(shard_.OnConfig(
        MakeConfig(1, 0,
                   std::vector<NumberedSlotConfig>{
                       {0, {.term = 1, .ver = 1, .members = {kPrimary, kSelf}}},
                       {1, {.term = 1, .ver = 1, .members = {kOther}}}}),
        MonotonicTime(0), outbox));
    EXPECT_EQ(Take(Snap(10, 1)).number(), 1u);
  }

  static Shard::Options MakeOptions() {
    Shard::Options options;
    options.table.slot_bits = 1;
    options.table.optimizer = {.type = Optimizer::kSgd, .alpha = -1};
    options.table.layout = EntryLayout::For(Optimizer::kSgd);
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

}  // namespace
}  // namespace ps
