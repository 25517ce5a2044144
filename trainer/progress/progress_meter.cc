#include "trainer/progress/progress_meter.h"

#include <algorithm>

namespace ps {

std::optional<double> ProgressMeter::EtaSeconds(const ProgressTotals& totals) const {
  if (!totals.fraction_read || *totals.fraction_read <= 0) return std::nullopt;
  // A pass from the row cache takes a fraction of the first one, so time is extrapolated from the
  // pass that runs. Its start is the last line before it: lines are taken at the end of a pass.
  const bool timed = totals.pass == timed_pass_;
  const double start = timed ? pass_start_seconds_ : last_.elapsed_seconds;
  const double fraction = std::min(*totals.fraction_read, 1.0);
  const double read_since = fraction - (timed ? pass_start_fraction_ : 0);
  if (read_since <= 0) return std::nullopt;
  const double whole_pass = (totals.elapsed_seconds - start) / read_since;
  const int passes_after = std::max(0, totals.passes - totals.pass);
  return std::max(0.0, whole_pass * (1 - fraction + passes_after));
}

ProgressLine ProgressMeter::Peek(const ProgressTotals& totals) const {
  ProgressLine line;
  line.pass = totals.pass;
  line.passes = totals.passes;
  line.rows = totals.rows;
  const double seconds = totals.elapsed_seconds - last_.elapsed_seconds;
  if (seconds > 0 && totals.rows >= last_.rows) {
    line.rows_per_second = static_cast<double>(totals.rows - last_.rows) / seconds;
  }
  const bool same_pass = totals.pass == last_.pass;
  const double weight = totals.weight_sum - (same_pass ? last_.weight_sum : 0);
  if (weight > 0) {
    line.logloss_since_last = (totals.loss_sum - (same_pass ? last_.loss_sum : 0)) / weight;
  }
  if (totals.weight_sum > 0) line.logloss = totals.loss_sum / totals.weight_sum;
  line.valid_logloss = totals.valid_logloss;
  line.valid_auc = totals.valid_auc;
  line.features = totals.features;
  line.resident_bytes = totals.resident_bytes;
  line.fraction_read = totals.fraction_read;
  line.eta_seconds = EtaSeconds(totals);
  line.elapsed_seconds = totals.elapsed_seconds;
  return line;
}

ProgressLine ProgressMeter::Take(const ProgressTotals& totals) {
  const ProgressLine line = Peek(totals);
  if (totals.pass != timed_pass_) {
    timed_pass_ = totals.pass;
    pass_start_seconds_ = last_.elapsed_seconds;
    pass_start_fraction_ = 0;
  }
  last_ = totals;
  while (next_rows_ <= totals.rows && next_rows_ <= (std::uint64_t{1} << 62)) next_rows_ *= 2;
  return line;
}

}  // namespace ps
