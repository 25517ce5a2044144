#include <charconv>
#include <cmath>

#include "models/metrics/metrics.h"

namespace ps {
namespace {

// Shortest digits that read back as the same double; null for what JSON has no number for.
void AppendField(const char* name, double value, std::string* out) {
  if (out->size() > 1) *out += ", ";
  *out += '"';
  *out += name;
  *out += "\": ";
  if (!std::isfinite(value)) {
    *out += "null";
    return;
  }
  char digits[32];
  // The shortest form of 800000 is 8e+05; a count should look like one.
  const bool whole = value == std::floor(value) && std::fabs(value) < 1e15;
  const std::to_chars_result end =
      whole ? std::to_chars(digits, digits + sizeof(digits), static_cast<std::int64_t>(value))
            : std::to_chars(digits, digits + sizeof(digits), value);
  out->append(digits, end.ptr);
}

}  // namespace

std::string MetricsJson(const Metrics& metrics) {
  std::string out = "{";
  AppendField("auc", metrics.auc, &out);
  AppendField("auc_bound", metrics.auc_bound, &out);
  AppendField("auc_stderr", metrics.auc_stderr, &out);
  AppendField("logloss", metrics.logloss, &out);
  AppendField("logloss_stderr", metrics.logloss_stderr, &out);
  AppendField("ks", metrics.ks, &out);
  AppendField("normalized_entropy", metrics.normalized_entropy, &out);
  AppendField("calibration", metrics.calibration, &out);
  AppendField("pr_auc", metrics.pr_auc, &out);
  AppendField("ece", metrics.ece, &out);
  AppendField("rows", metrics.rows, &out);
  AppendField("positives", metrics.positives, &out);
  return out + "}";
}

}  // namespace ps
