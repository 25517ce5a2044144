// Five keys and their ids, as a table of keys has them in the memory of a device
// (kernels/cuda/key_table.h). Plain data.
#pragma once

#include <cstdint>

namespace ps {

// Cells fill from the front and are never emptied: a free one, of key 0, ends a search. An id is 0
// until it has been written.
struct alignas(64) KeyBucket {
  static constexpr unsigned kCells = 5;
  unsigned long long keys[kCells];
  std::uint32_t ids[kCells];
};
static_assert(sizeof(KeyBucket) == 64);

}  // namespace ps
