// Logistic regression with an L2 penalty, solved to its optimum: Newton's method whose steps are
// found by conjugate gradients (truncated Newton; Lin, Weng, Keerthi, JMLR 2008), preconditioned
// with the Hessian's diagonal, and shortened until the objective falls. The minimum does not depend
// on the order of the rows, nor, to the tolerance, on where it begins.
//
// Objective: sum over rows of weight x log loss, plus half the sum of l2 w^2. The same bits for any
// number of threads.
//
// Threads: one solver for one thread at a time; it uses those of its crew.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "models/linear/row_matrix.h"
#include "ps/base/crew.h"

namespace ps {

class NewtonSolver {
 public:
  struct End {
    int steps = 0;           // of Newton
    double objective = 0;
    bool converged = false;  // else stopped, out of steps, or no step makes the objective less
  };

  // All outlive it. `stop` may be set at any time: the weights are then those of the last step.
  NewtonSolver(const RowMatrix* rows, Crew* crew, const std::atomic<bool>* stop);
  // Called after each step from now on.
  void OnStep(std::function<void(const End&)> on_step) { on_step_ = std::move(on_step); }

  // Begins at *weights and leaves the minimum there. `l2`: of each feature, 0 or more. Both have an
  // element a column. Converged: the step that was made last promised less than `tolerance` of the
  // objective, or there is nothing left but rounding.
  End Minimize(absl::Span<const double> l2, double tolerance, std::vector<double>* weights);

  // Since the beginning: products of conjugate gradients, each of which reads the rows twice; steps.
  int products() const { return products_; }
  int steps() const { return steps_; }
  bool stopped() const { return stop_.load(std::memory_order_relaxed); }

  // Of the rows, at the weights that Minimize has left.
  absl::Span<const double> margins() const { return margins_; }
  // The diagonal of the loss's Hessian, without l2, where the last step of Minimize began.
  absl::Span<const double> curvature() const { return curvature_; }

 private:
  double Objective(const std::vector<double>& margins, absl::Span<const double> l2,
                   const std::vector<double>& weights);
  // Gradient and curvature at the margins.
  void Differentiate(absl::Span<const double> l2, const std::vector<double>& weights);
  // Fills direction_ and its margins.
  void FindDirection(absl::Span<const double> l2);
  // How far along the direction; 0: nowhere is the objective less.
  double FindLength(absl::Span<const double> l2, double slope, std::vector<double>* weights, double* objective);
  template <typename Do>
  void ForRows(const Do& work);  // work(begin, end, block)

  const RowMatrix& rows_;
  Crew& crew_;
  const std::atomic<bool>& stop_;
  std::function<void(const End&)> on_step_;
  double all_weights_ = 0;  // of the rows
  int products_ = 0, steps_ = 0;
  std::vector<double> block_sums_;                              // a block of rows
  std::vector<double> margins_, second_, row_scratch_, direction_margins_, new_margins_;  // a row
  std::vector<double> gradient_, curvature_, direction_, residual_, conjugate_, image_, new_weights_;  // a column
};

// Log loss of rows whose margins are those of the weights plus `offset`, and the sum of their weights.
struct LossSum {
  double loss = 0, weight = 0;
};
LossSum SumLogLoss(const RowMatrix& rows, const std::vector<double>& weights, double offset, Crew* crew);

}  // namespace ps
