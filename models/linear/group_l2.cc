#include "models/linear/group_l2.h"

#include <algorithm>
#include <cmath>

namespace ps {
namespace {

constexpr double kFirst = 3;
// Of a group whose weights say nothing: as if .01 of a weight of variance 1 / kFirst had been seen.
constexpr double kPriorWeights = .01;
constexpr double kLeast = 1e-3, kMost = 1e5;
constexpr int kMostRounds = 12;
constexpr double kSettled = .25;     // largest change of the logarithm of a penalty
constexpr double kTolerance = 1e-4;  // of each round's weights

}  // namespace

std::vector<double> ColumnL2(absl::Span<const std::uint16_t> group, absl::Span<const double> group_l2, double factor,
                             absl::Span<const double> mean_squares) {
  std::vector<double> l2(group.size(), 0.0);
  for (std::size_t j = 0; j < group.size(); ++j) {
    if (group[j] != kNoGroup) l2[j] = factor * group_l2[group[j]] * mean_squares[j];
  }
  return l2;
}

std::vector<double> FitGroupL2(absl::Span<const std::uint16_t> group, int groups, absl::Span<const double> mean_squares,
                               NewtonSolver* solver, std::vector<double>* weights) {
  std::vector<double> l2(static_cast<std::size_t>(groups), kFirst);
  for (int round = 0; round < kMostRounds; ++round) {
    const std::vector<double> of_columns = ColumnL2(group, l2, 1, mean_squares);
    solver->Minimize(of_columns, kTolerance, weights);
    if (solver->stopped()) break;
    // How many weights of the group the rows determine, and how large they are.
    std::vector<double> determined(l2.size(), kPriorWeights), squares(l2.size(), kPriorWeights / kFirst);
    for (std::size_t j = 0; j < group.size(); ++j) {
      const double curvature = solver->curvature()[j];
      if (group[j] == kNoGroup || curvature == 0) continue;
      determined[group[j]] += curvature / (curvature + of_columns[j]);
      squares[group[j]] += mean_squares[j] * (*weights)[j] * (*weights)[j];
    }
    double change = 0;
    for (std::size_t g = 0; g < l2.size(); ++g) {
      const double next = std::clamp(determined[g] / squares[g], kLeast, kMost);
      change = std::max(change, std::fabs(std::log(next / l2[g])));
      l2[g] = next;
    }
    if (change < kSettled) break;
  }
  return l2;
}

}  // namespace ps
