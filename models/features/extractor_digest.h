// Whether two feature plans are the same. Pure; any thread.
#pragma once

#include <string>

namespace ps {

// Hex XXH3-128 of the serialized plan.
std::string ExtractorDigest(const std::string& serialized);

}  // namespace ps
