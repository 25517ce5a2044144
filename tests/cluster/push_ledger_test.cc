#include "ps/server/push_ledger.h"

#include <random>
#include <set>
#include <tuple>

#include "gtest/gtest.h"

namespace ps {
namespace {

constexpr int kSlotBits = 4;

// Ascending keys, a few in each of some slots.
std::vector<Key> RandomKeys(std::mt19937_64& random) {
  std::set<Key> keys;
  const int count = static_cast<int>(random() % 12);
  for (int i = 0; i < count; ++i) keys.insert(((random() % 16) << 60) | (1 + random() % 3));
  return {keys.begin(), keys.end()};
}

// Against a set of all (pass, chunk, batch, slot) that were ever recorded.
TEST(PushLedger, EverySlotTakesABatchOnce) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    std::mt19937_64 random(seed);
    PushLedger ledger(kSlotBits);
    std::set<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, SlotIndex>> seen;
    std::uint32_t done_pass = 0;
    std::set<std::uint32_t> done;
    for (int step = 0; step < 200; ++step) {
      if (random() % 20 == 0) {
        const std::uint32_t pass = done_pass + (random() % 8 == 0);
        const std::uint32_t first = random() % 6, last = first + random() % 2;
        if (pass > done_pass) done.clear();
        done_pass = pass;
        for (std::uint32_t c = first; c <= last; ++c) done.insert(c);
        const IntervalSet::Interval interval{first, last};
        ledger.MarkDone(pass, {&interval, 1});
        ASSERT_EQ(ledger.done_chunks(), done.size());
      }
      const PushName name{static_cast<std::uint32_t>(random() % 3),
                          static_cast<std::uint32_t>(random() % 6),
                          static_cast<std::uint32_t>(random() % 64)};
      const std::vector<Key> keys = RandomKeys(random);
      std::vector<KeyRange> fresh;
      std::vector<std::uint64_t> pushes(std::size_t{1} << kSlotBits, 0);
      ledger.Record(name, keys, &fresh, pushes.data());
      std::vector<bool> is_fresh(keys.size(), false);
      std::size_t previous_end = 0;
      for (const KeyRange& range : fresh) {
        ASSERT_LT(range.begin, range.end);
        ASSERT_TRUE(range.begin > previous_end || range.begin == 0) << "adjacent ranges are joined";
        previous_end = range.end;
        for (std::size_t i = range.begin; i < range.end; ++i) is_fresh[i] = true;
      }
      const bool is_done =
          name.pass < done_pass || (name.pass == done_pass && done.contains(name.chunk));
      ASSERT_EQ(ledger.IsDone(name.pass, name.chunk), is_done);
      for (std::size_t i = 0; i < keys.size(); ++i) {
        const SlotIndex slot = SlotOf(keys[i], kSlotBits);
        const bool repeated = seen.contains({name.pass, name.chunk, name.batch, slot});
        ASSERT_EQ(is_fresh[i], !is_done && !repeated) << "seed " << seed << " step " << step;
        ASSERT_EQ(pushes[slot], is_fresh[i] ? 1u : 0u) << "seed " << seed << " step " << step;
      }
      if (is_done) continue;
      for (Key key : keys) seen.insert({name.pass, name.chunk, name.batch, SlotOf(key, kSlotBits)});
    }
  }
}

TEST(PushLedger, MasksOfDoneChunksAreGivenBack) {
  PushLedger ledger(kSlotBits);
  const std::vector<Key> keys = {1, Key{1} << 62};
  std::vector<KeyRange> fresh;
  std::vector<std::uint64_t> pushes(std::size_t{1} << kSlotBits, 0);
  for (std::uint32_t chunk = 0; chunk < 10; ++chunk) ledger.Record({0, chunk, 0}, keys, &fresh, pushes.data());
  EXPECT_EQ(ledger.open_chunks(), 10u);
  const IntervalSet::Interval most{0, 8};
  ledger.MarkDone(0, {&most, 1});
  EXPECT_EQ(ledger.open_chunks(), 1u);
  // Masks that are used again are clean.
  ledger.Record({0, 20, 0}, keys, &fresh, pushes.data());
  ASSERT_EQ(fresh.size(), 1u);
  EXPECT_EQ(fresh[0].end, 2u);
}

}  // namespace
}  // namespace ps
