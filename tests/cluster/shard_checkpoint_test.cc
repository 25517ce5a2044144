// What a shard answers to requests for checkpoints that come again.
#include "ps/server/shard_checkpoint.h"

#include <cstring>
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "tests/cluster/simulated_checkpoints.h"

namespace ps {
namespace {

class ShardCheckpointTest : public testing::Test {
 protected:
  ShardCheckpointTest() { Configure(1, 0); }

  static SlotTable::Options Table() {
    SlotTable::Options options;
    options.slot_bits = 2;
    options.layout = EntryLayout::For(options.optimizer.type);
    return options;
  }

  void Configure(std::uint64_t epoch, std::uint64_t gen) {
    Message config = MakeSoleConfig(epoch, 1, 4);
    config.body.set_gen(gen);
    Outbox outbox;
    ASSERT_TRUE(replicator_.OnConfig(config, MonotonicTime(0), outbox));
  }

  // The seq of slot 0 in the answer, and the answer's gen.
  std::pair<std::uint64_t, std::uint64_t> Ask(std::uint64_t id, std::uint64_t gen) {
    Message request;
    request.body.set_gen(gen);
    request.body.set_epoch(1);
    request.body.mutable_checkpoint()->set_id(id);
    Outbox outbox;
    checkpoint_.OnRequest("scheduler", request, outbox);
    for (int i = 0; i < 200 && outbox.items().empty(); ++i) checkpoint_.OnTick(outbox);
    if (outbox.items().empty()) return {~0u, ~0u};
    const Message& answer = outbox.items()[0].message;
    std::uint64_t seq = 0;
    std::memcpy(&seq, answer.sections.at(0).data() + 16, sizeof seq);
    return {seq, answer.body.gen()};
  }

  SlotData data_{Table()};
  Replicator replicator_{{.self = 1}, &data_};
  MemoryStorage storage_;
  ShardCheckpoint checkpoint_{std::make_unique<SimulatedCheckpointWriter>(storage_, 1), 7, &data_,
                              &replicator_};
};

TEST_F(ShardCheckpointTest, TheSameRequestHasTheSameAnswer) {
  data_.seq[0] = 3;
  EXPECT_EQ(Ask(5, 0), std::pair(std::uint64_t{3}, std::uint64_t{0}));
  data_.seq[0] = 4;
  EXPECT_EQ(Ask(5, 0), std::pair(std::uint64_t{3}, std::uint64_t{0}));
  EXPECT_EQ(Ask(6, 0), std::pair(std::uint64_t{4}, std::uint64_t{0}));
  EXPECT_EQ(Ask(5, 0).second, ~0u) << "an older one is not begun again";
}

// A scheduler that came back gives an id again of which it found nothing stored.
TEST_F(ShardCheckpointTest, AnIdOfAnotherGenIsAnotherRequest) {
  data_.seq[0] = 3;
  EXPECT_EQ(Ask(5, 0), std::pair(std::uint64_t{3}, std::uint64_t{0}));
  data_.seq[0] = 9;
  Configure(2, 1);
  EXPECT_EQ(Ask(4, 1), std::pair(std::uint64_t{9}, std::uint64_t{1}));
}

}  // namespace
}  // namespace ps
