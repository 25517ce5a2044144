// The layout of a table's entry, as data: how many lanes, how many floats of optimiser state each.
// Immutable value type.
#pragma once

#include <cstdint>

#include "kernels/optimizer.h"

namespace ps {

// State of an entry: lanes x floats_per_lane floats, float-major ({z_0..z_K-1, n_0..n_K-1}), so that a
// kernel across lanes loads whole vectors. With one lane that is plainly {z, n}.
struct EntryLayout {
  int lanes = 1;
  int floats_per_lane = 2;

  int state_floats() const { return lanes * floats_per_lane; }
  int state_bytes() const { return state_floats() * 4; }
  static EntryLayout For(Optimizer type, int lanes = 1) { return {lanes, StateFloats(type)}; }
  friend bool operator==(const EntryLayout&, const EntryLayout&) = default;
};

}  // namespace ps
