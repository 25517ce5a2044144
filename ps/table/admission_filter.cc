#include "ps/table/admission_filter.h"

#include <glog/logging.h>

#include <algorithm>

namespace ps {

AdmissionFilter::AdmissionFilter(int slot_bits, int min_count)
    : slot_bits_(slot_bits), min_count_(static_cast<unsigned>(min_count)) {
  CHECK(min_count >= 2 && min_count <= 255);
  AddGeneration(256);
}

void AdmissionFilter::AddGeneration(std::uint64_t cells_per_slot) {
  Generation generation;
  generation.cells_per_slot = cells_per_slot;
  generation.cells.assign(cells_per_slot << slot_bits_, 0);
  generations_.push_back(std::move(generation));
}

void AdmissionFilter::Cells(const Generation& generation, int slot_bits, Key key,
                            std::uint64_t* first, std::uint64_t* second) {
  const std::uint64_t begin = SlotOf(key, slot_bits) * generation.cells_per_slot;
  const std::uint64_t low = key & 0xffffffffu;
  const std::uint64_t high = Mix64(key) & 0xffffffffu;
  *first = begin + ((low * generation.cells_per_slot) >> 32);
  *second = begin + ((high * generation.cells_per_slot) >> 32);
}

bool AdmissionFilter::Admit(Key key, unsigned count) {
  unsigned total = count;
  for (const Generation& generation : generations_) {
    std::uint64_t a, b;
    Cells(generation, slot_bits_, key, &a, &b);
    total += std::min(generation.cells[a], generation.cells[b]);
  }
  if (total >= min_count_) return true;
  Generation& newest = generations_.back();
  std::uint64_t a, b;
  Cells(newest, slot_bits_, key, &a, &b);
  // Conservative update: only what is below the new estimate rises. It fits: total < min_count <= 255.
  const unsigned estimate = std::min(newest.cells[a], newest.cells[b]) + count;
  if (newest.cells[a] == 0 || newest.cells[b] == 0) ++newest.used;
  newest.cells[a] = static_cast<std::uint8_t>(std::max<unsigned>(newest.cells[a], estimate));
  newest.cells[b] = static_cast<std::uint8_t>(std::max<unsigned>(newest.cells[b], estimate));
  if (newest.used * 4 > newest.cells.size()) AddGeneration(newest.cells_per_slot * 2);
  return false;
}

std::uint64_t AdmissionFilter::memory_bytes() const {
  std::uint64_t bytes = 0;
  for (const Generation& generation : generations_) bytes += generation.cells.size();
  return bytes;
}

}  // namespace ps
