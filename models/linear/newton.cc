#include "models/linear/newton.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "models/metrics/logistic_loss.h"

namespace ps {
namespace {

constexpr int kMostSteps = 100;
constexpr int kMostProducts = 200;    // of one step
// Of a step, in the preconditioner's norm. Exact steps are fewer, and take more products in all: adult with l2 10 to 1e-6
// of the objective took 287 where steps became as exact as the gradient was small, 158 with .1, 126 with .3.
constexpr double kAccuracy = .2;
constexpr int kMostHalvings = 30;
constexpr double kSufficient = 1e-4;  // part of the slope that a step must gain (Armijo)
constexpr double kNothing = 1e-12;    // of a row of weight 1, nats

double Dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sums[4] = {};
  std::size_t i = 0;
  for (; i + 3 < a.size(); i += 4) {
    for (int k = 0; k < 4; ++k) sums[k] += a[i + k] * b[i + k];
  }
  for (int k = 0; i < a.size(); ++i, ++k) sums[k] += a[i] * b[i];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// In units of the diagonal of the Hessian. Where it is nothing there is nothing to learn.
double OverDiagonal(double value, double diagonal) { return diagonal > 0 ? value / diagonal : 0; }

// Loss, and the probability of a positive label.
struct Scored {
  double loss, probability;
};
Scored Score(double margin, bool positive) {
  const LogisticTable::Value at = LogisticTable::Get().At(std::fabs(margin));
  const bool right = (margin > 0) == positive;
  return {right ? at.softplus : at.softplus + std::fabs(margin), margin > 0 ? 1 - at.sigmoid : at.sigmoid};
}

}  // namespace

NewtonSolver::NewtonSolver(const RowMatrix* rows, Crew* crew, const std::atomic<bool>* stop)
    : rows_(*rows), crew_(*crew), stop_(*stop), block_sums_(rows->row_blocks()) {
  for (std::size_t r = 0; r < rows_.rows(); ++r) all_weights_ += double{rows_.weight(r)};
  for (auto* of_rows : {&margins_, &second_, &row_scratch_, &direction_margins_, &new_margins_}) of_rows->resize(rows_.rows());
  for (auto* of_columns : {&gradient_, &curvature_, &direction_, &residual_, &conjugate_, &image_, &new_weights_})
    of_columns->resize(rows_.columns());
}

template <typename Do>
void NewtonSolver::ForRows(const Do& work) {
  crew_.ForEach(rows_.row_blocks(), [&](int, std::size_t block) { work(rows_.BlockBegin(block), rows_.BlockEnd(block), block); });
}

double NewtonSolver::Objective(const std::vector<double>& margins, absl::Span<const double> l2, const std::vector<double>& weights) {
  ForRows([&](std::size_t begin, std::size_t end, std::size_t block) {
    double sum = 0;
    for (std::size_t r = begin; r < end; ++r) sum += double{rows_.weight(r)} * Score(margins[r], rows_.labels()[r] > 0.5f).loss;
    block_sums_[block] = sum;
  });
  double objective = 0;
  for (const double sum : block_sums_) objective += sum;
  double penalty = 0;
  for (std::size_t j = 0; j < weights.size(); ++j) penalty += l2[j] * weights[j] * weights[j];
  return objective + 0.5 * penalty;
}

void NewtonSolver::Differentiate(absl::Span<const double> l2, const std::vector<double>& weights) {
  ForRows([&](std::size_t begin, std::size_t end, std::size_t) {
    for (std::size_t r = begin; r < end; ++r) {
      const double p = Score(margins_[r], true).probability;
      row_scratch_[r] = double{rows_.weight(r)} * (p - double{rows_.labels()[r]});
      second_[r] = double{rows_.weight(r)} * p * (1 - p);
    }
  });
  rows_.MultiplyTransposed(row_scratch_.data(), &crew_, gradient_.data());
  for (std::size_t j = 0; j < gradient_.size(); ++j) gradient_[j] += l2[j] * weights[j];
  rows_.MultiplySquaresTransposed(second_.data(), &crew_, curvature_.data());
}

void NewtonSolver::FindDirection(absl::Span<const double> l2) {
  const std::size_t columns = rows_.columns();
  const auto conditioned = [&](std::size_t j) { return OverDiagonal(residual_[j], curvature_[j] + l2[j]); };
  std::fill(direction_.begin(), direction_.end(), 0.0);
  std::fill(direction_margins_.begin(), direction_margins_.end(), 0.0);
  double size = 0;  // of the residual, squared, in the preconditioner's norm
  for (std::size_t j = 0; j < columns; ++j) {
    residual_[j] = -gradient_[j];
    conjugate_[j] = conditioned(j);
    size += residual_[j] * conjugate_[j];
  }
  const double enough = kAccuracy * kAccuracy * size;
  for (int products = 0; size > enough && products < kMostProducts && !stopped(); ++products) {
    ForRows([&](std::size_t begin, std::size_t end, std::size_t) {
      rows_.Multiply(begin, end, conjugate_.data(), new_margins_.data());
      for (std::size_t r = begin; r < end; ++r) row_scratch_[r] = second_[r] * new_margins_[r];
    });
    rows_.MultiplyTransposed(row_scratch_.data(), &crew_, image_.data());
    ++products_;
    for (std::size_t j = 0; j < columns; ++j) image_[j] += l2[j] * conjugate_[j];
    const double bend = Dot(conjugate_, image_);
    if (!(bend > 0)) break;  // flat in every direction that is left
    const double length = size / bend;
    ForRows([&](std::size_t begin, std::size_t end, std::size_t) {
      for (std::size_t r = begin; r < end; ++r) direction_margins_[r] += length * new_margins_[r];
    });
    double next = 0;
    for (std::size_t j = 0; j < columns; ++j) {
      direction_[j] += length * conjugate_[j];
      residual_[j] -= length * image_[j];
      image_[j] = conditioned(j);
      next += residual_[j] * image_[j];
    }
    const double kept = next / size;
    size = next;
    for (std::size_t j = 0; j < columns; ++j) conjugate_[j] = image_[j] + kept * conjugate_[j];
  }
}

double NewtonSolver::FindLength(absl::Span<const double> l2, double slope, std::vector<double>* weights, double* objective) {
  // What is lost in the last digits of a sum of so many is no rise.
  const double rounding = 1e-13 * std::fabs(*objective);
  double length = 1;
  for (int i = 0; i <= kMostHalvings; ++i, length /= 2) {
    ForRows([&](std::size_t begin, std::size_t end, std::size_t) {
      for (std::size_t r = begin; r < end; ++r) new_margins_[r] = margins_[r] + length * direction_margins_[r];
    });
    for (std::size_t j = 0; j < weights->size(); ++j) new_weights_[j] = (*weights)[j] + length * direction_[j];
    const double there = Objective(new_margins_, l2, new_weights_);
    if (!(there <= *objective + kSufficient * length * slope + rounding)) continue;
    std::swap(margins_, new_margins_);
    std::swap(*weights, new_weights_);
    *objective = there;
    return length;
  }
  return 0;
}

NewtonSolver::End NewtonSolver::Minimize(absl::Span<const double> l2, double tolerance, std::vector<double>* weights) {
  ForRows([&](std::size_t begin, std::size_t end, std::size_t) { rows_.Multiply(begin, end, weights->data(), margins_.data()); });
  End end;
  end.objective = Objective(margins_, l2, *weights);
  while (end.steps < kMostSteps && !stopped()) {
    Differentiate(l2, *weights);
    FindDirection(l2);
    if (stopped()) break;
    const double slope = Dot(gradient_, direction_);
    // Beyond a margin of 40 a loss is 0: then a slope may be left that leads nowhere.
    if (-slope <= kNothing * all_weights_) {
      end.converged = true;
      break;
    }
    const double length = FindLength(l2, slope, weights, &end.objective);
    if (length == 0) break;
    ++end.steps;
    ++steps_;
    if (on_step_ != nullptr) on_step_(end);
    // A whole step of Newton gains about half of its slope.
    end.converged = length == 1 && -0.5 * slope < tolerance * end.objective;
    if (end.converged) break;
  }
  return end;
}

LossSum SumLogLoss(const RowMatrix& rows, const std::vector<double>& weights, double offset, Crew* crew) {
  std::vector<double> margins(rows.rows()), sums(rows.row_blocks()), of_weights(rows.row_blocks());
  crew->ForEach(rows.row_blocks(), [&](int, std::size_t block) {
    rows.Multiply(rows.BlockBegin(block), rows.BlockEnd(block), weights.data(), margins.data());
    for (std::size_t r = rows.BlockBegin(block); r < rows.BlockEnd(block); ++r) {
      sums[block] += double{rows.weight(r)} * Score(margins[r] + offset, rows.labels()[r] > 0.5f).loss;
      of_weights[block] += double{rows.weight(r)};
    }
  });
  LossSum sum;
  for (std::size_t block = 0; block < sums.size(); ++block) sum.loss += sums[block], sum.weight += of_weights[block];
  return sum;
}

}  // namespace ps
