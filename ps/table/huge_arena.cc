#include "ps/table/huge_arena.h"

#include <glog/logging.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace ps {
namespace {

constexpr std::uint64_t kHugePage = 2u << 20;

std::uint64_t RoundUp(std::uint64_t bytes, std::uint64_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

}  // namespace

HugeArena::HugeArena() {
  const std::uint64_t memory = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                               static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  reserved_ = RoundUp(memory, kHugePage) + kHugePage;
  // Addresses only: nothing is charged against memory or overcommit limits until Allocate commits it.
  void* range = mmap(nullptr, reserved_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  PCHECK(range != MAP_FAILED) << "cannot reserve " << reserved_ << " bytes of addresses";
  const auto address = reinterpret_cast<std::uintptr_t>(range);
  const std::uintptr_t aligned = RoundUp(address, kHugePage);
  if (aligned != address) munmap(range, aligned - address);
  base_ = reinterpret_cast<std::byte*>(aligned);
  reserved_ -= aligned - address;
}

HugeArena::~HugeArena() { munmap(base_, reserved_); }

void HugeArena::Release(std::uint64_t offset, std::uint64_t bytes) {
  static const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  const std::uint64_t begin = RoundUp(offset, page);
  const std::uint64_t end = (offset + bytes) / page * page;
  // Advice as well: where it is refused the pages stay, full of zeros.
  if (begin < end) madvise(base_ + begin, end - begin, MADV_DONTNEED);
}

std::uint64_t HugeArena::Allocate(std::uint64_t bytes) {
  bytes = RoundUp(bytes, 64);
  const std::uint64_t begin = used_.fetch_add(bytes, std::memory_order_relaxed);
  const std::uint64_t end = begin + bytes;
  if (end <= committed_.load(std::memory_order_acquire)) return begin;
  CHECK_LE(end, reserved_) << "the table needs more memory than this machine has";
  // A step at a time keeps the number of mappings small. Two threads may commit the same step: harmless.
  std::uint64_t committed = committed_.load(std::memory_order_acquire);
  const std::uint64_t step = std::max(kHugePage, RoundUp(end / 16, kHugePage));
  const std::uint64_t target = std::min(reserved_, RoundUp(end, kHugePage) + step);
  PCHECK(mprotect(base_, target, PROT_READ | PROT_WRITE) == 0)
      << "cannot commit " << target << " bytes for the table";
  madvise(base_, target, MADV_HUGEPAGE);  // advice only: 4 KiB pages work as well, slower
  while (committed < target &&
         !committed_.compare_exchange_weak(committed, target, std::memory_order_release)) {
  }
  return begin;
}

void HugeArena::Truncate(std::uint64_t bytes) {
  const std::uint64_t used = used_.load(std::memory_order_relaxed);
  CHECK(bytes % 64 == 0 && bytes <= used);
  const std::uint64_t page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  const std::uint64_t first_page = RoundUp(bytes, page);
  std::memset(base_ + bytes, 0, std::min(first_page, used) - bytes);
  if (used > first_page) {
    // Private anonymous memory reads as zeros afterwards.
    PCHECK(madvise(base_ + first_page, RoundUp(used, page) - first_page, MADV_DONTNEED) == 0)
        << "cannot give memory of the table back";
  }
  used_.store(bytes, std::memory_order_relaxed);
}

}  // namespace ps
