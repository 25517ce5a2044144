// Decides when a key has appeared often enough to enter the table: a counting filter (count-min with two
// hashes and conservative update). It may admit early when counters are shared, never late. When a generation of
// a slot's cells is half used up, a further one of twice the size starts; counts are sums over generations.
//
// Slots share nothing, so a slot's filter moves with it, and every copy of a slot that sees the same pushes decides
// the same. A slot without appearances takes no memory.
//
// Threads: one, the table's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ps/base/key.h"

namespace ps {

class AdmissionFilter {
 public:
  // Keys are admitted on appearance `min_count` (2..255).
  AdmissionFilter(int slot_bits, int min_count);

  // Counts `count` appearances of the key and says whether it has reached min_count.
  bool Admit(Key key, unsigned count);

  // A slot's cells as bytes: for each generation u32 cells, u32 used, the cells.
  std::string SaveSlot(SlotIndex slot) const;
  // Replaces the slot's cells by what SaveSlot gave. False, and nothing changed, when the bytes are not that.
  bool LoadSlot(SlotIndex slot, std::string_view bytes);
  void ClearSlot(SlotIndex slot) { slots_[slot].clear(); }

  std::uint64_t memory_bytes() const;

 private:
  struct Generation {
    std::vector<std::uint8_t> cells;
    std::uint32_t used = 0;  // first appearances counted in it
  };
  using Slot = std::vector<Generation>;
  static void AddGeneration(Slot& slot);

  const int slot_bits_;
  const unsigned min_count_;
  std::vector<Slot> slots_;
};

}  // namespace ps
