#include "ps/table/admission_filter.h"

#include <glog/logging.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace ps {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::size_t kFirstCells = 256;
constexpr std::size_t kMostGenerations = 22;  // 2^29 cells in the last

struct CellPair {
  std::size_t first;
  std::size_t second;
};

CellPair CellsOf(Key key, std::size_t cells) {
  const std::uint64_t low = key & 0xffffffffu;
  const std::uint64_t high = Mix64(key) & 0xffffffffu;
  return {(low * cells) >> 32, (high * cells) >> 32};
}

}  // namespace

AdmissionFilter::AdmissionFilter(int slot_bits, int min_count)
    : slot_bits_(slot_bits),
      min_count_(static_cast<unsigned>(min_count)),
      slots_(std::size_t{1} << slot_bits) {
  CHECK(min_count >= 2 && min_count <= 255);
}

void AdmissionFilter::AddGeneration(Slot& slot) {
  slot.emplace_back().cells.assign(kFirstCells << (slot.size() - 1), 0);
}

bool AdmissionFilter::Admit(Key key, unsigned count) {
  Slot& slot = slots_[SlotOf(key, slot_bits_)];
  if (slot.empty()) AddGeneration(slot);
  unsigned total = count;
  for (const Generation& generation : slot) {
    const CellPair at = CellsOf(key, generation.cells.size());
    total += std::min(generation.cells[at.first], generation.cells[at.second]);
  }
  if (total >= min_count_) return true;
  Generation& newest = slot.back();
  const CellPair at = CellsOf(key, newest.cells.size());
  std::uint8_t& a = newest.cells[at.first];
  std::uint8_t& b = newest.cells[at.second];
  // Conservative update: only what is below the new estimate rises. It fits: total < min_count <= 255.
  const unsigned estimate = std::min(a, b) + count;
  if (a == 0 || b == 0) ++newest.used;
  a = static_cast<std::uint8_t>(std::max<unsigned>(a, estimate));
  b = static_cast<std::uint8_t>(std::max<unsigned>(b, estimate));
  if (newest.used * std::uint64_t{4} > newest.cells.size() && slot.size() < kMostGenerations) {
    AddGeneration(slot);
  }
  return false;
}

std::string AdmissionFilter::SaveSlot(SlotIndex slot) const {
  std::string bytes;
  for (const Generation& generation : slots_[slot]) {
    const std::uint32_t head[2] = {static_cast<std::uint32_t>(generation.cells.size()),
                                   generation.used};
    bytes.append(reinterpret_cast<const char*>(head), sizeof head);
    bytes.append(generation.cells.begin(), generation.cells.end());
  }
  return bytes;
}

bool AdmissionFilter::LoadSlot(SlotIndex slot, std::string_view bytes) {
  Slot loaded;
  while (!bytes.empty()) {
    std::uint32_t head[2];
    if (bytes.size() < sizeof head || loaded.size() == kMostGenerations) return false;
    std::memcpy(head, bytes.data(), sizeof head);
    bytes.remove_prefix(sizeof head);
    const std::size_t cells = kFirstCells << loaded.size();
    if (head[0] != cells || head[1] > cells || bytes.size() < cells) return false;
    Generation& generation = loaded.emplace_back();
    generation.cells.assign(bytes.begin(), bytes.begin() + cells);
    generation.used = head[1];
    bytes.remove_prefix(cells);
  }
  slots_[slot] = std::move(loaded);
  return true;
}

std::uint64_t AdmissionFilter::memory_bytes() const {
  std::uint64_t bytes = slots_.size() * sizeof(Slot);
  for (const Slot& slot : slots_) {
    for (const Generation& generation : slot) bytes += sizeof generation + generation.cells.size();
  }
  return bytes;
}

}  // namespace ps
