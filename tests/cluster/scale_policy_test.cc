// Decisions of the scaling policy: what is observed, what is decided.
#include "scheduler/scale_policy.h"

#include "gtest/gtest.h"

namespace ps {
namespace {

constexpr double kMiB = 1048576;

ScalePolicy Memory() {
  return {.memory_per_server = 100 * kMiB, .min_servers = 2, .max_servers = 6};
}
ScalePolicy Speed() {
  return {.rows_per_second = 1000, .min_workers = 1, .max_workers = 16};
}
ScaleObservation Tables(std::uint32_t servers, double mebibytes) {
  return {.servers = servers, .workers = 1, .table_bytes = mebibytes * kMiB};
}
ScaleObservation Rate(std::uint32_t workers, double rows) {
  return {.servers = 1, .workers = workers, .rows_per_second = rows};
}

TEST(ScalePolicy, ServersFollowTheMemoryOfTheTables) {
  ScaleDecider decider(Memory());
  EXPECT_FALSE(decider.Decide(Tables(2, 199)));
  EXPECT_FALSE(decider.Decide(Tables(2, 201))) << "seen once";
  const auto decision = decider.Decide(Tables(2, 310));
  ASSERT_TRUE(decision);
  EXPECT_EQ(decision->servers, 4u) << "as many as it needs now";
  EXPECT_EQ(decision->workers, 1u);
  EXPECT_EQ(decision->reason, "tables need 155 MiB a server of 100 wanted");
  EXPECT_FALSE(decider.Decide(Tables(4, 310)));
  EXPECT_FALSE(decider.Decide(Tables(4, 310)));
}

TEST(ScalePolicy, NoMoreAndNoFewerServersThanAllowed) {
  ScaleDecider decider(Memory());
  decider.Decide(Tables(4, 5000));
  EXPECT_EQ(decider.Decide(Tables(4, 5000))->servers, 6u);
  EXPECT_FALSE(decider.Decide(Tables(6, 5000)));
  EXPECT_FALSE(decider.Decide(Tables(6, 5000)));
  decider.Decide(Tables(6, 1));
  EXPECT_EQ(decider.Decide(Tables(6, 1))->servers, 2u);
  EXPECT_FALSE(decider.Decide(Tables(2, 1)));
  EXPECT_FALSE(decider.Decide(Tables(2, 1)));
}

// Between growing and shrinking there is room: no number of bytes makes it go to and fro.
TEST(ScalePolicy, WhatGrewIsNotShrunkByTheSameTables) {
  for (double mebibytes = 10; mebibytes < 700; mebibytes += 7) {
    for (std::uint32_t servers = 2; servers <= 6; ++servers) {
      ScaleDecider decider(Memory());
      decider.Decide(Tables(servers, mebibytes));
      const auto first = decider.Decide(Tables(servers, mebibytes));
      if (!first) continue;
      decider.Decide(Tables(first->servers, mebibytes));
      EXPECT_FALSE(decider.Decide(Tables(first->servers, mebibytes))) << servers << " " << mebibytes;
    }
  }
}

TEST(ScalePolicy, AWishHasToLastAndNodesToSettle) {
  ScaleDecider decider(Memory());
  EXPECT_FALSE(decider.Decide(Tables(3, 400)));
  EXPECT_FALSE(decider.Decide(Tables(3, 250)));
  EXPECT_FALSE(decider.Decide(Tables(3, 400))) << "it went away in between";
  ScaleObservation moving = Tables(3, 400);
  moving.settled = false;
  EXPECT_FALSE(decider.Decide(moving));
  EXPECT_FALSE(decider.Decide(Tables(3, 400))) << "begins anew";
  EXPECT_TRUE(decider.Decide(Tables(3, 400)));
  EXPECT_FALSE(decider.Decide(Tables(3, 400)));
  EXPECT_FALSE(decider.Decide(Tables(3, 100))) << "the other direction";
}

TEST(ScalePolicy, WorkersFollowTheRate) {
  ScaleDecider decider(Speed());
  decider.Decide(Rate(2, 600));
  EXPECT_EQ(decider.Decide(Rate(2, 600))->workers, 4u);
  EXPECT_FALSE(decider.Decide(Rate(4, 950))) << "near enough";
  EXPECT_FALSE(decider.Decide(Rate(4, 1090)));
  decider.Decide(Rate(4, 2000));
  EXPECT_EQ(decider.Decide(Rate(4, 2000))->workers, 3u) << "two would give 1000, which is no room";
}

TEST(ScalePolicy, WorkersAtMostDouble) {
  ScaleDecider decider(Speed());
  decider.Decide(Rate(3, 10));
  EXPECT_EQ(decider.Decide(Rate(3, 10))->workers, 6u);
}

TEST(ScalePolicy, WorkersThatBringNoSpeedAreNotFollowedByMore) {
  ScaleDecider decider(Speed());
  decider.Decide(Rate(2, 500));
  EXPECT_EQ(decider.Decide(Rate(2, 500))->workers, 4u);
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(decider.Decide(Rate(4, 510)));
  ScaleObservation more_servers = Rate(4, 510);  // what was short may have been these
  more_servers.servers = 2;
  EXPECT_FALSE(decider.Decide(more_servers));
  EXPECT_EQ(decider.Decide(more_servers)->workers, 8u);
}

TEST(ScalePolicy, NothingLearntSaysNothing) {
  ScaleDecider decider(Speed());
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(decider.Decide(Rate(2, 0)));
}

TEST(ScalePolicy, WithoutATargetNothingChanges) {
  ScaleDecider decider({.min_servers = 3, .max_servers = 9, .min_workers = 4, .max_workers = 9});
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(decider.Decide({.table_bytes = 1e15, .rows_per_second = 1}));
}

}  // namespace
}  // namespace ps
