// What lanes a job's tables had, from the first to those of now. One thread.
#pragma once

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "kernels/lane_learner.h"
#include "ps/table/slot_image.h"
#include "ps/table/slot_table.h"
#include "ps/wire/message.pb.h"

namespace ps {

OptimizerParams SettingOf(const wire::LaneSetting& lane, Optimizer type);

class LaneHistory {
 public:
  // The lanes of the plan.
  explicit LaneHistory(const SlotTable::Options& first) : first_(first) {}

  std::size_t changes() const { return steps_.size(); }
  // After so many changes, or all.
  std::vector<OptimizerParams> settings(std::size_t changes) const;
  std::vector<OptimizerParams> settings() const { return settings(changes()); }
  // Of the lanes after a change (from 0).
  absl::Span<const LaneOrigin> origins(std::size_t change) const { return steps_[change].origins; }

  // Replaces all changes. InvalidArgument, and nothing changed, for some that cannot be.
  absl::Status Set(const google::protobuf::RepeatedPtrField<wire::LaneChange>& changes);

  // Makes the entries of an image what they would be now, had they been in the table since it had that many changes.
  // InvalidArgument for an image that does not have the lanes of then, or when that is not in the past.
  absl::Status BringUp(std::size_t changes, SlotImage* image) const;

 private:
  struct Step {
    std::vector<OptimizerParams> settings;
    std::vector<LaneOrigin> origins;
  };
  SlotTable::Options OptionsAfter(std::size_t changes) const;

  const SlotTable::Options first_;
  std::vector<Step> steps_;
};

}  // namespace ps
