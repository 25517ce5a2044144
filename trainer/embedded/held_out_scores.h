// Scores held-out rows with the model as it is: metrics of one lane, or the losses of all lanes.
//
// One thread at a time, and not beside DenseModel::Learn.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "models/metrics/metrics.h"
#include "trainer/embedded/dense_model.h"
#include "trainer/embedded/row_spool.h"
#include "trainer/tuning/lane_record.h"

namespace ps {

// Of margins of rows x lanes, leaves those of one lane.
void KeepLane(int lane, std::size_t lanes, std::vector<float>* margins);

class HeldOutScores {
 public:
  // `offset` is added to every margin.
  HeldOutScores(DenseModel* model, double offset)
      : model_(*model), offset_(static_cast<float>(offset)) {}

  absl::Status Add(const ResolvedBlock& block, int lane, MetricState* metrics);
  // Errors are the spool's, or a device's.
  absl::StatusOr<Metrics> Evaluate(const RowSpool& spool, int lane);
  absl::Status Record(const RowSpool& spool, LaneRecord* record);
  absl::Status WriteLosses(const RowSpool& spool, int lane, const std::string& path);

 private:
  absl::Status Score(const ResolvedBlock& block);  // to margins_

  DenseModel& model_;
  const float offset_;
  std::vector<float> margins_, losses_;
};

}  // namespace ps
