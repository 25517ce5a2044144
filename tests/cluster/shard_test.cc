// One shard against single requests: what it refuses, and what it forgets.
#include "ps/server/shard.h"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "ps/wire/key_codec.h"
#include "ps/wire/value_codec.h"

namespace ps {
namespace {

class ShardTest : public ::testing::Test {
 protected:
  ShardTest() : shard_(MakeOptions()) { Route(shard_); }

  static Shard::Options MakeOptions() {
    Shard::Options options;
    options.table.slot_bits = 3;
    options.table.optimizer = {.type = Optimizer::kSgd, .alpha = -1};
    options.table.layout = EntryLayout::For(Optimizer::kSgd);
    options.key_cache_bytes = 4096;
    options.replication.self = 1;
    return options;
  }

  // The shard owns the lower half of the slots.
  static void Route(Shard& shard) {
    std::vector<NumberedSlotConfig> slots;
    for (SlotIndex slot = 0; slot < 8; ++slot) {
      slots.push_back({slot, {.term = 1, .ver = 1, .members = {slot < 4 ? 1u : 2u}}});
    }
    Outbox outbox;
    ASSERT_TRUE(shard.OnConfig(MakeConfig(1, 0, slots), MonotonicTime(0), outbox));
  }

  static Message Push(const std::vector<Key>& keys, const std::vector<float>& values,
                      std::uint32_t batch = 0) {
    Message message;
    message.body.set_request(9);
    wire::Push& push = *message.body.mutable_push();
    push.mutable_name()->set_batch(batch);
    *push.mutable_keys() = DescribeKeys(keys);
    message.sections = {EncodeKeys(keys), EncodeValues(wire::F32, values)};
    return message;
  }

  Message Ask(const Message& message) {
    Outbox outbox;
    EXPECT_TRUE(shard_.Handle("me", message, MonotonicTime(0), outbox));
    EXPECT_EQ(outbox.items().size(), 1u);
    EXPECT_EQ(outbox.items()[0].message.body.request(), message.body.request());
    return outbox.items()[0].message;
  }
  wire::Error::Code ErrorOf(const Message& message) {
    const Message reply = Ask(message);
    EXPECT_TRUE(reply.body.has_error());
    return reply.body.error().code();
  }
  float Weight(Key key) {
    float weight = -1;
    shard_.table().Pull({&key, 1}, {&weight, 1});
    return weight;
  }

