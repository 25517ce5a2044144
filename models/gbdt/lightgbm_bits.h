// LightGBM's decision_type: how a node of its text decides (its include/LightGBM/tree.h).
#pragma once

namespace ps {

inline constexpr int kCategoryBit = 1, kDefaultLeftBit = 2;
// Two bits above those: what a missing value is.
enum MissingType { kNone = 0, kZero = 1, kNan = 2 };

}  // namespace ps
