#include "models/metrics/json_number.h"
#include "models/metrics/metrics.h"

namespace ps {

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
