// A Tuner as data, and back: so that a race goes on in another process, to the bit. Pure
// functions.
#pragma once

#include "absl/status/status.h"
#include "trainer/tuning/race_state.pb.h"
#include "trainer/tuning/tuner.h"

namespace ps {

void SaveSetting(const OptimizerParams& setting, tuning::Setting* saved);
OptimizerParams LoadSetting(const tuning::Setting& saved);

void SaveTuner(const Tuner& tuner, tuning::TunerState* state);
// DataLoss, and an unspecified tuner, for a state that none leaves.
absl::Status LoadTuner(const tuning::TunerState& state, Tuner* tuner);

}  // namespace ps
