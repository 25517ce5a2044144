#include "scheduler/chunk_ledger.h"

#include <bit>
#include <map>
#include <random>
#include <set>

#include "gtest/gtest.h"

namespace ps {
namespace {

using std::chrono::seconds;

TEST(ChunkLedger, ALostGrantIsGrantedAgain) {
  ChunkLedger ledger({.chunks = 5});
  EXPECT_EQ(ledger.Lease(1, {}, 2, 1, seconds(0)), (std::vector<std::uint32_t>{0, 1}));
  EXPECT_EQ(ledger.Lease(1, {0}, 1, 1, seconds(1)), (std::vector<std::uint32_t>{1}));
  EXPECT_EQ(ledger.Lease(1, {0, 1}, 1, 1, seconds(1)), (std::vector<std::uint32_t>{2}));
  EXPECT_EQ(ledger.Lease(2, {}, 9, 2, seconds(1)), (std::vector<std::uint32_t>{3, 4}));
  EXPECT_TRUE(ledger.Lease(3, {}, 1, 3, seconds(1)).empty());
}

TEST(ChunkLedger, LeasesOfTheDeadAndTheSlowAreOpenToOthers) {
  ChunkLedger ledger({.chunks = 2, .lease_limit = seconds(10)});
  ledger.Lease(1, {}, 2, 1, seconds(0));
  EXPECT_EQ(ledger.Report(1, 1, 0b01, 2, seconds(8)), 0b01u);
  ledger.ReleaseOverdue(seconds(12));
  EXPECT_EQ(ledger.Lease(2, {}, 2, 2, seconds(12)), (std::vector<std::uint32_t>{0}));
  ledger.Release(1);
  EXPECT_EQ(ledger.Lease(2, {0}, 2, 2, seconds(12)), (std::vector<std::uint32_t>{1}));
  EXPECT_EQ(ledger.mask(1), 0b01u);
  // The first holder was only slow. What it reports counts, once.
  EXPECT_EQ(ledger.Report(1, 0, 0b1, 1, seconds(13)), 0b1u);
  EXPECT_EQ(ledger.Report(2, 0, 0b1, 1, seconds(14)), 0u);
  EXPECT_EQ(ledger.Report(2, 1, 0b11, 2, seconds(14)), 0b10u);
  EXPECT_TRUE(ledger.PassDone());
}

TEST(ChunkLedger, SaysHowMuchOfThePassIsDone) {
  ChunkLedger ledger({.chunks = 4});
  EXPECT_EQ(ledger.Fraction(), 0);
  ledger.Lease(1, {}, 2, 1, seconds(0));
  ledger.Report(1, 0, 0b01, 4, seconds(1));
  EXPECT_EQ(ledger.Fraction(), 0.25 / 4);
  ledger.Report(1, 1, 0b11, 2, seconds(1));
  EXPECT_EQ(ledger.Fraction(), 1.25 / 4);
  ledger.Release(1);
  EXPECT_EQ(ledger.Fraction(), 1.25 / 4) << "what was learnt stays learnt";
  ledger.BeginPass(1);
  EXPECT_EQ(ledger.Fraction(), 0);
}

TEST(ChunkLedger, ARoundIsLeasedWhenTheOneBeforeIsDone) {
  ChunkLedger ledger({.chunks = 5, .round_chunks = 2});
  EXPECT_EQ(ledger.RoundChunks(3), 2u);
  EXPECT_EQ(ledger.RoundChunks(4), 1u);
  EXPECT_EQ(ledger.Lease(1, {}, 9, 1, seconds(0)), (std::vector<std::uint32_t>{0}))
      << "its share of two";
  EXPECT_EQ(ledger.Lease(2, {}, 9, 1, seconds(0)), (std::vector<std::uint32_t>{1}));
  ledger.Report(2, 1, 1, 1, seconds(0));
  EXPECT_TRUE(ledger.Lease(2, {}, 9, 1, seconds(0)).empty());
  ledger.Report(1, 0, 1, 1, seconds(0));
  EXPECT_EQ(ledger.Lease(2, {}, 9, 2, seconds(0)), (std::vector<std::uint32_t>{2, 3}));
}

TEST(ChunkLedger, NothingIsBegunBeyondAStop) {
  ChunkLedger ledger({.chunks = 5, .lease_limit = seconds(10)});
  ledger.StopAt(3);
  EXPECT_EQ(ledger.Lease(1, {}, 2, 2, seconds(0)), (std::vector<std::uint32_t>{0, 1}));
  EXPECT_EQ(ledger.Lease(2, {}, 9, 2, seconds(0)), (std::vector<std::uint32_t>{2}));
  ledger.Report(2, 2, 1, 1, seconds(1));
  ledger.Report(1, 0, 1, 1, seconds(1));
  EXPECT_FALSE(ledger.AtStop());
  ledger.Release(1);  // what was begun is done by others
  EXPECT_EQ(ledger.Lease(2, {}, 9, 2, seconds(1)), (std::vector<std::uint32_t>{1}));
  ledger.Report(2, 1, 1, 1, seconds(1));
  EXPECT_TRUE(ledger.AtStop());
  EXPECT_TRUE(ledger.WoundDown());
  ledger.StopAt(5);
  EXPECT_FALSE(ledger.AtStop());
  EXPECT_EQ(ledger.Lease(2, {}, 9, 2, seconds(1)), (std::vector<std::uint32_t>{3, 4}));
  ledger.Report(2, 3, 1, 1, seconds(1));
  ledger.Report(2, 4, 1, 1, seconds(1));
  EXPECT_TRUE(ledger.AtStop()) << "the end of the pass";
  ledger.BeginPass(1);
  EXPECT_FALSE(ledger.AtStop());
  EXPECT_EQ(ledger.Lease(1, {}, 9, 9, seconds(2)).size(), 5u);
}

TEST(ChunkLedger, WindingDownFinishesWhatIsBegun) {
  ChunkLedger ledger({.chunks = 5, .lease_limit = seconds(10)});
  ledger.Lease(1, {}, 2, 2, seconds(0));
  ledger.Lease(2, {}, 1, 2, seconds(0));
  ledger.WindDown();
  EXPECT_TRUE(ledger.Lease(2, {2}, 9, 2, seconds(1)).empty());
  ledger.Report(1, 0, 1, 1, seconds(1));
  ledger.Report(2, 2, 1, 1, seconds(1));
  ledger.Release(1);
  EXPECT_FALSE(ledger.WoundDown());
  EXPECT_EQ(ledger.Lease(2, {}, 9, 1, seconds(2)), (std::vector<std::uint32_t>{1}));
  ledger.Report(2, 1, 1, 1, seconds(2));
  EXPECT_TRUE(ledger.WoundDown());
  EXPECT_FALSE(ledger.PassDone());
}

TEST(ChunkLedger, WindingDownFinishesTheRound) {
  ChunkLedger ledger({.chunks = 5, .round_chunks = 3});
  EXPECT_EQ(ledger.Lease(1, {}, 1, 2, seconds(0)), (std::vector<std::uint32_t>{0}));
  ledger.WindDown();
  EXPECT_FALSE(ledger.WoundDown());
  EXPECT_EQ(ledger.Lease(2, {}, 9, 3, seconds(0)), (std::vector<std::uint32_t>{1, 2}));
  for (const std::uint32_t chunk : {0, 1, 2}) ledger.Report(1, chunk, 1, 1, seconds(0));
  EXPECT_TRUE(ledger.WoundDown());
  EXPECT_TRUE(ledger.Lease(2, {}, 9, 3, seconds(0)).empty());
  ledger.BeginPass(1);
  EXPECT_FALSE(ledger.Lease(2, {}, 9, 3, seconds(0)).empty());
}

TEST(ChunkLedger, WindingDownBeforeTheFirstLeaseBeginsNothing) {
  ChunkLedger ledger({.chunks = 5, .round_chunks = 3});
  ledger.WindDown();
  EXPECT_TRUE(ledger.WoundDown());
  EXPECT_TRUE(ledger.Lease(1, {}, 9, 1, seconds(0)).empty());
}

TEST(ChunkLedger, ImpossibleReportsChangeNothing) {
  ChunkLedger ledger({.chunks = 1});
  EXPECT_EQ(ledger.Report(1, 1, 1, 1, seconds(0)), 0u);
  EXPECT_EQ(ledger.Report(1, 0, 1, 0, seconds(0)), 0u);
  EXPECT_EQ(ledger.Report(1, 0, 1, 65, seconds(0)), 0u);
  EXPECT_EQ(ledger.Report(1, 0, 0b100, 2, seconds(0)), 0u) << "no such batch";
  EXPECT_FALSE(ledger.PassDone());
}

constexpr auto kAllAlike = [](NodeId) { return 0.01; };

TEST(ChunkLedger, AnIdleWorkerTakesAPartOfWhatAnotherIsLongAt) {
  ChunkLedger ledger({.chunks = 2, .lease_limit = seconds(10)});
  ledger.Lease(1, {}, 2, 2, seconds(0));
  EXPECT_FALSE(ledger.Lend(2, {}, kAllAlike, seconds(0)).has_value()) << "nobody knows how long it will take";
  ledger.Report(1, 0, 0b11, 16, seconds(0));
  EXPECT_FALSE(ledger.Lend(1, {}, kAllAlike, seconds(0)).has_value()) << "it has work";
  const auto part = ledger.Lend(2, {}, kAllAlike, seconds(0));
  ASSERT_TRUE(part.has_value());
  EXPECT_EQ(part->lender, 1u);
  // 30 batches are left; worker 2 loses the time of 8 with reading, and does 11.
  const std::uint32_t other = 1 - part->chunk;
  EXPECT_EQ(std::popcount(~part->skip & 0xffff), 11);
  EXPECT_EQ(ledger.Taken(1, part->chunk), ~part->skip | ledger.mask(part->chunk)) << "the lender leaves them alone";
  EXPECT_EQ(ledger.Taken(2, part->chunk), ledger.mask(part->chunk));
  EXPECT_EQ(ledger.Holders(), (std::set<NodeId>{1, 2}));
  EXPECT_EQ(ledger.Lend(2, {}, kAllAlike, seconds(0))->skip, part->skip) << "its Lease was lost";
  EXPECT_FALSE(ledger.Lend(2, {part->chunk}, kAllAlike, seconds(0)).has_value());
  const auto next = ledger.Lend(3, {}, kAllAlike, seconds(0));
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->chunk, other) << "one part a chunk";

