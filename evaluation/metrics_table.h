// Metrics for a person: an aligned table of the model beside the constant prediction. Pure
// function.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/metrics/class_metrics.h"
#include "models/metrics/metrics.h"

namespace ps {

std::string MetricsTable(const Metrics& metrics);
// Of several classes, with a line for each class.
std::string ClassMetricsTable(const ClassMetrics& metrics, const std::vector<std::string>& names);

// 1234567 as "1,234,567".
std::string GroupedDigits(std::uint64_t number);

}  // namespace ps
