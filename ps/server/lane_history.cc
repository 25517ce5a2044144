#include "ps/server/lane_history.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "ps/base/status_macros.h"

namespace ps {

OptimizerParams SettingOf(const wire::LaneSetting& lane, Optimizer type) {
  return {.type = type,
          .alpha = lane.alpha(),
          .beta = lane.beta(),
          .l1 = lane.l1(),
          .l2 = lane.l2(),
          .newton = lane.newton()};
}

std::vector<OptimizerParams> LaneHistory::settings(std::size_t changes) const {
  if (changes > 0) return steps_[changes - 1].settings;
  return first_.lanes.empty() ? std::vector{first_.optimizer} : first_.lanes;
}

SlotTable::Options LaneHistory::OptionsAfter(std::size_t changes) const {
  SlotTable::Options options = first_;
  if (changes == 0) return options;
  options.lanes = settings(changes);
  options.layout = EntryLayout::For(options.lanes[0].type, static_cast<int>(options.lanes.size()));
  return options;
}

absl::Status LaneHistory::Set(const google::protobuf::RepeatedPtrField<wire::LaneChange>& changes) {
  const Optimizer type = first_.optimizer.type;
  std::vector<Step> steps;
  auto width = static_cast<std::uint32_t>(settings(0).size());
  for (const wire::LaneChange& change : changes) {
    const auto lanes = static_cast<std::uint32_t>(change.lanes_size());
    const bool fits = std::has_single_bit(lanes) && lanes <= width && change.from_size() == change.lanes_size() &&
                      change.reborn_size() == change.lanes_size() &&
                      std::all_of(change.from().begin(), change.from().end(),
                                  [width](std::uint32_t from) { return from < width; });
    if (!fits) return absl::InvalidArgumentError("a change of lanes that cannot be");
    Step step;
    for (int k = 0; k < change.lanes_size(); ++k) {
      step.settings.push_back(SettingOf(change.lanes(k), type));
      step.origins.push_back({static_cast<int>(change.from(k)), change.reborn(k), change.same_weights()});
    }
    width = lanes;
    steps.push_back(std::move(step));
  }
  steps_ = std::move(steps);
  return absl::OkStatus();
}

absl::Status LaneHistory::BringUp(std::size_t changes, SlotImage* image) const {
  if (changes > steps_.size()) return absl::InvalidArgumentError("slot image: lanes of the future");
  for (std::size_t i = changes; i < steps_.size(); ++i) {
    const LaneChanger change(OptionsAfter(i), steps_[i].settings, steps_[i].origins);
    if (image->state_floats != change.floats_before()) return absl::InvalidArgumentError("slot image: another layout");
    change.Apply(image->keys.size(), image->states.data());
    image->state_floats = static_cast<std::uint32_t>(OptionsAfter(i + 1).layout.state_floats());
    image->states.resize(image->keys.size() * image->state_floats);
  }
  return absl::OkStatus();
}

}  // namespace ps
