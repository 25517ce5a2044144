// The optimum over all rows that the embedded trainer has kept (model.optimizer.type: newton_cg):
// rows of a cache in memory as a matrix, solved with one L2 penalty or with one for each group of
// features. Each solution begins where the one before ended, which costs less and changes nothing.
//
// One thread at a time, which starts others. Errors are of the cache.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/optimizer.h"
#include "models/features/key_groups.h"
#include "models/linear/group_l2.h"
#include "models/linear/newton.h"
#include "models/linear/row_matrix.h"
#include "trainer/embedded/row_spool.h"

namespace ps {

// Which group of the plan's (key_groups.h) each id belongs to, gathered while keys become ids.
class IdGroups {
 public:
  explicit IdGroups(std::unique_ptr<KeyGroups> groups) : groups_(std::move(groups)) {}  // null: all are one

  // `ids` of the block's keys; kPaddingId where a key has none. Any thread.
  void Note(const RowBlock& rows, absl::Span<const std::uint32_t> ids);
  // After the last Note; kNoGroup of the bias.
  std::uint16_t Of(std::uint32_t id) const { return id < of_id_.size() ? of_id_[id] : kNoGroup; }
  int size() const { return groups_ == nullptr ? 1 : static_cast<int>(groups_->size()); }
  std::string name(int group) const { return groups_ == nullptr ? "all features" : groups_->name(static_cast<std::size_t>(group)); }

 private:
  const std::unique_ptr<KeyGroups> groups_;
  std::mutex mutex_;
  std::vector<std::uint16_t> of_id_;
};

class NewtonFit {
 public:
  // All outlive it.
  NewtonFit(const IdGroups* groups, int threads, const std::atomic<bool>* stop);

  absl::Status Load(const RowSpool& rows, std::uint32_t bias);

  // Of type kNewtonCg. Returns how it went; the weights are Weights().
  NewtonSolver::End Fit(const OptimizerParams& setting);
  std::vector<float> Weights(std::size_t ids) const;  // of ids [0, ids)
  // By what the rows say, once Fit has asked: "l2 of 14 columns: .8 (age) to 310 (city)".
  std::string DescribeEvidence() const;

  std::uint64_t memory_bytes() const { return rows_.memory_bytes(); }
  // Mean log loss of other rows at these weights.
  absl::StatusOr<RowMatrix> LoadLike(const RowSpool& rows) const;
  double LossOf(const RowMatrix& rows, double offset) { return MeanLogLoss(rows, weights_, offset, &crew_); }

 private:
  const IdGroups& groups_;
  const std::atomic<bool>& stop_;
  Crew crew_;
  RowMatrix rows_;
  std::vector<std::uint16_t> group_;                       // a column
  std::vector<double> mean_squares_, weights_, group_l2_;  // a column; the last: a group, empty until asked for
  std::unique_ptr<NewtonSolver> solver_;
};

}  // namespace ps
