// Running sums to progress lines: when a line is due, and what changed since the one before.
//
// Lines are due at 1,000, 2,000, 4,000 ... rows, and on request at least every so many seconds.
// Pure (time is an argument); one thread.
#pragma once

#include <cstdint>
#include <optional>

#include "trainer/progress/progress_line.h"

namespace ps {

// Totals since the job began, but for what is said to belong to the pass.
struct ProgressTotals {
  int pass = 1;
  int passes = 1;
  std::uint64_t rows = 0;
  double loss_sum = 0;    // of this pass: weighted log loss of the rows before learning from them
  double weight_sum = 0;  // of this pass
  std::optional<double> valid_logloss;
  std::optional<double> valid_auc;
  std::uint64_t features = 0;
  std::int64_t resident_bytes = 0;
  std::optional<double> fraction_read;  // of this pass's input
  double elapsed_seconds = 0;
};

class ProgressMeter {
 public:
  explicit ProgressMeter(double every_seconds = 0)  // 0: only at doubling row counts
      : every_seconds_(every_seconds) {}

  // The pass goes on from a fraction, or begins, only now: the time before says nothing of its speed.
  void BeginAt(int pass, double elapsed_seconds, double fraction) {
    timed_pass_ = pass;
    pass_start_seconds_ = elapsed_seconds;
    pass_start_fraction_ = fraction;
  }

  // Cheap; to be asked after every batch.
  bool IsDue(std::uint64_t rows, double elapsed_seconds) const {
    return rows >= next_rows_ ||
           (every_seconds_ > 0 && elapsed_seconds >= last_.elapsed_seconds + every_seconds_);
  }

  // The line of these totals, without remembering it: for a bar between two lines.
  ProgressLine Peek(const ProgressTotals& totals) const;

  // The line of these totals; the next one counts from here.
  ProgressLine Take(const ProgressTotals& totals);

 private:
  std::optional<double> EtaSeconds(const ProgressTotals& totals) const;

  const double every_seconds_;
  std::uint64_t next_rows_ = 1000;
  ProgressTotals last_;
  int timed_pass_ = 1;  // the pass that began at pass_start_seconds_
  double pass_start_seconds_ = 0, pass_start_fraction_ = 0;
};

}  // namespace ps
