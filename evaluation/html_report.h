// A report on one evaluation as a single HTML page: figures, ROC, KS, calibration and lift as
// inline SVG. No scripts, nothing fetched from elsewhere. Pure function.
#pragma once

#include <string>
#include <vector>

#include "models/bundle/bundle.h"
#include "models/metrics/class_metrics.h"
#include "models/metrics/metrics.h"

namespace ps {

// `data` says what was evaluated, for the heading.
std::string HtmlReport(const BundleInfo& info, const std::string& data, const MetricState& state);
// Of several classes: figures, and a table of what the rows of each class are taken for.
std::string HtmlClassReport(const BundleInfo& info, const std::string& data, const ClassMetrics& metrics,
                            const std::vector<std::string>& names);

}  // namespace ps
