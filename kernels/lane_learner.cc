#include "kernels/lane_learner.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/exp_float.h"

namespace ps {
namespace {

// The state of one lane as row_learner.h wants it, and back.
void CopyLane(const float* lanes_state, float* lane_state, std::size_t ids, int lanes, int lane) {
  for (std::size_t i = 0; i < ids; ++i) {
    lane_state[2 * i] = lanes_state[2 * lanes * i + lane];
    lane_state[2 * i + 1] = lanes_state[2 * lanes * i + lanes + lane];
  }
}

void CopyBack(const float* lane_state, float* lanes_state, std::size_t ids, int lanes, int lane) {
  for (std::size_t i = 0; i < ids; ++i) {
    lanes_state[2 * lanes * i + lane] = lane_state[2 * i];
    lanes_state[2 * lanes * i + lanes + lane] = lane_state[2 * i + 1];
  }
}

// z that makes the same weight under another setting, of the same sign where it is 0.
float ZOfSameWeight(const OptimizerParams& before, const OptimizerParams& after, float z, float root) {
  const float same = FtrlDenominator(after, root) / FtrlDenominator(before, root);
  const float magnitude = std::fabs(z);
  if (magnitude > before.l1) return std::copysign(std::fma(magnitude - before.l1, same, after.l1), z);
  return before.l1 > 0 ? z * (after.l1 / before.l1) : z;
}

// z under another setting: see KeepLanes.
float ZOfRebirth(const OptimizerParams& before, const OptimizerParams& after, float z, float root) {
  const float same_weight = FtrlDenominator(after, root) / FtrlDenominator(before, root);
  return z * std::fma(root / (root + 1.0f), same_weight - 1.0f, 1.0f);
}

}  // namespace

void LearnRowLanesPlain(LaneSettings lanes, const ResolvedRows& rows, float* state,
                        float* margins) {
  const int count = static_cast<int>(lanes.size());
  std::uint32_t last = 0;
  for (std::uint32_t i = 0; i < rows.row_begin[rows.rows]; ++i) last = std::max(last, rows.ids[i]);
  std::vector<float> lane_state(2 * (std::size_t{last} + 1)), lane_margins(rows.rows);
  for (int k = 0; k < count; ++k) {
    CopyLane(state, lane_state.data(), std::size_t{last} + 1, count, k);
    LearnRowsPlain(lanes[k], rows, lane_state.data(), lane_margins.data());
    CopyBack(lane_state.data(), state, std::size_t{last} + 1, count, k);
    for (std::size_t r = 0; r < rows.rows; ++r) margins[r * count + k] = lane_margins[r];
  }
}

void KeepLanes(LaneSettings before, LaneSettings after, absl::Span<const LaneOrigin> origins,
               std::size_t entries, float* state) {
  const std::size_t old_lanes = before.size(), new_lanes = after.size();
  std::array<float, 2 * kMostLanes> entry;
  for (std::size_t i = 0; i < entries; ++i) {
    // The new entry ends at or before the end of the old one, which nobody reads again.
    std::memcpy(entry.data(), state + 2 * old_lanes * i, 2 * old_lanes * sizeof(float));
    float* const to = state + 2 * new_lanes * i;
    for (std::size_t k = 0; k < new_lanes; ++k) {
      const int from = origins[k].from;
      const float z = entry[from], root = entry[old_lanes + from];
      if (!origins[k].reborn) {
        to[k] = z;
      } else if (origins[k].same_weights) {
        to[k] = ZOfSameWeight(before[from], after[k], z, root);
      } else {
        to[k] = ZOfRebirth(before[from], after[k], z, root);
      }
      to[new_lanes + k] = root;
    }
  }
}

void LaneLossesPlain(const float* margins, const float* labels, std::size_t rows, int lanes,
                     float* losses) {
  for (std::size_t i = 0; i < rows * lanes; ++i) {
    const float margin = margins[i];
    const float magnitude = -std::fabs(margin);
    const float e = ExpNegative(magnitude > ExpFloat::kLowest ? magnitude : ExpFloat::kLowest);
    losses[i] = (0.0f > margin ? 0.0f : margin) - labels[i / lanes] * margin + Log1pFloat(e);
  }
}

}  // namespace ps
