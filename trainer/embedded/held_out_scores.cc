#include "trainer/embedded/held_out_scores.h"

#include "ps/base/status_macros.h"
#include "trainer/row_losses.h"

namespace ps {

void KeepLane(int lane, std::size_t lanes, std::vector<float>* margins) {
  if (lanes == 1) return;
  const std::size_t rows = margins->size() / lanes;
  for (std::size_t r = 0; r < rows; ++r) (*margins)[r] = (*margins)[r * lanes + lane];
  margins->resize(rows);
}

absl::Status HeldOutScores::Score(const ResolvedBlock& block) {
  PS_RETURN_IF_ERROR(model_.Score(block, &margins_));
  for (float& margin : margins_) margin += offset_;
  return absl::OkStatus();
}

absl::Status HeldOutScores::Add(const ResolvedBlock& block, int lane, MetricState* metrics) {
  PS_RETURN_IF_ERROR(Score(block));
  KeepLane(lane, model_.lanes().size(), &margins_);
  metrics->AddRows(margins_, block.labels, block.weights);
  return absl::OkStatus();
}

absl::StatusOr<Metrics> HeldOutScores::Evaluate(const RowSpool& spool, int lane) {
  MetricState metrics;
  PS_RETURN_IF_ERROR(spool.ForEach([&](const ResolvedBlock& block) {
    return Add(block, lane, &metrics);
  }));
  return metrics.Finish();
}

absl::Status HeldOutScores::Record(const RowSpool& spool, LaneRecord* record) {
  return spool.ForEach([&](const ResolvedBlock& block) {
    PS_RETURN_IF_ERROR(Score(block));
    losses_.resize(margins_.size());
    LaneLosses(margins_.data(), block.labels.data(), block.rows(), record->lanes(), losses_.data());
    record->Add(losses_, block.weights);
    return absl::OkStatus();
  });
}

absl::Status HeldOutScores::WriteLosses(const RowSpool& spool, int lane, const std::string& path) {
  PS_ASSIGN_OR_RETURN(RowLossFile losses, RowLossFile::Create(path));
  PS_RETURN_IF_ERROR(spool.ForEach([&](const ResolvedBlock& block) {
    PS_RETURN_IF_ERROR(Score(block));
    KeepLane(lane, model_.lanes().size(), &margins_);
    losses.AddMargins(margins_, block.labels, block.weights);
    return absl::OkStatus();
  }));
  return losses.Finish();
}

}  // namespace ps
