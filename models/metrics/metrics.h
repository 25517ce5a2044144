// Mergeable evaluation of a binary classifier (AUC, KS, log loss, normalised entropy, calibration,
// PR-AUC, ECE, lift and gain). Plain data without locks: one state a thread, merged at the end.
// Merging is exact and commutative for counts; the compensated log loss sums are merged in the
// caller's order.
//
// Labels are exactly 0 or 1, weights are finite and not negative. A margin beyond +-kRange
// shares the outermost bin; its log loss is exact. A NaN margin makes the log loss NaN (training
// has diverged).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"

namespace ps {

class LogisticTable;

// The object of metrics.json. What one class only or no rows at all leave undefined is NaN, which
// JSON shows as null: auc, auc_bound, auc_stderr, ks, normalized_entropy and pr_auc without both
// classes, calibration without positives, everything but the counts without rows.
struct Metrics {
  double auc = 0.5;
  double auc_bound = 0;  // |error| that binning can have caused
  double logloss = 0;    // nats a row
  double ks = 0;
  double normalized_entropy = 0;
  double calibration = 0;  // mean prediction / mean label
  double rows = 0;         // sum of weights
  double positives = 0;
  double auc_stderr = 0;  // Hanley and McNeil 1982, on the effective number of rows
  double logloss_stderr = 0;
  double pr_auc = 0;  // average precision, ties together
  double ece = 0;     // expected calibration error over the groups of Reliability()
};

// One object, on one line, with the fields above by name; numbers in shortest round-trip form.
std::string MetricsJson(const Metrics& metrics);

// What predicting the mean label of the same rows would score.
Metrics ConstantBaseline(const Metrics& metrics);

// Numerically stable loss of margin f with label y in {0, 1}: log(1 + e^f) - y f.
double LogLoss(double margin, double label);
double Sigmoid(double margin);

// Rows of neighbouring margins: a line of the reliability table or of the lift and gain table.
struct ScoreGroup {
  double margin_low = 0;  // of the bins in it; the outermost bins have no outer edge
  double margin_high = 0;
  double rows = 0;  // weight
  double positives = 0;
  double prediction = 0;  // sum of p
};

struct RocPoint {
  double false_positive_rate = 0;
  double true_positive_rate = 0;
};

class MetricState {
 public:
  static constexpr int kBins = 1 << 16;  // of the margin over [-kRange, kRange]
  static constexpr double kRange = 16.0;
  static constexpr int kGroups = 20;

  MetricState() = default;  // bins are allocated at the first Add
  void Add(double margin, float label, float weight = 1.0f);
  // The same for many rows. `weights` is empty when every row weighs 1.
  void AddRows(absl::Span<const float> margins, absl::Span<const float> labels,
               absl::Span<const float> weights = {});
  void Merge(const MetricState& other);
  void Clear();
  Metrics Finish() const;
  double rows() const { return sums_.rows; }
  double loss_sum() const { return sums_.loss + sums_.loss_compensation; }  // weighted, in nats

  struct Bin {
    double positives = 0;
    double negatives = 0;
    double prediction = 0;  // sum of p
  };
  const std::vector<Bin>& bins() const { return bins_; }  // empty before the first Add

  // At most `groups` groups of equal mass, as near as whole bins allow, by ascending margin. Read
  // from the top, their running sums are the gain, and positives / rows against the mean label is
  // the lift.
  std::vector<ScoreGroup> Groups(int groups = kGroups) const;
  // The ROC curve from (0, 0) to (1, 1), thinned to about `points`; empty without both classes.
  std::vector<RocPoint> Roc(int points) const;

  // Compact form for the wire: only bins in use. Parse refuses anything malformed and then leaves
  // the state as it was.
  std::string Serialize() const;
  bool Parse(std::string_view bytes);

 private:
  struct Sums {
    double rows = 0, positives = 0, prediction = 0;
    double loss = 0, loss_compensation = 0;
    // Sums of (w l)^2, w^2 l and w^2, for the standard errors.
    double loss_square = 0, weighted_loss = 0, weight_square = 0;
  };
  struct Row {
    double margin;
    float label;
    float weight;
  };
  static void AddRow(const LogisticTable& table, const Row& row, Bin* bins, Sums* sums);

  std::vector<Bin> bins_;
  Sums sums_;
};

}  // namespace ps
