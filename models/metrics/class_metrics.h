// Mergeable evaluation of a classifier of several classes: log loss, error rate, confusions, and AUC of
// each class against the rest. Plain data without locks: one state a thread, merged at the end. Counts
// merge exactly.
//
// Margins are those of a softmax, labels numbers of classes. Weights are finite and not negative. AUC is
// of probabilities in bins that are at most 1.6 % wide, of p and of 1 - p: ties count half. Probabilities
// below 2^-32 share a bin. A NaN margin makes the log loss NaN (training has diverged).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"

namespace ps {

// Of one class; NaN where rows of it, or others, are needed and there are none.
struct ClassFigures {
  double rows = 0;       // sum of weights
  double predicted = 0;  // rows for which this class is the likeliest; the lowest among equals
  double recall = 0;     // of its rows, those for which it is
  double precision = 0;  // of `predicted`, those that are its
  double auc = 0;        // against all others
};

struct ClassMetrics {
  double logloss = 0;  // nats a row
  double logloss_stderr = 0;
  double error_rate = 0;    // rows whose likeliest class is another
  double auc_macro = 0;     // mean over the classes that have an AUC
  double auc_weighted = 0;  // the same by rows of the class
  double rows = 0;          // sum of weights
  std::vector<ClassFigures> classes;
  std::vector<double> confusion;  // [label * classes + likeliest], weights
};

// What predicting the shares of the classes of the same rows would score; without confusions.
ClassMetrics ConstantBaseline(const ClassMetrics& metrics);

// One object, on one line; `names` are JSON strings. Confusions of more than 100 classes are left out.
std::string ClassMetricsJson(const ClassMetrics& metrics, const std::vector<std::string>& names);

// For people: a line a class, with what its rows are taken for; of many classes those with the most errors.
std::string ConfusionText(const ClassMetrics& metrics, const std::vector<std::string>& names);

// Of margins at margins[c * stride], in nats: -log of the label's probability.
double SoftmaxLoss(const float* margins, std::size_t stride, std::size_t classes, float label);

// The same of margins to probabilities, [c] of each row one behind the other, in place.
void SoftmaxProbabilities(std::size_t classes, std::vector<float>* margins);

class ClassMetricState {
 public:
  explicit ClassMetricState(std::uint32_t classes = 0) : classes_(classes) {}

  // Margin c of row r is at [r * classes + c]. `weights` is empty when every row weighs 1.
  void AddRows(absl::Span<const float> margins, absl::Span<const float> labels, absl::Span<const float> weights = {});
  // Margin c of row r is at [c * rows + r].
  void AddColumns(absl::Span<const float> margins, absl::Span<const float> labels,
                  absl::Span<const float> weights = {});
  void Merge(const ClassMetricState& other);
  ClassMetrics Finish() const;
  double rows() const { return sums_.rows; }

  // For the wire. Parse takes only what a state of as many classes has written, and refuses anything else
  // leaving the state as it was.
  std::string Serialize() const;
  bool Parse(std::string_view bytes);

 private:
  static constexpr int kBinsPerOctave = 64, kOctaves = 31;
  static constexpr int kHalfBins = kBinsPerOctave * kOctaves + 1;  // of probabilities up to 1/2
  static constexpr std::size_t kBins = 2 * kHalfBins;

  struct Sums {
    double rows = 0, loss = 0;
    // Sums of (w l)^2, w^2 l and w^2, for the standard error.
    double loss_square = 0, weighted_loss = 0, weight_square = 0;
  };
  static std::size_t BinOf(double probability);
  // `e` has room for each class.
  void Add(const float* margins, std::size_t stride, float label, double weight, double* e);
  void Reserve();
  double AucOf(std::uint32_t of) const;

  std::uint32_t classes_;
  Sums sums_;
  // Empty before the first row. Weights by [class * kBins + bin]: of rows of the class, and of the others.
  std::vector<double> own_, others_;
  std::vector<double> confusion_;
};

}  // namespace ps
