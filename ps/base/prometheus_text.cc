#include "ps/base/prometheus_text.h"

#include <dirent.h>
#include <sys/resource.h>
#include <time.h>

#include <charconv>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "ps/base/cgroup.h"

namespace ps {
namespace {

std::string Number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char buffer[32];
  return std::string(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
}

// Of labels; what is not ASCII text could break the line or be refused as no UTF-8.
std::string Escaped(const std::string& text) {
  std::string escaped;
  for (char c : text) {
    if (c == '\\' || c == '"') {
      escaped += '\\';
      escaped += c;
    } else if (c == '\n') {
      escaped += "\\n";
    } else {
      escaped +=
          static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e ? '?' : c;
    }
  }
  return escaped;
}

double CpuSeconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// Wall clock less what has passed since; taken once, so that it stays the same number.
double StartTime() {
  static const double start = [] {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
  }();
  return start;
}
const double started_with_the_process = StartTime();

int OpenFiles() {
  DIR* directory = ::opendir("/proc/self/fd");
  if (directory == nullptr) return 0;
  int count = -3;  // ".", ".." and the directory itself
  while (::readdir(directory) != nullptr) ++count;
  ::closedir(directory);
  return count;
}

}  // namespace

PrometheusText& PrometheusText::Begin(const char* name, const char* type, const char* help) {
  name_ = name;
  absl::StrAppend(&text_, "# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n");
  return *this;
}

PrometheusText& PrometheusText::Sample(double value, const Labels& labels) {
  absl::StrAppend(&text_, name_);
  const char* before = "{";
  for (const auto& [label, text] : labels) {
    absl::StrAppend(&text_, before, label, "=\"", Escaped(text), "\"");
    before = ",";
  }
  absl::StrAppend(&text_, labels.empty() ? " " : "} ", Number(value), "\n");
  return *this;
}

PrometheusText& PrometheusText::Gauge(const char* name, const char* help, double value) {
  return Begin(name, "gauge", help).Sample(value);
}
PrometheusText& PrometheusText::Counter(const char* name, const char* help, double value) {
  return Begin(name, "counter", help).Sample(value);
}

PrometheusText& PrometheusText::Histogram(const char* name, const char* help, absl::Span<const double> bounds,
                                          absl::Span<const std::uint64_t> counts, double sum) {
  Begin(name, "histogram", help);
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    count += counts[i];
    const std::string bound = i < bounds.size() ? Number(bounds[i]) : "+Inf";
    absl::StrAppend(&text_, name, "_bucket{le=\"", bound, "\"} ", count, "\n");
  }
  absl::StrAppend(&text_, name, "_sum ", Number(sum), "\n", name, "_count ", count, "\n");
  return *this;
}

void AppendProcessMetrics(PrometheusText* out) {
  const auto count = [](auto bytes) { return static_cast<double>(bytes); };
  const MemoryLimits memory = EffectiveMemory();
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  out->Counter("process_cpu_seconds_total", "User and system processor time spent.", CpuSeconds());
  out->Gauge("process_resident_memory_bytes", "Resident memory.", count(ResidentBytes()));
  out->Gauge("process_start_time_seconds", "Start of the process, in Unix time.",
             started_with_the_process);
  out->Gauge("process_open_fds", "Open file descriptors.", OpenFiles());
  out->Gauge("process_max_fds", "Most open file descriptors allowed.", count(files.rlim_cur));
  out->Gauge("ps_memory_limit_bytes", "Memory that the container or the machine grants.",
             count(memory.limit_bytes));
  out->Gauge("ps_memory_available_bytes", "What of it can still be taken.",
             count(memory.available_bytes));
  out->Gauge("ps_cpu_limit_cores", "Processors that the container or the machine grants.",
             EffectiveCpuCount());
}

}  // namespace ps
