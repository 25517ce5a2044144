#include "trainer/job_result.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "trainer/progress/json_log.h"
#include "trainer/progress/progress_line.h"

namespace ps {
namespace {

std::string Row(const char* name, const Metrics& m) {
  const auto cell = [](double value) {
    return std::isnan(value) ? std::string("      -") : absl::StrFormat("%7.5f", value);
  };
  return absl::StrFormat("  %-22s %s ±%.4f  %s  %s  %s  %s  %12s %12s\n", name, cell(m.auc),
                         std::isnan(m.auc_stderr) ? 0.0 : m.auc_stderr, cell(m.logloss), cell(m.ks),
                         cell(m.normalized_entropy), cell(m.calibration),
                         FormatCount(static_cast<std::uint64_t>(m.rows)),
                         FormatCount(static_cast<std::uint64_t>(m.positives)));
}

std::string ErrorsJson(double rmse, std::uint64_t rows) {
  return absl::StrCat("{\"rmse\": ", JsonNumber(rmse), ", \"rows\": ", rows, "}");
}

std::string ClassRow(const char* name, const ClassMetrics& m) {
  const auto cell = [](double value) { return std::isnan(value) ? std::string("      -") : absl::StrFormat("%7.5f", value); };
  return absl::StrFormat("  %-22s %s ±%.4f  %10s %10s %12s %12s\n", name, cell(m.logloss),
                         std::isnan(m.logloss_stderr) ? 0.0 : m.logloss_stderr, cell(m.error_rate), cell(m.auc_macro),
                         cell(m.auc_weighted), FormatCount(static_cast<std::uint64_t>(m.rows)));
}

std::string ClassesText(const ClassResult& r) {
  std::string text =
      "\n                           log loss          error rate  AUC macro AUC weighted         rows\n";
  text += ClassRow("train", r.train);
  if (r.valid) text += ClassRow("valid", *r.valid);
  if (r.test) text += ClassRow("test", *r.test);
  const ClassMetrics& judged = r.test ? *r.test : r.valid ? *r.valid : r.train;
  text += ClassRow("constant prediction", ConstantBaseline(judged));
  return absl::StrCat(text, "\n", ConfusionText(judged, r.names));
}

std::vector<std::string> JsonStrings(const std::vector<std::string>& texts) {
  std::vector<std::string> strings;
  for (const std::string& text : texts) strings.push_back(JsonString(text));
  return strings;
}

// The lines between the title and where the model is.
std::string TreesText(const JobResult& r, const std::string& bundle_dir) {
  const TreesResult& t = *r.trees;
  std::string text;
  if (t.squared) {
    absl::StrAppendFormat(&text, "\n  root mean squared error: train %.6g", t.train_rmse);
    if (r.valid) absl::StrAppendFormat(&text, ", valid %.6g", t.valid_rmse);
    if (r.test) absl::StrAppendFormat(&text, ", test %.6g", t.test_rmse);
    text += "\n";
  }
  absl::StrAppendFormat(&text, "\nrows read %s %s rows learnt %s", FormatCount(r.rows_read),
                        r.rows_read == r.rows_learnt ? "=" : "and", FormatCount(r.rows_learnt));
  if (r.bad_rows > 0) absl::StrAppendFormat(&text, ", %s bad rows left out", FormatCount(r.bad_rows));
  if (r.rows_dropped > 0) absl::StrAppendFormat(&text, ", %s negatives sampled away", FormatCount(r.rows_dropped));
  absl::StrAppendFormat(&text, "\n%d trees", t.trees);
  if (t.classes) absl::StrAppendFormat(&text, " in %d rounds", t.trees / static_cast<int>(t.classes->names.size()));
  absl::StrAppendFormat(&text, " over %s columns", FormatCount(r.features));
  if (t.grown > t.trees) absl::StrAppendFormat(&text, " (%d grown)", t.grown);
  absl::StrAppendFormat(&text, "; read and binned in %s, %.1f ms a tree, %s in all, peak memory %s\n",
                        FormatDuration(t.load_seconds), t.median_tree_ms, FormatDuration(r.wall_seconds),
                        FormatBytes(r.peak_rss_bytes));
  if (t.attempts > 0) {
    absl::StrAppendFormat(&text, "%s on the wire a tree, in %.1f steps",
                          FormatBytes(static_cast<std::int64_t>(t.wire_bytes / std::max(1, t.grown))),
                          static_cast<double>(t.steps) / std::max(1, t.grown));
    if (t.attempts > 1) absl::StrAppendFormat(&text, "; %d trees begun anew for lost nodes", t.attempts - 1);
    text += "\n";
  }
  if (r.tuning) {
    absl::StrAppendFormat(&text, "tuned: %s\n  as a job file: %s/%s\n", r.tuning->setting_text, bundle_dir,
                          kTunedJobName);
  }
  if (!r.complete) text += "stopped early: the model is the trees so far\n";
  return text;
}

std::string PassesText(const JobResult& r, const std::string& bundle_dir) {
  std::string text;
  absl::StrAppendFormat(&text, "\nrows read %s %s rows learnt %s (%d pass%s)", FormatCount(r.rows_read),
                        r.rows_read == r.rows_learnt ? "=" : "and", FormatCount(r.rows_learnt), r.passes,
                        r.passes == 1 ? "" : "es");
  if (r.bad_rows > 0) absl::StrAppendFormat(&text, ", %s bad rows left out", FormatCount(r.bad_rows));
  if (r.rows_dropped > 0) {
    absl::StrAppendFormat(&text, ", %s negatives sampled away", FormatCount(r.rows_dropped));
  }
  absl::StrAppendFormat(&text, "\n%s features, %s with a weight; %s rows/s, %s in all, peak memory %s\n",
                        FormatCount(r.features), FormatCount(r.nonzero_weights),
                        FormatShort(r.train_seconds > 0 ? r.rows_learnt / r.train_seconds : 0),
                        FormatDuration(r.wall_seconds), FormatBytes(r.peak_rss_bytes));
  if (r.tuning) {
    absl::StrAppendFormat(&text, "tuned; as a job file: %s/%s\nmodel: {type: lr, optimizer: %s}\n", bundle_dir, kTunedJobName,
                          r.tuning->optimizer_yaml);
    if (r.tuning->all_rows_passes && r.complete) {
      text += "the validation rows have been learnt too, after they had chosen; their figures are of the model before\n";
    }
  }
  if (!r.complete && r.progressive) text += "stopped before the end of the data: the model is what was learnt so far\n";
  if (!r.complete && !r.progressive) text += "stopped before it had converged: the model is that of the last step\n";
  return text;
}

}  // namespace

void SetTest(const absl::StatusOr<Metrics>& test, JobResult* result) {
  if (!test.ok()) {
    result->test_missing = std::string(test.status().message());
    return;
  }
  result->test = *test;
  result->rows_test = static_cast<std::uint64_t>(test->rows);
}

std::string JobResultJson(const JobResult& r) {
  std::string json = "{\n";
  const auto member = [&json](const char* name, const std::string& value, bool last = false) {
    absl::StrAppend(&json, "  \"", name, "\": ", value, last ? "\n" : ",\n");
  };
  if (r.trees && r.trees->squared) {
    member("train", ErrorsJson(r.trees->train_rmse, r.rows_learnt));
    if (r.valid) member("valid", ErrorsJson(r.trees->valid_rmse, r.rows_valid));
    if (r.test) member("test", ErrorsJson(r.trees->test_rmse, r.rows_test));
  } else if (r.trees && r.trees->classes) {
    const ClassResult& classes = *r.trees->classes;
    const std::vector<std::string> names = JsonStrings(classes.names);
    member("train", ClassMetricsJson(classes.train, names));
    if (classes.valid) member("valid", ClassMetricsJson(*classes.valid, names));
    if (classes.test) member("test", ClassMetricsJson(*classes.test, names));
    member("rounds", absl::StrCat(static_cast<std::size_t>(r.trees->trees) / names.size()));
  } else {
    member("train", MetricsJson(r.train));
    if (r.valid) member("valid", MetricsJson(*r.valid));
    if (r.test) member("test", MetricsJson(*r.test));
  }
  if (!r.test_missing.empty()) member("test_missing", JsonString(r.test_missing));
  member("device", absl::StrCat("\"", r.device, "\""));
  if (r.trees) {
    member("trees", absl::StrCat(r.trees->trees));
    member("trees_grown", absl::StrCat(r.trees->grown));
    member("load_seconds", JsonNumber(r.trees->load_seconds));
    member("median_tree_ms", JsonNumber(r.trees->median_tree_ms));
    if (r.trees->attempts > 0) {
      member("wire_bytes", absl::StrCat(r.trees->wire_bytes));
      member("wire_bytes_per_tree", absl::StrCat(r.trees->wire_bytes / std::max(1, r.trees->grown)));
      member("steps", absl::StrCat(r.trees->steps));
      member("attempts", absl::StrCat(r.trees->attempts));
      member("distribution", absl::StrCat("\"", r.trees->distribution, "\""));
      member("estimated_wire_bytes_per_tree",
             absl::StrCat("{\"rows\": ", JsonNumber(r.trees->estimate_by_rows), ", \"columns\": ",
                          JsonNumber(r.trees->estimate_by_columns), "}"));
    }
  }
  member("rows_read", absl::StrCat(r.rows_read));
  member("rows_learnt", absl::StrCat(r.rows_learnt));
  member("rows_valid", absl::StrCat(r.rows_valid));
  member("rows_test", absl::StrCat(r.rows_test));
  member("rows_dropped", absl::StrCat(r.rows_dropped));
  member("bad_rows", absl::StrCat(r.bad_rows));
  member("passes", absl::StrCat(r.passes));
  if (!r.trees) member("best_pass", absl::StrCat(r.best_pass));
  member("features", absl::StrCat(r.features));
  member("nonzero_weights", absl::StrCat(r.nonzero_weights));
  member("table_bytes", absl::StrCat(r.table_bytes));
  member("wall_seconds", JsonNumber(r.wall_seconds));
  member("train_seconds", JsonNumber(r.train_seconds));
  member("last_pass_seconds", JsonNumber(r.last_pass_seconds));
  member("last_pass_rows_per_second",
         JsonNumber(r.last_pass_seconds > 0 ? r.last_pass_rows / r.last_pass_seconds : 0));
  member("rows_per_second", JsonNumber(r.train_seconds > 0 ? r.rows_learnt / r.train_seconds : 0));
  member("peak_rss_bytes", absl::StrCat(r.peak_rss_bytes));
  member("complete", r.complete ? "true" : "false", true);
  return json + "}\n";
}

std::string JobResultText(const JobResult& r, const std::string& bundle_dir,
                          std::uint64_t bundle_bytes) {
  std::string text;
  if (r.trees && r.trees->classes) {
    text += ClassesText(*r.trees->classes);
  } else if (!r.trees || !r.trees->squared) {
    text +=
        "\n                             AUC            log loss       KS  norm.ent    calib          rows"
        "    positives\n";
    text += Row(r.trees || !r.progressive ? "train" : "train (progressive)", r.train);
    if (r.valid) text += Row("valid", *r.valid);
    if (r.test) text += Row("test", *r.test);
    const Metrics& judged = r.test ? *r.test : r.valid ? *r.valid : r.train;
    text += Row("constant prediction", ConstantBaseline(judged));
  }
  text += r.trees ? TreesText(r, bundle_dir) : PassesText(r, bundle_dir);
  for (const std::string& warning : r.warnings) absl::StrAppend(&text, "warning: ", warning, "\n");
  if (!r.test_missing.empty()) {
    absl::StrAppend(&text, "no test metrics: the test rows could not be read (metrics.json says why, as test_missing); "
                           "the model is whole\n");
  }
  absl::StrAppendFormat(&text,
                        "model: %s (%s)\n  evaluate: ps_eval --model %s --data FILE\n  inspect:  ps_model inspect %s\n"
                        "  serve:    ps_serve --model %s\n",
                        bundle_dir, FormatBytes(static_cast<std::int64_t>(bundle_bytes)), bundle_dir, bundle_dir, bundle_dir);
  return text;
}

}  // namespace ps