  ledger.Report(2, part->chunk, ~part->skip & 0xffff, 16, seconds(1));
  EXPECT_EQ(ledger.Holders(), (std::set<NodeId>{1, 3}));
  ledger.Release(3);
  EXPECT_EQ(ledger.Taken(1, other), ledger.mask(other)) << "the lender has it back";
  ledger.Report(1, 0, 0xffff, 16, seconds(1));
  ledger.Report(1, 1, 0xffff, 16, seconds(1));
  EXPECT_TRUE(ledger.PassDone());
}

TEST(ChunkLedger, OfAWorkerThatHasStoppedNearlyAllIsTaken) {
  ChunkLedger ledger({.chunks = 1});
  ledger.Lease(1, {}, 1, 1, seconds(0));
  ledger.Report(1, 0, 0b1, 16, seconds(0));
  EXPECT_FALSE(ledger.Lend(2, {}, kAllAlike, std::chrono::milliseconds(100)).has_value()) << "soon done";
  const auto part = ledger.Lend(2, {}, kAllAlike, seconds(3));
  ASSERT_TRUE(part.has_value());
  EXPECT_EQ(std::popcount(~part->skip & 0xffff), 14);
}

// Workers come, die, are slow and repeat themselves; every batch of every chunk is fresh exactly
// once.
TEST(ChunkLedger, EveryBatchIsFreshOnce) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    std::mt19937_64 random(seed);
    const std::uint32_t chunks = 1 + random() % 12;
    ChunkLedger ledger({.chunks = chunks,
                        .round_chunks = static_cast<std::uint32_t>(random() % 4),
                        .lease_limit = seconds(5)});
    std::vector<std::uint32_t> batches(chunks);
    for (auto& count : batches) count = 1 + random() % 64;
    std::vector<std::uint64_t> counted(chunks, 0);
    std::map<NodeId, std::set<std::uint32_t>> held;
    MonotonicTime now{0};
    for (int step = 0; !ledger.PassDone(); ++step) {
      ASSERT_LT(step, 20000) << "seed " << seed;
      now += std::chrono::milliseconds(random() % 1000);
      const NodeId worker = 1 + random() % 3;
      if (random() % 30 == 0) {
        held[worker].clear();
        ledger.Release(worker);
      }
      ledger.ReleaseOverdue(now);
      for (std::uint32_t chunk : ledger.Lease(worker, held[worker], 1 + random() % 2, 1, now)) {
        if (random() % 5 != 0) held[worker].insert(chunk);  // or the answer is lost
      }
      const auto pace = [&](NodeId node) { return 0.1 * static_cast<double>(node * (seed % 3)); };
      if (const auto part = ledger.Lend(worker, held[worker], pace, now)) {
        ASSERT_NE(part->lender, worker);
        ASSERT_EQ(part->skip & counted[part->chunk], counted[part->chunk]) << "none is done twice";
        if (random() % 5 != 0) held[worker].insert(part->chunk);
      }
      for (std::uint32_t chunk : std::set<std::uint32_t>(held[worker])) {
        const std::uint64_t all = batches[chunk] == 64 ? ~0ull : (1ull << batches[chunk]) - 1;
        const std::uint64_t fresh =
            ledger.Report(worker, chunk, random() & all, batches[chunk], now);
        ASSERT_EQ(fresh & counted[chunk], 0u) << "seed " << seed;
        counted[chunk] |= fresh;
        if (counted[chunk] == all) held[worker].erase(chunk);
      }
    }
    for (std::uint32_t c = 0; c < chunks; ++c) {
      ASSERT_EQ(counted[c], batches[c] == 64 ? ~0ull : (1ull << batches[c]) - 1);
    }
    ASSERT_EQ(ledger.DoneIntervals().size(), 1u);
  }
}

}  // namespace
}  // namespace ps
