#include "trainer/control/status_board.h"

#include <algorithm>
#include <utility>

#include "ps/base/seconds.h"

namespace ps {
namespace {

constexpr std::chrono::seconds kWindow(10);

}  // namespace

const char* StateName(JobStatus::State state) {
  switch (state) {
    case JobStatus::State::kStarting:
      return "starting";
    case JobStatus::State::kTraining:
      return "training";
    case JobStatus::State::kFinishing:
      break;
  }
  return "finishing";
}

void Rate::Add(std::uint64_t count, Clock::time_point now) {
  if (!samples_.empty() && count < samples_.back().count) samples_.clear();  // it began anew
  samples_.push_back({now, count});
  // One sample from before the window stays: the window's beginning lies behind it.
  while (samples_.size() > 2 && now - samples_[1].at >= kWindow) samples_.pop_front();
}

double Rate::PerSecond(Clock::time_point now) const {
  if (samples_.empty()) return 0;
  auto from = samples_.begin();
  while (from + 1 != samples_.end() && now - (from + 1)->at >= kWindow) ++from;
  const double seconds = Seconds(now - from->at);
  if (seconds <= 0) return 0;
  return static_cast<double>(samples_.back().count - from->count) / seconds;
}

StatusBoard::StatusBoard(std::string job, std::string mode) {
  status_.job = std::move(job);
  status_.mode = std::move(mode);
  status_.start_time =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

void StatusBoard::SetState(JobStatus::State state) {
  const std::lock_guard<std::mutex> lock(mutex_);
  status_.state = state;
}

void StatusBoard::SetProgress(const ProgressLine& line, Clock::time_point now) {
  const std::lock_guard<std::mutex> lock(mutex_);
  status_.progress = line;
  if (status_.cluster.has_value()) return;  // whose scheduler counts
  status_.rows_learnt = line.rows;
  rows_.Add(line.rows, now);
}

void StatusBoard::SetCluster(ClusterStatus status, Clock::time_point now) {
  const std::lock_guard<std::mutex> lock(mutex_);
  status_.rows_learnt = status.rows_learnt;
  rows_.Add(status.rows_learnt, now);
  for (const WorkerStatus& worker : status.workers) worker_rows_[worker.node].Add(worker.rows, now);
  status_.cluster = std::move(status);
  cluster_at_ = now;
}

JobStatus StatusBoard::Get(Clock::time_point now) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  JobStatus status = status_;
  status.elapsed_seconds = Seconds(now - start_);
  status.rows_per_second = rows_.PerSecond(now);
  if (!status.cluster.has_value()) return status;
  // An evaluation may keep the scheduler's thread: what was true then has aged.
  const double aged = std::max(0.0, Seconds(now - cluster_at_));
  if (status.cluster->checkpoint_age_seconds >= 0) status.cluster->checkpoint_age_seconds += aged;
  for (ClusterEvent& event : status.cluster->events) event.age_seconds += aged;
  for (const WorkerStatus& worker : status.cluster->workers) {
    const double rate = worker.alive ? worker_rows_.at(worker.node).PerSecond(now) : 0;
    status.worker_rows_per_second[worker.node] = rate;
  }
  return status;
}

}  // namespace ps
