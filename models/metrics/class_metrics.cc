#include "models/metrics/class_metrics.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace ps {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

double LargestOf(const float* margins, std::size_t stride, std::size_t classes) {
  float largest = margins[0];
  for (std::size_t c = 1; c < classes; ++c) largest = std::max(largest, margins[c * stride]);
  return largest;
}

}  // namespace

double SoftmaxLoss(const float* margins, std::size_t stride, std::size_t classes, float label) {
  const double largest = LargestOf(margins, stride, classes);
  double sum = 0;
  for (std::size_t c = 0; c < classes; ++c) sum += std::exp(margins[c * stride] - largest);
  return std::log(sum) + largest - margins[static_cast<std::size_t>(label) * stride];
}

void SoftmaxProbabilities(std::size_t classes, std::vector<float>* margins) {
  std::vector<double> e(classes);
  for (std::size_t first = 0; first + classes <= margins->size(); first += classes) {
    float* const row = margins->data() + first;
    const double largest = LargestOf(row, 1, classes);
    double sum = 0;
    for (std::size_t c = 0; c < classes; ++c) sum += e[c] = std::exp(row[c] - largest);
    for (std::size_t c = 0; c < classes; ++c) row[c] = static_cast<float>(e[c] / sum);
  }
}

// The float's own bits are a logarithmic scale: its exponent, and the first bits behind it.
std::size_t ClassMetricState::BinOf(double probability) {
  constexpr float kLeast = 0x1p-32f;
  constexpr int kShift = 23 - std::countr_zero(static_cast<unsigned>(kBinsPerOctave));
  const bool upper = probability > 0.5;
  const float side = std::clamp(static_cast<float>(upper ? 1 - probability : probability), kLeast, 0.5f);
  const auto bin = static_cast<int>((std::bit_cast<std::uint32_t>(side) >> kShift) -
                                    (std::bit_cast<std::uint32_t>(kLeast) >> kShift));
  return static_cast<std::size_t>(std::clamp(upper ? 2 * kHalfBins - 1 - bin : bin, 0, 2 * kHalfBins - 1));
}

void ClassMetricState::Reserve() {
  if (!own_.empty()) return;
  own_.resize(classes_ * kBins);
  others_.resize(classes_ * kBins);
  confusion_.resize(std::size_t{classes_} * classes_);
}

void ClassMetricState::Add(const float* margins, std::size_t stride, float label, double weight, double* e) {
  const auto of = static_cast<std::size_t>(label);
  const double largest = LargestOf(margins, stride, classes_);
  double sum = 0;
  std::size_t likeliest = 0;
  for (std::size_t c = 0; c < classes_; ++c) {
    sum += e[c] = std::exp(margins[c * stride] - largest);
    if (margins[c * stride] > margins[likeliest * stride]) likeliest = c;
  }
  const double loss = std::log(sum) + largest - margins[of * stride];
  for (std::size_t c = 0; c < classes_; ++c) {
    const double probability = e[c] / sum;
    const std::size_t bin = c * kBins + (probability == probability ? BinOf(probability) : 0);
    (c == of ? own_ : others_)[bin] += weight;
  }
  confusion_[of * classes_ + likeliest] += weight;
  const double weighted = weight * loss;
  sums_.rows += weight;
  sums_.loss += weighted;
  sums_.loss_square += weighted * weighted;
  sums_.weighted_loss += weight * weighted;
  sums_.weight_square += weight * weight;
}

void ClassMetricState::AddRows(absl::Span<const float> margins, absl::Span<const float> labels,
                               absl::Span<const float> weights) {
  Reserve();
  std::vector<double> e(classes_);
  for (std::size_t i = 0; i < labels.size(); ++i)
    Add(margins.data() + i * classes_, 1, labels[i], weights.empty() ? 1 : weights[i], e.data());
}

void ClassMetricState::AddColumns(absl::Span<const float> margins, absl::Span<const float> labels,
                                  absl::Span<const float> weights) {
  Reserve();
  std::vector<double> e(classes_);
  for (std::size_t i = 0; i < labels.size(); ++i)
    Add(margins.data() + i, labels.size(), labels[i], weights.empty() ? 1 : weights[i], e.data());
}