  Shard shard_;
};

TEST_F(ShardTest, APushIsAppliedOnce) {
  EXPECT_TRUE(Ask(Push({5, 7}, {1, 2})).body.has_push_ack());
  EXPECT_TRUE(Ask(Push({5, 7}, {1, 2})).body.has_push_ack());
  EXPECT_EQ(Weight(7), 2);
  EXPECT_TRUE(Ask(Push({5, 7}, {1, 2}, 63)).body.has_push_ack());
  EXPECT_EQ(Weight(7), 4);
}

TEST_F(ShardTest, MalformedRequestsAreRefusedAndChangeNothing) {
  EXPECT_EQ(ErrorOf(Push({5}, {1}, 64)), wire::Error::MALFORMED) << "batch";
  EXPECT_EQ(ErrorOf(Push({}, {})), wire::Error::MALFORMED) << "no keys";
  EXPECT_EQ(ErrorOf(Push({5}, {1, 2})), wire::Error::MALFORMED) << "more values than keys";
  EXPECT_EQ(ErrorOf(Push({5, 6}, {1})), wire::Error::MALFORMED) << "more keys than values";
  EXPECT_EQ(ErrorOf(Push({5}, {std::numeric_limits<float>::quiet_NaN()})), wire::Error::MALFORMED);
  EXPECT_EQ(ErrorOf(Push({5}, {std::numeric_limits<float>::infinity()})), wire::Error::MALFORMED);
  EXPECT_EQ(ErrorOf(Push({0, 5}, {1, 1})), wire::Error::MALFORMED) << "key 0";
  EXPECT_EQ(ErrorOf(Push({6, 5}, {1, 1})), wire::Error::MALFORMED) << "not ascending";
  Message message = Push({5}, {1});
  message.body.mutable_push()->set_stepped(true);
  EXPECT_EQ(ErrorOf(message), wire::Error::MALFORMED) << "a step on a shard without steps";
  message = Push({5}, {1});
  message.body.mutable_push()->set_format(static_cast<wire::ValueFormat>(77));
  EXPECT_EQ(ErrorOf(message), wire::Error::MALFORMED) << "format";
  message = Push({5}, {1});
  message.sections.pop_back();
  EXPECT_EQ(ErrorOf(message), wire::Error::MALFORMED) << "a missing section";
  message = Push({5}, {1});
  message.body.mutable_push()->set_has_counts(true);
  message.sections.push_back(std::string("\0", 1));
  EXPECT_EQ(ErrorOf(message), wire::Error::MALFORMED) << "a count of zero";
  message.sections.back() = "ab";
  EXPECT_EQ(ErrorOf(message), wire::Error::MALFORMED) << "two counts";
  message = Push({5}, {1});
  message.body.mutable_push()->mutable_keys()->set_signature_low(1);
  EXPECT_EQ(ErrorOf(message), wire::Error::MALFORMED) << "signature";
  EXPECT_EQ(shard_.table().size(), 0u);
  EXPECT_EQ(shard_.refused(), 14u);
}

TEST_F(ShardTest, SlotsOfOthersAreMoved) {
  const Key theirs = (Key{7} << 61) | 1;
  EXPECT_EQ(ErrorOf(Push({5, theirs}, {1, 1})), wire::Error::MOVED);
  EXPECT_EQ(shard_.table().size(), 0u);
  Message message;
  message.body.mutable_export_()->set_end_slot(8);
  message.body.mutable_export_()->set_limit(10);
  EXPECT_EQ(ErrorOf(message), wire::Error::MOVED);
  message.body.mutable_export_()->set_end_slot(9);
  EXPECT_EQ(ErrorOf(message), wire::Error::MALFORMED);
}

TEST_F(ShardTest, AKeyListThatWasForgottenIsAskedFor) {
  Message message = Push({5, 7}, {1, 2});
  message.body.mutable_push()->mutable_keys()->set_cached(true);
  message.sections.erase(message.sections.begin());
  EXPECT_EQ(ErrorOf(message), wire::Error::UNKNOWN_KEY_LIST);
  Message pull;
  *pull.body.mutable_pull()->mutable_keys() = DescribeKeys(std::vector<Key>{5, 7});
  pull.sections = {EncodeKeys(std::vector<Key>{5, 7})};
  EXPECT_TRUE(Ask(pull).body.has_pull_reply());
  EXPECT_TRUE(Ask(message).body.has_push_ack());
  EXPECT_EQ(Weight(7), 2);
}

TEST_F(ShardTest, PagesOfAnExportAreAscendingAndWholeSlots) {
  std::vector<Key> keys;
  std::vector<float> values;
  for (Key slot = 0; slot < 4; ++slot) {
    for (Key i = 1; i <= 5; ++i) {
      keys.push_back((slot << 61) | (i * 977));
      values.push_back(i == 3 ? 0.0f : 1.0f);  // a zero weight is not exported
    }
  }
  ASSERT_TRUE(Ask(Push(keys, values)).body.has_push_ack());
  std::vector<Key> exported;
  std::uint64_t entries = 0;
  for (SlotIndex slot = 0; slot < 4;) {
    Message message;
    message.body.mutable_export_()->set_first_slot(slot);
    message.body.mutable_export_()->set_end_slot(4);
    message.body.mutable_export_()->set_limit(6);
    const Message reply = Ask(message);
    ASSERT_TRUE(reply.body.has_export_reply());
    std::vector<Key> page;
    ASSERT_TRUE(DecodeKeys(reply.sections[0], reply.body.export_reply().count(), page).ok());
    EXPECT_EQ(page.size(), 8u) << "two whole slots";
    exported.insert(exported.end(), page.begin(), page.end());
    entries += reply.body.export_reply().entries();
    ASSERT_GT(reply.body.export_reply().next_slot(), slot);
    slot = reply.body.export_reply().next_slot();
  }
  EXPECT_EQ(entries, 20u);
  EXPECT_EQ(exported.size(), 16u);
  EXPECT_TRUE(std::is_sorted(exported.begin(), exported.end()));
}

TEST(ShardWeights, AnImportedWeightIsExportedAgain) {
  for (Optimizer type : {Optimizer::kFtrl, Optimizer::kAdaGrad, Optimizer::kSgd}) {
    Shard::Options options;
    options.table.slot_bits = 1;
    options.table.optimizer = {.type = type, .alpha = 0.1f, .beta = 1, .l1 = 0.3f, .l2 = 0.5f};
    options.table.layout = EntryLayout::For(type);
    Shard shard(options);
    Outbox none;
    ASSERT_TRUE(shard.OnConfig(MakeSoleConfig(1, options.replication.self, 2), {}, none));
    const std::vector<Key> keys = {3, 4, Key{1} << 63};
    const std::vector<float> weights = {0.25f, -1.5f, 3.0f};
    Message message;
    message.body.mutable_import()->set_count(3);
    message.sections = {EncodeKeys(keys), EncodeValues(wire::F32, weights)};
    Outbox outbox;
    ASSERT_TRUE(shard.Handle("me", message, MonotonicTime(0), outbox));
    ASSERT_TRUE(outbox.items()[0].message.body.has_import_ack());
    std::vector<float> got(3);
    shard.table().Pull(keys, absl::MakeSpan(got));
    for (int i = 0; i < 3; ++i) EXPECT_NEAR(got[i], weights[i], 1e-6);
  }
}

}  // namespace
}  // namespace ps
