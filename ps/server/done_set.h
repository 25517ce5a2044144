// Which chunks are wholly contained in something: all passes before `pass`, and of that pass a set of
// chunks. Plain value type; one thread.
#pragma once

#include <cstdint>

#include "ps/server/interval_set.h"

namespace ps {

struct DoneSet {
  std::uint32_t pass = 0;
  IntervalSet chunks;

  bool Contains(std::uint32_t p, std::uint32_t chunk) const {
    return p < pass || (p == pass && chunks.Contains(chunk));
  }
  bool empty() const { return pass == 0 && chunks.count() == 0; }
  void Add(const DoneSet& other) {
    if (other.pass < pass) return;
    if (other.pass > pass) {
      *this = other;
      return;
    }
    for (const IntervalSet::Interval& interval : other.chunks.intervals()) chunks.Add(interval);
  }
  bool Includes(const DoneSet& other) const {
    DoneSet both = *this;
    both.Add(other);
    return both == *this;
  }
  friend bool operator==(const DoneSet& a, const DoneSet& b) {
    return a.pass == b.pass && a.chunks.intervals() == b.chunks.intervals();
  }
};

}  // namespace ps
