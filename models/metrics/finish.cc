// From the merged state to the figures a person reads. Formulas: shared by the whole project
// through Metrics in metrics.h; bins are walked from the highest margin down, as a threshold would
// be lowered.
#include <algorithm>
#include <cmath>
#include <limits>

#include "models/metrics/metrics.h"

namespace ps {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

// Nats of a coin with this bias.
double Entropy(double p) {
  if (!(p > 0 && p < 1)) return 0;
  return -p * std::log(p) - (1 - p) * std::log1p(-p);
}

struct Ranking {
  double positives = 0, negatives = 0;
  double auc = kUndefined, auc_bound = kUndefined, ks = kUndefined, pr_auc = kUndefined;
};

Ranking Rank(const std::vector<MetricState::Bin>& bins) {
  Ranking result;
  for (const MetricState::Bin& bin : bins) {
    result.positives += bin.positives;
    result.negatives += bin.negatives;
  }
  const double p = result.positives, n = result.negatives;
  if (!(p > 0 && n > 0)) return result;
  double above_positives = 0, above_negatives = 0, pairs = 0, tied = 0, ks = 0, precision = 0;
  for (auto bin = bins.rbegin(); bin != bins.rend(); ++bin) {
    if (bin->positives == 0 && bin->negatives == 0) continue;
    pairs += bin->negatives * (above_positives + 0.5 * bin->positives);
    tied += bin->negatives * bin->positives;
    above_positives += bin->positives;
    above_negatives += bin->negatives;
    precision += bin->positives * (above_positives / (above_positives + above_negatives));
    ks = std::max(ks, std::fabs(above_positives / p - above_negatives / n));
  }
  result.auc = pairs / p / n;
  result.auc_bound = 0.5 * tied / p / n;
  result.ks = ks;
  result.pr_auc = precision / p;
  return result;
}

// Hanley and McNeil, Radiology 143 (1982): the standard error of an AUC from p positives and n
// negatives.
double AucStandardError(double auc, double p, double n) {
  const double square = auc * auc;
  const double q1 = auc / (2 - auc);
  const double q2 = 2 * square / (1 + auc);
  const double variance =
      (auc * (1 - auc) + (p - 1) * (q1 - square) + (n - 1) * (q2 - square)) / (p * n);
  return std::sqrt(std::max(variance, 0.0));
}

}  // namespace

Metrics MetricState::Finish() const {
  const Sums& s = sums_;
  Metrics m;
  const Ranking ranking = Rank(bins_);
  m.rows = s.rows;
  m.positives = s.positives;
  m.auc = ranking.auc;
  m.auc_bound = ranking.auc_bound;
  m.ks = ranking.ks;
  m.pr_auc = ranking.pr_auc;
  if (!(s.rows > 0)) {
    m.logloss = m.normalized_entropy = m.calibration = kUndefined;
    m.auc_stderr = m.logloss_stderr = m.ece = kUndefined;
    return m;
  }
  // An infinite loss has a compensation of NaN that means nothing.
  m.logloss = (std::isfinite(s.loss) ? s.loss + s.loss_compensation : s.loss) / s.rows;
  const double entropy = Entropy(s.positives / s.rows);
  m.normalized_entropy = entropy > 0 ? m.logloss / entropy : kUndefined;
  m.calibration = s.positives > 0 ? s.prediction / s.positives : kUndefined;

  // Kish's effective size: with all weights equal it is the number of rows.
  const double scale = s.rows / s.weight_square;
  m.auc_stderr = AucStandardError(m.auc, ranking.positives * scale, ranking.negatives * scale);
  const double spread =
      s.loss_square - 2 * m.logloss * s.weighted_loss + m.logloss * m.logloss * s.weight_square;
  m.logloss_stderr = (spread < 0 ? 0 : std::sqrt(spread)) / s.rows;  // a NaN stays

  m.ece = 0;
  for (const ScoreGroup& group : Groups()) {
    m.ece += std::fabs(group.prediction - group.positives) / s.rows;
  }
  return m;
}

Metrics ConstantBaseline(const Metrics& metrics) {
  Metrics m;
  m.rows = metrics.rows;
  m.positives = metrics.positives;
  const bool any = m.rows > 0;
  const double p = any ? m.positives / m.rows : kUndefined;
  const bool both = any && p > 0 && p < 1;
  m.auc = both ? 0.5 : kUndefined;
  m.auc_bound = m.auc_stderr = m.ks = both ? 0 : kUndefined;
  m.logloss = any ? Entropy(p) : kUndefined;
  m.normalized_entropy = both ? 1 : kUndefined;
  m.calibration = any && p > 0 ? 1 : kUndefined;
  m.pr_auc = both ? p : kUndefined;
  m.ece = any ? 0 : kUndefined;
  // A row's loss takes two values, their difference is the logit of p.
  m.logloss_stderr =
      any ? (both ? std::sqrt(p * (1 - p) / m.rows) * std::fabs(std::log(p / (1 - p))) : 0)
          : kUndefined;
  return m;
}

std::vector<ScoreGroup> MetricState::Groups(int groups) const {
  std::vector<ScoreGroup> result;
  constexpr double kWidth = 2 * kRange / kBins;
  double mass = 0;
  ScoreGroup group;
  for (int b = 0; b < static_cast<int>(bins_.size()); ++b) {
    const Bin& bin = bins_[b];
    const double rows = bin.positives + bin.negatives;
    if (rows == 0) continue;
    if (group.rows == 0) group.margin_low = -kRange + b * kWidth;
    group.margin_high = -kRange + (b + 1) * kWidth;
    group.rows += rows;
    group.positives += bin.positives;
    group.prediction += bin.prediction;
    mass += rows;
    if (mass * groups >= sums_.rows * (static_cast<double>(result.size()) + 1)) {
      result.push_back(group);
      group = ScoreGroup();
    }
  }
  if (group.rows > 0) result.push_back(group);
  return result;
}

std::vector<RocPoint> MetricState::Roc(int points) const {
  std::vector<RocPoint> result;
  const Ranking totals = Rank(bins_);
  if (!(totals.positives > 0 && totals.negatives > 0)) return result;
  result.push_back({0, 0});
  RocPoint now;
  for (auto bin = bins_.rbegin(); bin != bins_.rend(); ++bin) {
    now.true_positive_rate += bin->positives / totals.positives;
    now.false_positive_rate += bin->negatives / totals.negatives;
    const RocPoint& last = result.back();
    const double step = (now.true_positive_rate - last.true_positive_rate) +
                        (now.false_positive_rate - last.false_positive_rate);
    if (step * points >= 2) result.push_back(now);
  }
  result.push_back({1, 1});
  return result;
}

}  // namespace ps