void ClassMetricState::Merge(const ClassMetricState& other) {
  if (other.own_.empty()) return;
  Reserve();
  const auto add = [](const std::vector<double>& from, std::vector<double>* to) {
    for (std::size_t i = 0; i < from.size(); ++i) (*to)[i] += from[i];
  };
  add(other.own_, &own_);
  add(other.others_, &others_);
  add(other.confusion_, &confusion_);
  sums_.rows += other.sums_.rows;
  sums_.loss += other.sums_.loss;
  sums_.loss_square += other.sums_.loss_square;
  sums_.weighted_loss += other.sums_.weighted_loss;
  sums_.weight_square += other.sums_.weight_square;
}

double ClassMetricState::AucOf(std::uint32_t of) const {
  double own_above = 0, others_above = 0, pairs = 0;
  for (std::size_t bin = kBins; bin-- > 0;) {
    const double own = own_[of * kBins + bin], others = others_[of * kBins + bin];
    pairs += others * (own_above + 0.5 * own);
    own_above += own;
    others_above += others;
  }
  return own_above > 0 && others_above > 0 ? pairs / own_above / others_above : kUndefined;
}

ClassMetrics ClassMetricState::Finish() const {
  ClassMetrics m;
  m.rows = sums_.rows;
  m.classes.resize(classes_);
  m.confusion = confusion_;
  m.confusion.resize(std::size_t{classes_} * classes_);
  m.logloss = m.logloss_stderr = m.error_rate = m.auc_macro = m.auc_weighted = kUndefined;
  double right = 0, aucs = 0, auc_sum = 0, auc_rows = 0, auc_weighted = 0;
  for (std::uint32_t c = 0; c < classes_; ++c) {
    ClassFigures& figures = m.classes[c];
    for (std::uint32_t other = 0; other < classes_; ++other) {
      figures.rows += m.confusion[c * classes_ + other];
      figures.predicted += m.confusion[other * classes_ + c];
    }
    const double own = m.confusion[c * classes_ + c];
    right += own;
    figures.recall = figures.rows > 0 ? own / figures.rows : kUndefined;
    figures.precision = figures.predicted > 0 ? own / figures.predicted : kUndefined;
    figures.auc = own_.empty() ? kUndefined : AucOf(c);
    if (std::isnan(figures.auc)) continue;
    aucs += 1;
    auc_sum += figures.auc;
    auc_rows += figures.rows;
    auc_weighted += figures.rows * figures.auc;
  }
  if (aucs > 0) {
    m.auc_macro = auc_sum / aucs;
    m.auc_weighted = auc_weighted / auc_rows;
  }
  if (!(m.rows > 0)) return m;
  m.logloss = sums_.loss / m.rows;
  const double spread =
      sums_.loss_square - 2 * m.logloss * sums_.weighted_loss + m.logloss * m.logloss * sums_.weight_square;
  m.logloss_stderr = (spread < 0 ? 0 : std::sqrt(spread)) / m.rows;  // a NaN stays
  m.error_rate = std::max(0.0, 1 - right / m.rows);
  return m;
}

ClassMetrics ConstantBaseline(const ClassMetrics& metrics) {
  ClassMetrics m;
  m.rows = metrics.rows;
  m.auc_macro = std::isnan(metrics.auc_macro) ? kUndefined : 0.5;
  m.auc_weighted = m.auc_macro;
  m.logloss = m.logloss_stderr = m.error_rate = kUndefined;
  if (!(m.rows > 0)) return m;
  m.logloss = 0;
  double largest = 0, square = 0;
  for (const ClassFigures& of : metrics.classes) {
    const double share = of.rows / m.rows;
    largest = std::max(largest, share);
    if (share == 0) continue;
    m.logloss -= share * std::log(share);
    square += share * std::log(share) * std::log(share);
  }
  m.error_rate = 1 - largest;
  m.logloss_stderr = std::sqrt(std::max(0.0, square - m.logloss * m.logloss) / m.rows);
  return m;
}

}  // namespace ps
