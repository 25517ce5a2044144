// Rows of a batch where the job says nothing. Pure.
#pragma once

#include <algorithm>

namespace ps {

// As many of `rows` as cost little quality.
inline double UsualBatchRows(double rows) { return std::clamp(rows / 8000, 64.0, 2048.0); }

}  // namespace ps
