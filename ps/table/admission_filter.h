// Decides when a key has appeared often enough to enter the table: a counting filter (count-min with two
// hashes and conservative update). It may admit early when counters are shared, never late. Each slot has cells
// of its own, so a slot's filter can move with it. When a generation of cells is half used up, a further one of
// twice the size starts; counts are sums over generations.
//
// Threads: one, the table's.
#pragma once

#include <cstdint>
#include <vector>

#include "ps/base/key.h"

namespace ps {

class AdmissionFilter {
 public:
  // Keys are admitted on appearance `min_count` (2..255).
  AdmissionFilter(int slot_bits, int min_count);

  // Counts `count` appearances of the key and says whether it has reached min_count.
  bool Admit(Key key, unsigned count);
  std::uint64_t memory_bytes() const;

 private:
  struct Generation {
    std::vector<std::uint8_t> cells;
    std::uint64_t used = 0;              // first appearances counted in it
    std::uint64_t cells_per_slot = 0;
  };
  void AddGeneration(std::uint64_t cells_per_slot);
  static void Cells(const Generation& generation, int slot_bits, Key key, std::uint64_t* first,
                    std::uint64_t* second);

  const int slot_bits_;
  const unsigned min_count_;
  std::vector<Generation> generations_;
};

}  // namespace ps
