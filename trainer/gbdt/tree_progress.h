// What a job of trees keeps of its progress, wherever the job says (cluster.state, checkpoint.dir,
// both or nowhere), and what an earlier process has left. Blocking; one thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "models/gbdt/base_model.h"
#include "models/gbdt/gradient_rows.h"
#include "models/gbdt/tree_model.h"
#include "trainer/gbdt/row_loader.h"
#include "trainer/gbdt/tree_log.h"
#include "trainer/prepared_job.h"

namespace ps {

// How nodes of a cluster know their scheduler again.
struct TreeSession {
  std::uint64_t run = 0;
  std::uint64_t leader = 0;
  bool returns = false;             // nodes of a process before may be waiting
  std::uint32_t first_attempt = 1;  // above all of the processes before
};

class TreeProgress {
 public:
  enum class Where { kAll, kCheckpoint };  // wherever the job says, or checkpoint.dir alone

  // `start` and `base` are what the job's rows begin with, or null. Errors as of TreeLog::Open and
  // of opening its stores.
  static absl::StatusOr<std::unique_ptr<TreeProgress>> Open(
      const PreparedJob& job, const TreeModel* start, const BaseModel* base,
      const std::function<void(const std::string&)>& say, Where where = Where::kAll);

  std::size_t trees() const;  // that are kept
  // What a person can do who does not want to go on.
  std::string HowToBeginAnew() const;
  TreeSession session() const;
  // The bins that were chosen; null: they are to be chosen.
  absl::StatusOr<std::unique_ptr<BinPlan>> ReadBins(const features::Plan& features) const;
  // Before rows are read; returns the trees there are.
  absl::StatusOr<std::vector<Tree>> Begin(const BinPlan& bins);
  absl::Status SetRows(const LabelSums& sums);
  // `attempts` of this process. Unavailable: another scheduler has the job.
  absl::Status Keep(const std::vector<Tree>& trees, std::uint32_t attempts);
  absl::Status KeepAll(const std::vector<Tree>& trees, std::uint32_t attempts);
  std::uint32_t attempts_before() const;
  bool lost() const;
  // The job ends, but is not done: its nodes go, the trees stay.
  absl::Status EndSession();
  absl::Status Clear();  // the model is written

 private:
  std::vector<std::unique_ptr<TreeLog>> logs_;  // that of nodes first
};

}  // namespace ps
