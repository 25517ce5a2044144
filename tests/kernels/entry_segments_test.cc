// Every id has a place of its own in segments that follow one another.
#include "kernels/cuda/entry_segments.h"

#include <gtest/gtest.h>

#include <bit>

namespace ps {
namespace {

EntrySegment SegmentOf(std::uint32_t id) { return EntrySegment::Of(id, std::bit_width(id) - 1); }

TEST(EntrySegments, FollowOneAnother) {
  EXPECT_EQ(EntrySegment::Begin(0), 0u);
  EXPECT_EQ(EntrySegment::Begin(1), EntrySegment::kFirstIds);
  EXPECT_EQ(EntrySegment::Begin(EntrySegment::kMost), std::uint64_t{1} << 32);
  for (std::uint32_t number = 0; number < EntrySegment::kMost; ++number) {
    const std::uint64_t begin = EntrySegment::Begin(number), end = EntrySegment::Begin(number + 1);
    ASSERT_LT(begin, end);
    ASSERT_LE(end - begin, std::max(EntrySegment::kFirstIds, begin / 4));
    for (const std::uint64_t id : {begin, begin + (end - begin) / 3, end - 1}) {
      const EntrySegment segment = SegmentOf(static_cast<std::uint32_t>(id));
      EXPECT_EQ(segment.number, number) << id;
      EXPECT_EQ(segment.first_id, begin) << id;
    }
  }
}

}  // namespace
}  // namespace ps
