// Memory for a table: one reserved range of addresses that is committed from its start as it is needed and
// backed by huge pages where the system gives them. Blocks are never given back before the arena ends, so
// addresses are stable and readers of other threads never touch unmapped memory.
//
// Threads: Allocate may be called from any thread; the rest belongs to the owner.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ps {

class HugeArena {
 public:
  // Reserves addresses for as much memory as the machine has. Dies if even addresses are refused.
  HugeArena();
  ~HugeArena();
  HugeArena(const HugeArena&) = delete;
  HugeArena& operator=(const HugeArena&) = delete;

  // Zeroed memory, aligned to 64 bytes, as an offset from base(). Dies with a message naming the size when
  // the machine's memory is used up: plans are checked before, so that this is the last resort.
  std::uint64_t Allocate(std::uint64_t bytes);

  std::byte* base() const { return base_; }
  std::uint64_t used_bytes() const { return used_.load(std::memory_order_relaxed); }

 private:
  std::byte* base_ = nullptr;
  std::uint64_t reserved_ = 0;
  std::atomic<std::uint64_t> used_{0};
  std::atomic<std::uint64_t> committed_{0};
};

}  // namespace ps
