// What a worker of a cluster of trees says of its rows. Pure functions.
#pragma once

#include <cstddef>
#include <vector>

#include "models/gbdt/gradient_rows.h"
#include "ps/trees/loaded_part.h"

namespace ps {

// Rows [first, end).
struct RowStretch {
  std::size_t first = 0, end = 0;
  std::size_t size() const { return end - first; }
};

// What the first report says of a part's text, and of a stretch of its rows.
void ReportLoaded(const LoadedPart& part, const BinnedRows& rows, const RowStretch& stretch,
                  std::uint32_t classes, wire::TreeReport::Loaded* loaded);
// How margins, which are as StartMargins lays them out for all rows, do on a stretch.
void ReportMetrics(const BinnedRows& rows, const RowStretch& stretch,
                   const std::vector<float>& margins, const wire::TreePlan& plan,
                   wire::TreeReport* report);

}  // namespace ps
