// What a job is known to be doing, for whoever asks over HTTP: written by the thread that runs the
// job a few times a second, copied out by any thread. Rates are made here, over the last seconds.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "scheduler/cluster_status.h"
#include "trainer/progress/progress_line.h"

namespace ps {

struct JobStatus {
  enum class State { kStarting, kTraining, kFinishing };

  std::string job;
  std::string mode;  // embedded, threads, processes, joining
  State state = State::kStarting;
  double start_time = 0;       // Unix seconds
  double elapsed_seconds = 0;  // since then
  std::uint64_t rows_learnt = 0;
  double rows_per_second = 0;  // over the last seconds
  std::optional<ProgressLine> progress;
  std::optional<ClusterStatus> cluster;
  std::map<std::uint32_t, double> worker_rows_per_second;  // by node
};
const char* StateName(JobStatus::State state);

// A count that grows, and how fast it lately did. One thread at a time.
class Rate {
 public:
  using Clock = std::chrono::steady_clock;
  void Add(std::uint64_t count, Clock::time_point now);
  // Per second over the window, counted until `now`: nothing new lowers it.
  double PerSecond(Clock::time_point now) const;

 private:
  struct Sample {
    Clock::time_point at;
    std::uint64_t count;
  };
  std::deque<Sample> samples_;
};

class StatusBoard {
 public:
  using Clock = std::chrono::steady_clock;

  StatusBoard(std::string job, std::string mode);

  void SetState(JobStatus::State state);
  void SetProgress(const ProgressLine& line, Clock::time_point now = Clock::now());
  void SetCluster(ClusterStatus status, Clock::time_point now = Clock::now());

  JobStatus Get(Clock::time_point now = Clock::now()) const;

 private:
  mutable std::mutex mutex_;
  JobStatus status_;  // protected by mutex_, as is the rest
  const Clock::time_point start_ = Clock::now();
  Rate rows_;
  std::map<std::uint32_t, Rate> worker_rows_;
  Clock::time_point cluster_at_;  // when its ages were true
};

}  // namespace ps
