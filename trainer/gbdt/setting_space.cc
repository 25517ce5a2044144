#include "trainer/gbdt/setting_space.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ps/base/key.h"

namespace ps {
namespace {

struct LogScale {
  double low, high;
  double At(double u) const { return low * std::pow(high / low, u); }
  double Of(double value) const {
    return std::clamp(std::log(value / low) / std::log(high / low), 0.0, 1.0);
  }
};

constexpr LogScale kLeaves{4, kMostTunedLeaves};
constexpr LogScale kMinHessian{0.1, 50};
constexpr LogScale kL1{0.01, 10};
constexpr LogScale kL2{0.1, 100};
constexpr int kLeastDepth = 2, kMostDepth = 10;
constexpr double kLargestShortRate = 0.6;

// Numbers in [0, 1) by a hash: the same on every machine.
class HashedNumbers {
 public:
  HashedNumbers(std::uint64_t seed, std::uint64_t number) : state_(Mix64(Mix64(seed ^ 0x74756e65u) + number)) {}
  double Next() { return static_cast<double>((state_ = Mix64(state_)) >> 11) * 0x1p-53; }

 private:
  std::uint64_t state_;
};

double ThreeDigits(double x) { return std::stod(absl::StrFormat("%.3g", x)); }

// Back from beyond either end.
double Folded(double u) {
  if (u < 0) u = -u;
  if (u > 1) u = 2 - u;
  return std::clamp(u, 0.0, 1.0);
}

// A fraction from `least` on; the last quarter of the coordinate is all of them.
double SampleAt(double u, double least) {
  return u >= 0.75 ? 1 : std::stod(absl::StrFormat("%.2f", least + (1 - least) * u / 0.75));
}

}  // namespace

// The fewer trees there are, the larger their steps have to be.
SettingSpace::SettingSpace(const GbdtConfig& job, std::uint64_t seed)
    : job_(job),
      seed_(seed),
      lowest_rate_(std::clamp(3.0 / job.trees, 0.005, 0.3)),
      highest_rate_(std::clamp(12.0 / job.trees, 0.2, 1.0)) {}

SettingSpace::Place SettingSpace::Default() const {
  const GbdtConfig usual;
  return {LogScale{lowest_rate_, highest_rate_}.Of(usual.learning_rate),
          kLeaves.Of(usual.max_leaves),
          0.75,
          kMinHessian.Of(usual.min_hessian),
          0.25,
          kL2.Of(usual.l2),
          0.875,
          0.875};
}

SettingSpace::Place SettingSpace::Draw(std::uint64_t number) const {
  HashedNumbers numbers(seed_, number);
  Place place;
  for (double& u : place) u = numbers.Next();
  return place;
}

SettingSpace::Place SettingSpace::Challenger(const Place& parent, const Place& other,
                                             std::uint64_t number) const {
  constexpr double kFromOther = 0.25, kChanged = 0.35, kFarthest = 0.3;
  HashedNumbers numbers(seed_, number);
  Place place = parent;
  for (std::size_t i = 0; i < place.size(); ++i) {
    if (numbers.Next() < kFromOther) place[i] = other[i];
    const bool changed = numbers.Next() < kChanged;
    const double step = kFarthest * (numbers.Next() + numbers.Next() - 1);
    if (changed) place[i] = Folded(place[i] + step);
  }
  if (place != parent) return place;
  const auto at = static_cast<std::size_t>(numbers.Next() * static_cast<double>(place.size()));
  place[at] = Folded(place[at] + (numbers.Next() < 0.5 ? -0.15 : 0.15));
  return place;
}

GbdtConfig SettingSpace::At(const Place& place) const {
  GbdtConfig setting = job_;
  setting.learning_rate = ThreeDigits(LogScale{lowest_rate_, highest_rate_}.At(place[0]));
  setting.max_leaves = static_cast<int>(std::lround(kLeaves.At(place[1])));
  setting.max_depth =
      place[2] >= 0.5 ? 0 : kLeastDepth + static_cast<int>(place[2] * 2 * (kMostDepth - kLeastDepth + 1));
  setting.min_hessian = ThreeDigits(kMinHessian.At(place[3]));
  setting.l1 = place[4] < 0.5 ? 0 : ThreeDigits(kL1.At(2 * place[4] - 1));
  setting.l2 = ThreeDigits(kL2.At(place[5]));
  setting.row_sample = SampleAt(place[6], 0.4);
  setting.column_sample = SampleAt(place[7], 0.3);
  return setting;
}

GbdtConfig SettingSpace::Shortened(const GbdtConfig& setting, int trees) {
  GbdtConfig shorter = setting;
  shorter.trees = trees;
  if (trees < setting.trees) {
    const double rate = std::min(kLargestShortRate, setting.learning_rate * setting.trees / trees);
    shorter.learning_rate = ThreeDigits(std::max(setting.learning_rate, rate));
  }
  return shorter;
}

std::string SettingText(const GbdtConfig& s) {
  return absl::StrCat("learning_rate ", s.learning_rate, " max_leaves ", s.max_leaves, " max_depth ",
                      s.max_depth == 0 ? "none" : absl::StrCat(s.max_depth), " min_hessian ",
                      s.min_hessian, " l1 ", s.l1, " l2 ", s.l2, " row_sample ", s.row_sample,
                      " column_sample ", s.column_sample);
}

}  // namespace ps
