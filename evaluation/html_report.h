// A report on one evaluation as a single HTML page: figures, ROC, KS, calibration and lift as
// inline SVG. No scripts, nothing fetched from elsewhere. Pure function.
#pragma once

#include <string>

#include "models/bundle/bundle.h"
#include "models/metrics/metrics.h"

namespace ps {

// `data` says what was evaluated, for the heading.
std::string HtmlReport(const BundleInfo& info, const std::string& data, const MetricState& state);

}  // namespace ps
