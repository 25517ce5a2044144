// What each pass has learnt: counts, metrics, and which batches are in them. A batch counts once,
// also when a rollback makes its pass run again. One thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

#include "absl/status/status.h"
#include "scheduler/job_events.h"
#include "scheduler/scheduler_state.pb.h"

namespace ps {

class PassBooks {
 public:
  explicit PassBooks(std::uint32_t chunks) : chunks_(chunks) {}

  PassReport& Of(std::uint32_t pass) {
    Book& book = BookOf(pass);
    book.report.pass = pass;
    return book.report;
  }
  // The report as it is; an empty one for a pass that has not begun.
  PassReport Look(std::uint32_t pass) const {
    const auto at = books_.find(pass);
    return at == books_.end() ? PassReport{.pass = pass} : at->second.report;
  }
  // True the first time for a batch of a chunk.
  bool FirstTime(std::uint32_t pass, std::uint32_t chunk, std::uint32_t batch) {
    if (pass < finished_) return false;
    std::uint64_t& counted = BookOf(pass).counted[chunk];
    const std::uint64_t bit = std::uint64_t{1} << batch;
    const bool first = (counted & bit) == 0;
    counted |= bit;
    return first;
  }
  bool AnyCounted(std::uint32_t pass, std::uint32_t chunk) {
    return pass < finished_ || BookOf(pass).counted[chunk] != 0;
  }
  // A pass has been reported: all its batches have been counted, and its metrics are no longer needed.
  void Finish(std::uint32_t pass) {
    finished_ = std::max(finished_, pass + 1);
    Book& book = BookOf(pass);
    book.report.progressive = MetricState();
    book.counted = {};
  }

  // From a pass on, which is none beyond the finished ones; examples of bad rows are left out.
  void Save(std::uint32_t first_pass, scheduler::State* state) const;
  // Replaces all; passes that state.passes_done says are finished. DataLoss when they are not of such a job.
  absl::Status Load(const scheduler::State& state);

 private:
  struct Book {
    PassReport report;
    std::vector<std::uint64_t> counted;  // a chunk: its batches
  };
  Book& BookOf(std::uint32_t pass) {
    Book& book = books_[pass];
    if (book.counted.empty() && pass >= finished_) book.counted.assign(chunks_, 0);
    return book;
  }

  const std::uint32_t chunks_;
  std::uint32_t finished_ = 0;  // passes before this one
  std::map<std::uint32_t, Book> books_;
};

}  // namespace ps
