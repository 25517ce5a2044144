// What a pass predicted before it learnt (progressive validation), and the progress lines made of it.
// One thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "models/metrics/metrics.h"
#include "trainer/progress/progress_meter.h"
#include "trainer/progress/progress_reporter.h"

namespace ps {

class PassLog {
 public:
  PassLog(ProgressReporter* reporter, int passes);

  void BeginPass(int pass);
  // The pass goes on that an earlier process began: its metrics so far, and rows learnt in all passes.
  void Resume(const MetricState& metrics, std::uint64_t rows);
  // Before the first rows of this process: what took time until then (nodes that came) was not learning.
  void Waited() { waited_ = true; }
  // Margins of rows before they were learnt, their labels and weights (empty: all 1); fraction of the pass's
  // input read so far.
  void Add(absl::Span<const float> margins, absl::Span<const float> labels,
           absl::Span<const float> weights, double fraction_read);
  // Rows that were read, and are learnt later: nothing was predicted of them.
  void Count(std::size_t rows, double fraction_read);
  bool IsDue() const;
  void SetValid(const Metrics& valid);
  void Report(std::uint64_t features);
  void Say(const std::string& text) { reporter_.Say(text); }
  // The last line, unless it was reported already.
  void Final(std::uint64_t features);

  // True once predictions were not finite, or so far out that the mean log loss was hopeless.
  bool diverged() const { return diverged_; }
  Metrics PassMetrics() const { return metrics_.Finish(); }

 private:
  double ElapsedSeconds() const;
  void Tick();  // between two lines, a few times a second

  ProgressReporter& reporter_;
  const std::chrono::steady_clock::time_point start_;
  ProgressMeter meter_;
  ProgressTotals totals_;
  MetricState metrics_;
  bool diverged_ = false, waited_ = false;
  double ticked_seconds_ = 0;
  std::uint64_t reported_rows_ = 0;
};

// OutOfRange: what to say when PassLog::diverged(), or when every setting of a tuned job did so.
absl::Status DivergedError(std::uint64_t rows, bool tuned = false);
// What a person is warned of where all rows have one label; `keys`: that may be wrong, empty: none; `seen_all`: no row was left out.
bool HasOneLabel(const Metrics& train);
std::string OneLabelWarning(const std::string& keys, bool seen_all = true);
// Cancelled: a stop request came before there was anything to keep; the output stays as it was.
absl::Status StoppedBeforeLearningError();

}  // namespace ps
