// One reading of a row cache: a thread reads ahead while the other consumes, in the order of the
// data.
//
// Threads: the calling one and one that it starts and joins; consume is called from one at a time.
#pragma once

#include <atomic>
#include <functional>

#include "absl/status/status.h"
#include "trainer/embedded/resolved_block.h"
#include "trainer/embedded/row_spool.h"

namespace ps {

// An error of `consume` or of the disk ends the pass; `stop` ends it without one.
absl::Status SpoolPass(const RowSpool& spool, const std::atomic<bool>& stop,
                       const std::function<absl::Status(const ResolvedBlock&)>& consume);

}  // namespace ps
