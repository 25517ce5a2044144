// What this process may use: processors and memory, with the limits of its container applied.
//
// Understands control groups v2 (cpu.max, memory.max), v1 (cpu.cfs_quota_us, memory.limit_in_bytes)
// and machines that mount both. A limit of any ancestor group counts. Pure reads of files, any
// thread; the functions never fail: what cannot be read limits nothing.
//
// `root` is put before every path ("" on a real machine), so that tests can build a fake one.
#pragma once

#include <cstdint>
#include <string>

namespace ps {

// Processors in the scheduling mask, limited by the group's quota rounded up; at least 1.
int EffectiveCpuCount(const std::string& root = "");

// The quota alone, in processors (1.5 of them, say); 0 when there is none.
double CpuQuota(const std::string& root);

struct MemoryLimits {
  std::int64_t limit_bytes = 0;      // the group's limit, or the machine's memory without one
  std::int64_t available_bytes = 0;  // what can still be taken: file cache counts as free
  bool from_cgroup = false;          // the limit is a container's
};

MemoryLimits EffectiveMemory(const std::string& root = "");

// Resident bytes of this process now; 0 where /proc is not mounted.
std::int64_t ResidentBytes();

// The most it has had so far.
std::int64_t PeakResidentBytes();

}  // namespace ps
