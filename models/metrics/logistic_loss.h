// softplus(-|f|) = log(1 + e^-|f|) and sigmoid(-|f|) together, for code that scores every row it
// reads.
//
// Both come from a table with step 1/64 and two short series around its points, so one call costs a
// few nanoseconds where exp and log1p cost twenty, and gives the same bits on every machine, which
// libm does not. The absolute error is below 1e-12 (tested); beyond kEnd both are 0, off by less
// than 1e-17. Pure functions, any thread.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>

namespace ps {

class LogisticTable {
 public:
  struct Value {
    double softplus = 0;  // log(1 + e^-a)
    double sigmoid = 0;   // 1 / (1 + e^a)
  };

  static const LogisticTable& Get() {
    static const LogisticTable table;
    return table;
  }

  // `magnitude` is at least 0; NaN gives the value at kEnd (callers see it in the margin itself).
  Value At(double magnitude) const {
    const double a = magnitude < kEnd ? magnitude : kEnd;
    const int index = static_cast<int>(a * kStepsPerUnit + 0.5);
    const Point& point = points_[index];
    const double d = index * (1.0 / kStepsPerUnit) - a;                          // |d| <= 1/128
    const double growth = d * (1 + d * (0.5 + d * (1 / 6.0 + d * (1 / 24.0))));  // e^d - 1
    const double difference = point.exponential * growth;
    const double u = difference * point.inverse;  // |u| <= 1/256: (1 + e^-a) / (1 + e^-c) - 1
    const double log1p = u * (1 + u * (-0.5 + u * (1 / 3.0 + u * -0.25)));
    return {point.softplus + log1p, (point.exponential + difference) * point.inverse / (1 + u)};
  }

 private:
  static constexpr int kStepsPerUnit = 64;
  static constexpr int kEnd = 40;

  struct Point {
    double exponential, softplus, inverse;  // e^-c, log(1 + e^-c), 1 / (1 + e^-c)
  };

  LogisticTable() {
    for (int i = 0; i < static_cast<int>(points_.size()); ++i) {
      const double exponential = std::exp(-i * (1.0 / kStepsPerUnit));
      points_[i] = {exponential, std::log1p(exponential), 1 / (1 + exponential)};
    }
  }

  std::array<Point, kEnd * kStepsPerUnit + 1> points_;
};

}  // namespace ps
