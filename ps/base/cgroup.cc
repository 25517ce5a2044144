#include "ps/base/cgroup.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <thread>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "ps/base/file.h"

namespace ps {
namespace {

// A v1 group without a limit reports the largest multiple of the page size; no machine has 2^60.
constexpr std::int64_t kNoMemoryLimit = std::int64_t{1} << 60;

std::optional<std::string> Read(const std::string& path) {
  absl::StatusOr<std::string> content = ReadWholeFile(path);
  if (!content.ok()) return std::nullopt;
  return std::string(absl::StripAsciiWhitespace(*content));
}

std::optional<std::int64_t> ReadInteger(const std::string& path) {
  const std::optional<std::string> text = Read(path);
  std::int64_t value;
  if (!text || !absl::SimpleAtoi(*text, &value)) return std::nullopt;
  return value;
}

// The value after `name` in lines of "name value" (memory.stat) or "name: value kB" (meminfo).
std::optional<std::int64_t> ReadNamed(const std::string& path, absl::string_view name) {
  const std::optional<std::string> text = Read(path);
  if (!text) return std::nullopt;
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    std::int64_t value;
    if (words.size() >= 2 && absl::StripSuffix(words[0], ":") == name &&
        absl::SimpleAtoi(words[1], &value)) {
      return words.size() == 3 && words[2] == "kB" ? value * 1024 : value;
    }
  }
  return std::nullopt;
}

// Directories of this process's group and its ancestors, the group first, in one hierarchy.
// Inside a container the path of /proc/self/cgroup may be the host's and not exist here: then the
// mount itself is the container's group, which the walk upwards reaches.
std::vector<std::string> GroupDirectories(const std::string& mount, absl::string_view group) {
  std::vector<std::string> directories;
  absl::string_view rest = absl::StripSuffix(group, "/");
  while (!rest.empty()) {
    directories.push_back(absl::StrCat(mount, rest));
    rest = rest.substr(0, rest.rfind('/'));
  }
  directories.push_back(mount);
  return directories;
}

struct Hierarchy {
  std::vector<std::string> directories;
  bool v2;
};

// Hierarchies that can hold `controller`: the unified one, and the v1 mount of that name.
std::vector<Hierarchy> HierarchiesOf(const std::string& root, absl::string_view controller) {
  std::vector<Hierarchy> hierarchies;
  const std::string base = absl::StrCat(root, "/sys/fs/cgroup");
  const std::string groups = Read(absl::StrCat(root, "/proc/self/cgroup")).value_or("0::/");
  for (absl::string_view line : absl::StrSplit(groups, '\n')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3 || !absl::StartsWith(parts[2], "/")) continue;
    if (parts[1].empty()) {
      hierarchies.push_back({GroupDirectories(base, parts[2]), true});
      hierarchies.push_back({GroupDirectories(absl::StrCat(base, "/unified"), parts[2]), true});
      continue;
    }
    for (absl::string_view name : absl::StrSplit(parts[1], ',')) {
      if (name != controller) continue;
      // The mount is named after the controller or after the whole list ("cpu,cpuacct").
      hierarchies.push_back({GroupDirectories(absl::StrCat(base, "/", name), parts[2]), false});
      if (name != parts[1]) {
        hierarchies.push_back(
            {GroupDirectories(absl::StrCat(base, "/", parts[1]), parts[2]), false});
      }
    }
  }
  return hierarchies;
}

// Processors granted by one group; 0 for no limit.
double QuotaOfGroup(const std::string& directory, bool v2) {
  std::int64_t quota = 0;
  std::int64_t period = 0;
  if (v2) {
    const std::string text = Read(directory + "/cpu.max").value_or("");
    const std::vector<absl::string_view> words = absl::StrSplit(text, ' ');
    if (words.size() != 2 || !absl::SimpleAtoi(words[0], &quota) ||
        !absl::SimpleAtoi(words[1], &period)) {
      return 0;  // "max 100000", or no such file
    }
  } else {
    quota = ReadInteger(directory + "/cpu.cfs_quota_us").value_or(-1);
    period = ReadInteger(directory + "/cpu.cfs_period_us").value_or(0);
  }
  return quota > 0 && period > 0 ? static_cast<double>(quota) / static_cast<double>(period) : 0;
}

