// Malformed rows: quoted by the parsers, gathered here over all blocks, and judged against the
// job's limit. Nothing is skipped silently.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "models/data/data_files.h"
#include "models/data/row_block.h"
#include "models/data/row_parser.h"

namespace ps {

// Counts a malformed line of `block` and quotes it while there is room. `origin` is that of the
// line's first byte; `line` may end in its newline; `column` is 1-based.
void QuoteBadRow(std::string_view line, TextOrigin origin, std::uint32_t column, std::string what,
                 RowBlock* block);

}  // namespace ps
