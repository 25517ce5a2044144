// Starting from the weights of an earlier model. Any thread.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "models/bundle/bundle.h"
#include "trainer/prepared_job.h"

namespace ps {

// The bundle of model.warm_start, null without one. InvalidArgument when its feature plan is another: its
// weights would belong to other features.
absl::StatusOr<std::unique_ptr<Bundle>> OpenWarmStart(const PreparedJob& job);

}  // namespace ps
