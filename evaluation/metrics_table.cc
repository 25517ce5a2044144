#include "evaluation/metrics_table.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace ps {
namespace {

std::string Figure(double value) {
  return std::isfinite(value) ? absl::StrFormat("%.5f", value)
         : std::isinf(value)  ? "infinite"
                              : "undefined";
}

std::string WithError(double value, double error) {
  if (!std::isfinite(value) || !std::isfinite(error)) return Figure(value);
  return absl::StrFormat("%.5f ± %.5f", value, error);
}

// Weighted counts keep three decimals.
std::string Count(double value) {
  if (value == std::floor(value) && value < 1e15) {
    return GroupedDigits(static_cast<std::uint64_t>(value));
  }
  return absl::StrFormat("%.3f", value);
}

// Pads by characters, not bytes: "±" is two bytes wide in UTF-8 and one column on a terminal.
std::string Padded(const std::string& text, std::size_t columns) {
  std::size_t width = 0;
  for (const char c : text) width += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return text + std::string(width < columns ? columns - width : 1, ' ');
}

void AppendLine(const char* name, const std::string& model, const std::string& baseline, std::string* out) {
  absl::StrAppend(out, Padded(name, 22), baseline.empty() ? model : Padded(model, 24), baseline, "\n");
}

}  // namespace

std::string GroupedDigits(std::uint64_t number) {
  std::string digits = absl::StrCat(number);
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) digits.insert(at, ",");
  return digits;
}

std::string MetricsTable(const Metrics& metrics) {
  const Metrics constant = ConstantBaseline(metrics);
  std::string out;
  const auto line = [&out](const char* name, const std::string& model,
                           const std::string& baseline) { AppendLine(name, model, baseline, &out); };
  line("", "model", "constant prediction");
  line("AUC", WithError(metrics.auc, metrics.auc_stderr), Figure(constant.auc));
  line("log loss", WithError(metrics.logloss, metrics.logloss_stderr), Figure(constant.logloss));
  line("KS", Figure(metrics.ks), Figure(constant.ks));
  line("normalised entropy", Figure(metrics.normalized_entropy),
       Figure(constant.normalized_entropy));
  line("calibration", Figure(metrics.calibration), Figure(constant.calibration));
  line("PR-AUC", Figure(metrics.pr_auc), Figure(constant.pr_auc));
  line("calibration error", Figure(metrics.ece), Figure(constant.ece));
  line("rows", Count(metrics.rows), "");
  line("positives", Count(metrics.positives), "");
  return out;
}

std::string ClassMetricsTable(const ClassMetrics& metrics, const std::vector<std::string>& names) {
  const ClassMetrics constant = ConstantBaseline(metrics);
  std::string out;
  AppendLine("", "model", "constant prediction", &out);
  AppendLine("log loss", WithError(metrics.logloss, metrics.logloss_stderr), Figure(constant.logloss), &out);
  AppendLine("error rate", Figure(metrics.error_rate), Figure(constant.error_rate), &out);
  AppendLine("AUC, mean of classes", Figure(metrics.auc_macro), Figure(constant.auc_macro), &out);
  AppendLine("AUC, weighted", Figure(metrics.auc_weighted), Figure(constant.auc_weighted), &out);
  AppendLine("rows", Count(metrics.rows), "", &out);
  return absl::StrCat(out, "\n", ConfusionText(metrics, names));
}

}  // namespace ps
