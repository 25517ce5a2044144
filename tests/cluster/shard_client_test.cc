// The worker's side of Pull and Push against single answers and changes of gen.
#include "worker/shard_client.h"

#include <memory>
#include <optional>

#include "gtest/gtest.h"

namespace ps {
namespace {

RoutingTable Table(std::uint64_t epoch) {
  return *RoutingTable::Even(epoch, 1, {{.node = 1, .endpoint = "one"}});
}

TEST(ShardClient, StepsDoNotGoByTheRoutingTableOfTheGenBefore) {
  Outbox outbox;
  ShardClient client({.stepped = true});
  client.SetRouting(Table(1), MonotonicTime(0), outbox);
  client.SetGen(0);
  EXPECT_TRUE(client.routing().has_value()) << "the same gen";
  client.SetGen(1);
  EXPECT_FALSE(client.routing().has_value());
}

// Without steps nobody waits for a push without keys: what a shard has no longer, it refuses.
TEST(ShardClient, PushesKeepTheTableUntilANewerOneComes) {
  Outbox outbox;
  ShardClient client({});
  client.SetRouting(Table(1), MonotonicTime(0), outbox);
  client.SetGen(1);
  EXPECT_TRUE(client.routing().has_value());
}

}  // namespace
}  // namespace ps
