// The optimum over all rows (model.optimizer.type: newton_cg): they are gathered in memory as a
// matrix, and solved with one L2 penalty or with one for each group of features. Each solution
// begins where the one before ended: nearer to it, and to the same minimum within the tolerance.
//
// One thread at a time, which starts others. Errors are of the cache.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/optimizer.h"
#include "models/linear/group_l2.h"
#include "models/linear/newton.h"
#include "models/linear/row_matrix.h"
#include "models/metrics/metrics.h"
#include "trainer/embedded/id_groups.h"
#include "trainer/embedded/row_spool.h"

namespace ps {

class NewtonFit {
 public:
  // All outlive it.
  NewtonFit(const IdGroups* groups, int threads, const std::atomic<bool>* stop);

  // ResourceExhausted: more rows than it counts.
  absl::Status Add(const ResolvedRows& rows);
  // After the last rows. Cancelled: stopped.
  absl::Status Finish(std::uint32_t bias);
  // Both, of the rows of a cache.
  absl::Status Load(const RowSpool& rows, std::uint32_t bias);

  // Told after each step of Newton from now on.
  void OnStep(std::function<void(const NewtonSolver::End&)> on_step) { solver_->OnStep(std::move(on_step)); }
  // Of type kNewtonCg. Returns how it went; the weights are Weights().
  NewtonSolver::End Fit(const OptimizerParams& setting);
  const NewtonSolver& solver() const { return *solver_; }
  // Of ids [0, ids). OutOfRange: one is no finite number.
  absl::StatusOr<std::vector<float>> Weights(std::size_t ids) const;
  // While Fit looks for the penalties of groups: those of its steps are not the last.
  bool looks_for_evidence() const { return looking_; }
  // By what the rows say, once Fit has asked: "l2 by the evidence, of 3 groups of features: age .8; city 12; id 310".
  std::string DescribeEvidence() const;

  std::size_t rows() const { return rows_.rows(); }
  // Of the rows themselves, as they were learnt.
  Metrics TrainMetrics() const;
  std::uint64_t memory_bytes() const { return rows_.memory_bytes(); }
  // Mean log loss of other rows at these weights, `offset` added to each margin.
  absl::StatusOr<double> LossOf(const RowSpool& rows, double offset);

 private:
  const IdGroups& groups_;
  const std::atomic<bool>& stop_;
  Crew crew_;
  RowMatrix rows_;
  std::vector<std::uint16_t> group_;                       // a column
  std::vector<double> mean_squares_, weights_, group_l2_;  // a column; the last: a group, empty until asked for
  std::unique_ptr<NewtonSolver> solver_;
  bool looking_ = false;
};

}  // namespace ps
