// Threads that work together: everything is done once, and results are seen by the caller.
#include "models/gbdt/crew.h"

#include <gtest/gtest.h>

#include <numeric>
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
    std::vector<int> mine(static_cast<std::size_t>(threads));
    crew.Run([&](int thread) { ++mine[static_cast<std::size_t>(thread)]; });
    EXPECT_EQ(mine, std::vector<int>(static_cast<std::size_t>(threads), 1));
  }
}

}  // namespace
}  // namespace ps
