#include "trainer/pass_log.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ps/base/cgroup.h"

namespace ps {
namespace {

// A mean log loss that no data can explain: nothing comes back from there, although it is a number.
constexpr double kHopelessLoss = 1e12;

constexpr double kTickEverySeconds = 0.25;
constexpr double kLineEverySeconds = 10;  // between doublings, so that a long run is never silent

}  // namespace

PassLog::PassLog(ProgressReporter* reporter, int passes)
    : reporter_(*reporter), start_(std::chrono::steady_clock::now()), meter_(kLineEverySeconds) {
  totals_.passes = passes;
}

double PassLog::ElapsedSeconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void PassLog::BeginPass(int pass) {
  totals_.pass = pass;
  totals_.loss_sum = 0;
  totals_.weight_sum = 0;
  totals_.fraction_read = 0;
  metrics_.Clear();
  if (pass > 1) meter_.BeginAt(pass, ElapsedSeconds(), 0);  // there may have been no line for many passes
}

void PassLog::Resume(const MetricState& metrics, std::uint64_t rows) {
  metrics_ = metrics;
  totals_.loss_sum = metrics_.loss_sum();
  totals_.weight_sum = metrics_.rows();
  totals_.rows = reported_rows_ = rows;
}

void PassLog::Add(absl::Span<const float> margins, absl::Span<const float> labels,
                  absl::Span<const float> weights, double fraction_read) {
  metrics_.AddRows(margins, labels, weights);
  totals_.loss_sum = metrics_.loss_sum();
  totals_.weight_sum = metrics_.rows();
  totals_.rows += labels.size();
  totals_.fraction_read = fraction_read;
  if (waited_) meter_.BeginAt(totals_.pass, ElapsedSeconds(), fraction_read);
  waited_ = false;
  // One margin that is not finite makes every later sum so; the sum is therefore enough to look at.
  if (!(totals_.loss_sum <= kHopelessLoss * std::max(1.0, totals_.weight_sum))) diverged_ = true;
  Tick();
}

void PassLog::Count(std::size_t rows, double fraction_read) {
  totals_.rows += rows;
  totals_.fraction_read = fraction_read;
  Tick();
}

void PassLog::Tick() {
  const double elapsed = ElapsedSeconds();
  if (elapsed < ticked_seconds_ + kTickEverySeconds) return;
  ticked_seconds_ = totals_.elapsed_seconds = elapsed;
  totals_.resident_bytes = ResidentBytes();
  reporter_.Tick(meter_.Peek(totals_));
}

bool PassLog::IsDue() const { return meter_.IsDue(totals_.rows, ElapsedSeconds()); }

void PassLog::SetValid(const Metrics& valid) {
  totals_.valid_logloss = valid.logloss;
  totals_.valid_auc = valid.auc;
}

void PassLog::Report(std::uint64_t features) {
  totals_.features = features;
  totals_.resident_bytes = ResidentBytes();
  totals_.elapsed_seconds = ElapsedSeconds();
  reporter_.Report(meter_.Take(totals_));
  reported_rows_ = totals_.rows;
}

void PassLog::Final(std::uint64_t features) {
  if (reported_rows_ == totals_.rows) return;  // the last line is there
  Report(features);
}

absl::Status DivergedError(std::uint64_t rows, bool tuned) {
  if (tuned) {
    return absl::OutOfRangeError(absl::StrFormat(
        "diverged: the predictions of every setting tried are beyond all bounds after %d rows. Look for extreme "
        "feature values or importance weights, and for values that are not scaled (op: log or bucket)",
        rows));
  }
  return absl::OutOfRangeError(
      absl::StrFormat("diverged: the predictions are beyond all bounds after %d rows. Lower "
                      "model.optimizer.alpha, or look for extreme feature values",
                      rows));
}

bool HasOneLabel(const Metrics& train) {
  return train.rows > 0 && (train.positives == 0 || train.positives == train.rows);
}

std::string OneLabelWarning(const std::string& keys, bool seen_all) {
  return absl::StrCat("warning: all rows of data.train", seen_all ? "" : " that were looked at",
                      " have the same label: of such rows a model can only learn a constant.",
                      keys.empty() ? "" : absl::StrCat(" Is ", keys, " right?"));
}

absl::Status StoppedBeforeLearningError() {
  return absl::CancelledError("stopped before the first row was learnt; the output is unchanged");
}

}  // namespace ps
