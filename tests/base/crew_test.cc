// Threads that work together: everything is done once, and results are seen by the caller.
#include "ps/base/crew.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

namespace ps {
namespace {

TEST(Crew, EveryItemIsDoneOnceAndSeen) {
  for (const int threads : {1, 2, 5}) {
    Crew crew(threads);
    EXPECT_EQ(crew.threads(), threads);
    std::vector<int> done(1000);
    for (int round = 0; round < 300; ++round) {
      const std::size_t count = static_cast<std::size_t>(round) % 40;
      crew.ForEach(count, [&](int thread, std::size_t i) {
        ASSERT_LT(thread, threads);
        ++done[i];
      });
    }
    int sum = 0;
    for (int round = 0; round < 300; ++round) sum += round % 40;
    EXPECT_EQ(std::accumulate(done.begin(), done.end(), 0), sum);
  }
}

// Threads that come late, when the work is over or the next has begun, take none of it twice.
TEST(Crew, ManyShortPieces) {
  Crew crew(4);
  std::vector<std::uint64_t> done(8);
  constexpr std::uint64_t kRounds = 20000;
  for (std::uint64_t round = 0; round < kRounds; ++round) {
    const std::size_t count = 2 + round % 7;
    crew.ForEach(count, [&](int, std::size_t i) {
      ++done[i];
      if ((round + i) % 97 == 0) std::this_thread::yield();
    });
  }
  for (std::size_t i = 0; i < done.size(); ++i) {
    std::uint64_t expected = 0;
    for (std::uint64_t round = 0; round < kRounds; ++round) expected += i < 2 + round % 7;
    EXPECT_EQ(done[i], expected) << i;
  }
}

// A thread that holds an item is waited for.
TEST(Crew, WhoHasAnItemIsWaitedFor) {
  Crew crew(2);
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> done{0};
    crew.ForEach(64, [&](int thread, std::size_t) {
      if (thread != 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      ++done;
    });
    EXPECT_EQ(done.load(), 64);
  }
}

}  // namespace
}  // namespace ps
