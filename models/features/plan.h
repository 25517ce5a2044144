// What every part of the extractor agrees on about a plan (extractor.proto): names, key seeds,
// limits, and the check that a plan from a file is safe to run. Pure; any thread.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "models/config/job_config.h"
#include "models/features/extractor.pb.h"

namespace ps {

inline constexpr std::uint32_t kPlanVersion = 2;
inline constexpr std::uint32_t kPlanVersionOfTrees = 3;  // the same, and leaves of trees
inline constexpr int kMaxBuckets = 4096;
inline constexpr int kMaxColumns = 1 << 16;
inline constexpr int kMaxLevels = 4;

// "csv", "tsv", ...: as in job files and in the plan.
const char* FormatName(DataFormat format);
absl::StatusOr<DataFormat> FormatOfName(std::string_view name);
inline bool IsTable(DataFormat format) {
  return format != DataFormat::kLibsvm && format != DataFormat::kVw;
}
inline char DelimiterOf(DataFormat format) { return format == DataFormat::kCsv ? ',' : '\t'; }
// The column names that the Criteo layout fixes: label, I1..I13, C1..C26.
std::vector<std::string> CriteoColumns();

const char* OpName(features::Feature::Op op);

// Names whose FieldSeed a feature's keys are made of. Part of the key derivation: a change needs a
// new kPlanVersion. A column name holds no newline, so the names of different features differ.
std::string FeatureName(const features::Plan& plan, const features::Feature& feature);
std::string LevelName(const std::string& feature_name, int level);
std::string MissingName(const std::string& feature_name);  // BucketKey(seed, 0)
std::string TextName(const std::string& feature_name);     // CategoryKey(seed, text)
std::string LeafName(std::size_t tree);                    // BucketKey(seed, leaf)

// The cell of the logarithmic grid that holds x: sign, exponent and the first three bits of the
// mantissa, so integers up to 16 have a cell each and larger ones eight cells an octave. Needs no
// logarithm, hence is the same on every machine.
inline std::uint64_t LogCell(double x) {
  std::uint64_t bits;
  static_assert(sizeof bits == sizeof x);
  __builtin_memcpy(&bits, &x, sizeof bits);
  return bits >> 49;
}

// Whether cells of x / scale can be told: neither it nor its inverse leaves the range of numbers.
inline bool IsLogScale(double scale) {
  return scale > 0 && std::isnormal(scale) && std::isnormal(1 / scale);
}

// InvalidArgument when the plan could not have come from Compile: an index out of range, cuts that
// do not ascend, an unknown version or operation.
absl::Status ValidatePlan(const features::Plan& plan);

// A table of what was understood, for a person. `use_of`: what is said of a feature's column in place of its
// operations, where a model makes something else of it; of the label's column nothing, where it has two classes.
std::string DescribePlan(const features::Plan& plan,
                         const std::function<std::string(std::uint32_t column)>& use_of = nullptr);

}  // namespace ps
