// Metrics for a person: an aligned table of the model beside the constant prediction. Pure
// function.
#pragma once

#include <cstdint>
#include <string>

#include "models/metrics/metrics.h"

namespace ps {

std::string MetricsTable(const Metrics& metrics);

// 1234567 as "1,234,567".
std::string GroupedDigits(std::uint64_t number);

}  // namespace ps
