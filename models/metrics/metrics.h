// Mergeable evaluation of a binary classifier (AUC, KS, log loss, normalised entropy, calibration).
// Plain data without locks: one state a thread, merged at the end. Merging is exact and commutative for
// counts; the compensated log loss sums are merged in the caller's order.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ps {

struct Metrics {               // the object of metrics.json
  double auc = 0.5;
  double auc_bound = 0;        // |error| that binning can have caused
  double logloss = 0;          // nats a row
  double ks = 0;
  double normalized_entropy = 0;
  double calibration = 0;      // mean prediction / mean label
  double rows = 0;             // sum of weights
  double positives = 0;
  double auc_stderr = 0;       // Hanley and McNeil 1982
  double logloss_stderr = 0;
};

// Numerically stable loss of margin f with label y in {0, 1}: log(1 + e^f) - y f.
double LogLoss(double margin, double label);
double Sigmoid(double margin);

class MetricState {
 public:
  static constexpr int kBins = 1 << 16;      // of the margin over [-kRange, kRange]
  static constexpr double kRange = 16.0;

  MetricState() = default;                   // bins are allocated at the first Add
  void Add(double margin, float label, float weight = 1.0f);
  void Merge(const MetricState& other);
  void Clear();
  Metrics Finish() const;
  double rows() const { return rows_; }

  struct Bin {
    double positives = 0;
    double negatives = 0;
    double prediction = 0;                   // sum of p
  };
  const std::vector<Bin>& bins() const { return bins_; }

  // Compact form for the wire: only bins in use. Parse refuses anything malformed.
  std::string Serialize() const;
  bool Parse(std::string_view bytes);

 private:
  std::vector<Bin> bins_;
  double rows_ = 0, positives_ = 0, prediction_ = 0;
  double loss_ = 0, loss_compensation_ = 0, loss_square_ = 0;
};

}  // namespace ps
