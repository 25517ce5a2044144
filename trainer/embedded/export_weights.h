// The weights of a finished model, into a bundle: non-zero ones in ascending key order. Starts and
// joins threads.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "models/bundle/bundle.h"
#include "trainer/embedded/dense_model.h"

namespace ps {

// Adds the number of weights written to *features. Errors are the writer's.
absl::Status ExportWeights(const DenseModel& model, int threads, BundleWriter* writer,
                           std::uint64_t* features);

}  // namespace ps
