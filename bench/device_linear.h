// Times a linear model that is learnt on a device, beside the processor's. One caller.
#pragma once

#include <cstddef>

#include "absl/status/status.h"

namespace ps {

// Prints a line for one lane and one for eight: rows of 39 features, uniform over `features`, in batches of
// `batch_rows`; times are of whole calls, the copies of rows and margins included. And a line for the same rows with
// keys, block by block. Internal: the device's margins are not the processor's.
absl::Status PrintLinearModels(std::size_t features, std::size_t rows, std::size_t batch_rows);

}  // namespace ps
