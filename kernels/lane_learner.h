// Learning the same rows under several settings at once: K lanes, each an FTRL of its own, that
// share the ids of a row, its cache misses and everything before them. The inner loop of tuning
// (trainer/embedded/).
//
// The state of feature id i is the 2 K floats at state + 2 K i, float-major as in
// ps/table/entry_layout.h: {z_0 .. z_K-1, root_0 .. root_K-1}. With one lane that is the layout of
// row_learner.h, and what is called here is what is there. Lane k of K lanes is learnt to the bit
// as a run with that setting alone would learn it; vector and plain code give the same bits (both
// tested).
//
// Threads: calls on the same state exclude each other; LearnRowLanes and KeepLanes write,
// RowLaneMargins only reads.
#pragma once

#include <cstddef>
#include <vector>

#include "absl/types/span.h"
#include "kernels/optimizer.h"
#include "kernels/row_learner.h"

namespace ps {

inline constexpr int kMostLanes = 16;

// 1, 2, 4, 8 or 16 settings of type kFtrl.
using LaneSettings = absl::Span<const OptimizerParams>;

// Predicts each row in every lane, then learns it, row after row. margins: rows x lanes, a row's
// lanes side by side.
void LearnRowLanes(LaneSettings lanes, const ResolvedRows& rows, float* state, float* margins);
// The same by the definitions of optimizer.h, one lane and one feature after the other.
void LearnRowLanesPlain(LaneSettings lanes, const ResolvedRows& rows, float* state, float* margins);
// Margins only.
void RowLaneMargins(LaneSettings lanes, const ResolvedRows& rows, const float* state,
                    float* margins);

// Where a lane of the new layout comes from: lane `from` of the old one, as it is or reborn under a
// new setting; then with the weights that it has, or (usually) with those between that KeepLanes
// describes.
struct LaneOrigin {
  int from = 0;
  bool reborn = false;
  bool same_weights = false;
};

// Rewrites `entries` entries of before.size() lanes as entries of after.size() lanes, at most as
// many, in place. A lane that is reborn starts with the history n of the lane it comes from, and
// with a z between two: of a frequent feature, what gives the same weight (before l1) under the new
// setting, for that weight has been learnt; of a rare one the old z, for it is hardly more than the
// sum of the gradients, and the new setting would have made its weight of them. Measured beside the
// same weight for all features: docs/tuning.md. Where z began as a weight (SetStateToWeight) it is
// no sum of gradients, and another setting would multiply that weight: then, same_weights.
void KeepLanes(LaneSettings before, LaneSettings after, absl::Span<const LaneOrigin> origins,
               std::size_t entries, float* state);

// Log losses log(1 + e^f) - y f of margins (rows x lanes) in single precision, absolute error below
// 2e-7 (1 + loss); NaN where the margin is. The vector and the plain version give the same bits.
void LaneLosses(const float* margins, const float* labels, std::size_t rows, int lanes,
                float* losses);
void LaneLossesPlain(const float* margins, const float* labels, std::size_t rows, int lanes,
                     float* losses);

}  // namespace ps
