#include "ps/server/interval_set.h"

#include <algorithm>

namespace ps {

bool IntervalSet::Add(Interval interval) {
  if (interval.last < interval.first) return false;
  // 64-bit sums, so that neighbours of 0xffffffff do not wrap.
  const auto touches_from_left = [](const Interval& a, std::uint32_t first) {
    return std::uint64_t{a.last} + 1 < first;
  };
  const auto begin =
      std::lower_bound(intervals_.begin(), intervals_.end(), interval.first, touches_from_left);
  auto end = begin;
  while (end != intervals_.end() && end->first <= std::uint64_t{interval.last} + 1) {
    interval.first = std::min(interval.first, end->first);
    interval.last = std::max(interval.last, end->last);
    count_ -= std::uint64_t{end->last} - end->first + 1;
    ++end;
  }
  count_ += std::uint64_t{interval.last} - interval.first + 1;
  if (begin == end) {
    intervals_.insert(begin, interval);
  } else {
    *begin = interval;
    intervals_.erase(begin + 1, end);
  }
  return true;
}

bool IntervalSet::Contains(std::uint32_t number) const {
  const auto after =
      std::upper_bound(intervals_.begin(), intervals_.end(), number,
                       [](std::uint32_t n, const Interval& a) { return n < a.first; });
  return after != intervals_.begin() && number <= std::prev(after)->last;
}

void IntervalSet::Clear() {
  intervals_.clear();
  count_ = 0;
}

}  // namespace ps
