// Items come out one at a time and in sequence, whoever produced them and however long it took.
#include "trainer/in_order.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

namespace ps {
namespace {

TEST(InOrder, ConsumesInSequenceOneAtATime) {
  for (std::uint64_t window : {1, 3, 64}) {
    constexpr std::uint64_t kItems = 3'000;
    std::uint64_t consumed = 0;
    std::atomic<int> consumers{0};
    InOrder<std::vector<std::uint64_t>> in_order(window, [&](std::vector<std::uint64_t>& item) {
      EXPECT_EQ(consumers.fetch_add(1), 0) << "two consumers at once";
      EXPECT_EQ(item.at(0), consumed);
      ++consumed;
      consumers.fetch_sub(1);
    });
    std::atomic<std::uint64_t> next{0};
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        std::mt19937 random(t);
        for (std::uint64_t mine = next.fetch_add(1); mine < kItems; mine = next.fetch_add(1)) {
          std::vector<std::uint64_t> item = in_order.Spare();
          item.assign(1, mine);
          for (unsigned spin = random() % 300; spin > 0; --spin) std::atomic_signal_fence(std::memory_order_seq_cst);
          in_order.Offer(mine, std::move(item));
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(consumed, kItems);
  }
}

}  // namespace
}  // namespace ps
