// Memory for a table: one reserved range of addresses that is committed from its start as it is needed and
// backed by huge pages where the system gives them. Addresses are stable, and stay readable until the arena ends:
// readers of other threads never touch unmapped memory, also where Truncate or Release gave pages back.
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

  // Keeps the first `bytes`, a multiple of 64 and at most used_bytes(), and gives the memory behind them back to the
  // system; what is allocated there later is zeroed again. No thread may be in Allocate.
  void Truncate(std::uint64_t bytes);
  // Gives the pages that lie wholly inside of the range back to the system; they read as zeros, and are there again when
  // they are written to.
  void Release(std::uint64_t offset, std::uint64_t bytes);

  std::byte* base() const { return base_; }
  std::uint64_t used_bytes() const { return used_.load(std::memory_order_relaxed); }

 private:
  std::byte* base_ = nullptr;
  std::uint64_t reserved_ = 0;
  std::atomic<std::uint64_t> used_{0};
  std::atomic<std::uint64_t> committed_{0};
};

}  // namespace ps
