// Times the table of keys of a device (kernels/cuda/key_table.h) with the steps that follow. One caller.
#pragma once

#include <cstddef>

#include "absl/status/status.h"

namespace ps {

// Fills a table to a load of 0.8 with `keys` keys, or half as many until they fit. Prints the rate of
// inserting them, and of batches of `batch` uniform keys: find or insert, then margins, gradients and a
// step of FTRL. All from the device's memory, beside the floor of its sectors. Internal: a key was found
// nowhere, or in two places.
absl::Status PrintKeyUpdates(std::size_t keys, std::size_t batch);

}  // namespace ps