int ScheduledCpus() {
  // A fixed cpu_set_t holds 1024 processors; machines with more answer EINVAL to it.
  for (int cpus = CPU_SETSIZE; cpus <= (1 << 20); cpus *= 2) {
    cpu_set_t* set = CPU_ALLOC(cpus);
    if (set == nullptr) break;
    const std::size_t bytes = CPU_ALLOC_SIZE(cpus);
    CPU_ZERO_S(bytes, set);
    const int count = ::sched_getaffinity(0, bytes, set) == 0 ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (count > 0) return count;
  }
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

struct GroupMemory {
  std::int64_t limit_bytes;
  std::int64_t available_bytes;
};

std::optional<GroupMemory> MemoryOfGroup(const std::string& directory, bool v2) {
  const std::optional<std::int64_t> limit =
      ReadInteger(directory + (v2 ? "/memory.max" : "/memory.limit_in_bytes"));
  if (!limit || *limit < 0 || *limit >= kNoMemoryLimit) return std::nullopt;
  const std::int64_t used =
      ReadInteger(directory + (v2 ? "/memory.current" : "/memory.usage_in_bytes")).value_or(0);
  // The group is charged for file cache, which the kernel drops before it runs out.
  const std::int64_t cache =
      ReadNamed(directory + "/memory.stat", v2 ? "inactive_file" : "total_inactive_file")
          .value_or(0);
  const std::int64_t held = std::max<std::int64_t>(0, used - cache);
  return GroupMemory{*limit, std::max<std::int64_t>(0, *limit - held)};
}

}  // namespace

double CpuQuota(const std::string& root) {
  double quota = 0;
  for (const Hierarchy& hierarchy : HierarchiesOf(root, "cpu")) {
    for (const std::string& directory : hierarchy.directories) {
      const double granted = QuotaOfGroup(directory, hierarchy.v2);
      if (granted > 0 && (quota == 0 || granted < quota)) quota = granted;
    }
  }
  return quota;
}

int EffectiveCpuCount(const std::string& root) {
  const int scheduled = ScheduledCpus();
  const double quota = CpuQuota(root);
  if (quota == 0) return scheduled;
  return std::clamp(static_cast<int>(std::ceil(std::min(quota, 1e6))), 1, scheduled);
}

MemoryLimits EffectiveMemory(const std::string& root) {
  const std::string meminfo = absl::StrCat(root, "/proc/meminfo");
  const std::int64_t physical =
      std::int64_t{::sysconf(_SC_PHYS_PAGES)} * std::int64_t{::sysconf(_SC_PAGESIZE)};
  MemoryLimits memory;
  memory.limit_bytes = ReadNamed(meminfo, "MemTotal").value_or(physical);
  memory.available_bytes = ReadNamed(meminfo, "MemAvailable").value_or(memory.limit_bytes);
  for (const Hierarchy& hierarchy : HierarchiesOf(root, "memory")) {
    for (const std::string& directory : hierarchy.directories) {
      const std::optional<GroupMemory> group = MemoryOfGroup(directory, hierarchy.v2);
      if (!group) continue;
      if (group->limit_bytes < memory.limit_bytes) {
        memory.limit_bytes = group->limit_bytes;
        memory.from_cgroup = true;
      }
      memory.available_bytes = std::min(memory.available_bytes, group->available_bytes);
    }
  }
  return memory;
}

std::int64_t ResidentBytes() {
  const std::string statm = Read("/proc/self/statm").value_or("");
  const std::vector<absl::string_view> words = absl::StrSplit(statm, ' ');
  std::int64_t pages;
  if (words.size() < 2 || !absl::SimpleAtoi(words[1], &pages)) return 0;
  return pages * std::int64_t{::sysconf(_SC_PAGESIZE)};
}

std::int64_t PeakResidentBytes() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace ps
