// A set of 32-bit numbers kept as disjoint, non-adjacent closed intervals: the finished chunks of a
// pass, which are nearly always one run with a few holes. Plain value type; one thread.
#pragma once

#include <cstdint>
#include <vector>

namespace ps {

class IntervalSet {
 public:
  struct Interval {
    std::uint32_t first = 0;
    std::uint32_t last = 0;  // inclusive
    friend bool operator==(const Interval&, const Interval&) = default;
  };

  // Adds [interval.first, interval.last]; false, and no change, when last < first.
  bool Add(Interval interval);
  bool Contains(std::uint32_t number) const;
  void Clear();

  // How many numbers are in the set.
  std::uint64_t count() const { return count_; }
  // Ascending.
  const std::vector<Interval>& intervals() const { return intervals_; }

 private:
  std::vector<Interval> intervals_;
  std::uint64_t count_ = 0;
};

}  // namespace ps
