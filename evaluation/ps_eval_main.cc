// ps_eval: scores labelled data with a model bundle.
#include <gflags/gflags.h>

#include <cmath>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "evaluation/evaluation.h"
#include "evaluation/html_report.h"
#include "evaluation/inspection_text.h"
#include "evaluation/metrics_table.h"
#include "evaluation/output_file.h"
#include "models/bundle/bundle.h"
#include "models/bundle/manifest.h"
#include "models/gbdt/json_value.h"
#include "models/gbdt/tree_scorer.h"
#include "ps/base/cgroup.h"
#include "ps/base/file.h"
#include "ps/base/program_flags.h"

DEFINE_string(model, "", "directory of the model bundle");
DEFINE_string(data, "", "files or globs, separated by commas; gzip and zstd are recognised");
DEFINE_string(predictions, "", "CSV to write: row, label, margin, probability (or those of each class), in input order");
DEFINE_int32(threads, 0, "0: all that the container grants");
DEFINE_double(max_bad_rows, 0.001, "fraction of rows that may be malformed");
DEFINE_string(report, "", "HTML page to write: ROC, KS, calibration and lift");
DEFINE_bool(json, false, "print one JSON object instead of tables");
namespace {

constexpr char kUsage[] =
    "usage: ps_eval --model DIR --data FILE[,FILE...] [--predictions OUT.csv] [--threads N]\n"
    "               [--report OUT.html] [--max_bad_rows FRACTION] [--json]\n"
    "\n"
    "Scores labelled data, in the format that the model was trained on, and prints the metrics "
    "beside those of\n"
    "the constant prediction. FILE may be a glob; gzip and zstd are recognised by content.\n"
    "Rows without labels need a place for one all the same, with any label (0, or a class): predictions do\n"
    "not depend on it, metrics mean nothing then. Predictions are numbered from 0 over all files, malformed\n"
    "rows, which are quoted, left out.\n"
    "\n"
    "exit codes: 0 ok; 2 wrong usage, or not a model bundle; 3 missing or bad data, a damaged "
    "bundle\n";

constexpr int kUsageError = ps::kWrongFlagsExit;
constexpr int kDataError = 3;
constexpr int kMostThreads = 1024;

int Usage(const std::string& what) {
  std::cerr << "ps_eval: " << what << "\n\n" << kUsage;
  return kUsageError;
}

int Fail(const absl::Status& status, int code) {
  std::cerr << "ps_eval: " << status.message() << "\n";
  return code;
}

// A path that is no bundle is the caller's mistake, a bundle that is damaged is not.
int FailModel(const absl::Status& status) {
  return Fail(status, absl::IsDataLoss(status) ? kDataError : kUsageError);
}

void PrintTables(const ps::Bundle& bundle, const ps::DataFiles& files, const ps::BadRows& bad_rows,
                 const std::string& metrics) {
  const ps::BundleInfo& info = bundle.info();
  std::cout << "model  " << bundle.dir() << ": " << ps::DescribeLearnt(info)
            << (info.complete ? "" : " (training was stopped early)") << "\n"
            << "data   " << files.files().size()
            << (files.files().size() == 1 ? " file, " : " files, ")
            << ps::GroupedDigits(bad_rows.rows()) << " rows, "
            << ps::GroupedDigits(bad_rows.bad_rows()) << " malformed\n\n"
            << metrics;
}

void PrintJson(const ps::BadRows& bad_rows, const std::string& model, const std::string& constant) {
  std::cout << "{\"model\": " << model << ", \"constant\": " << constant << ", \"rows_read\": " << bad_rows.rows() << ", \"bad_rows\": " << bad_rows.bad_rows()
            << "}\n";
}

// A model of any type: what of it evaluation needs.
struct Model {
  std::unique_ptr<ps::Scorer> weights;
  std::unique_ptr<ps::TreeScorer> trees;
  const ps::Bundle* bundle = nullptr;
  ps::ScoreText score;
  bool squared = false;              // it predicts numbers, not classes
  std::vector<std::string> classes;  // where there are several
};

absl::StatusOr<Model> OpenModel(std::unique_ptr<ps::Bundle> bundle) {
  Model model;
  if (bundle->info().model_type == "gbdt") {
    auto trees = ps::TreeScorer::FromBundle(std::move(bundle));
    if (!trees.ok()) return trees.status();
    model.trees = *std::move(trees);
    model.bundle = &model.trees->bundle();
    model.squared = model.trees->model().objective == ps::Objective::kSquared;
    model.classes = model.trees->model().classes;
    model.score = [scorer = model.trees.get()](std::string_view text, ps::TextOrigin origin, ps::RowBlock* rows,
                                               std::vector<float>* margins) {
      scorer->ScoreText(text, origin, rows, margins);
    };
    return model;
  }
  auto weights = ps::Scorer::FromBundle(std::move(bundle));
  if (!weights.ok()) return weights.status();
  model.weights = *std::move(weights);
  model.bundle = model.weights->bundle();
  model.score = [scorer = model.weights.get()](std::string_view text, ps::TextOrigin origin, ps::RowBlock* rows,
                                               std::vector<float>* margins) {
    scorer->parser()->Parse(text, origin, rows);
    scorer->Score(*rows, margins);
  };
  return model;
}

void PrintErrors(const ps::SquaredErrors& errors, const ps::BadRows& bad_rows) {
  const double rmse = errors.weights > 0 ? std::sqrt(errors.sum / errors.weights) : 0;
  if (FLAGS_json) {
    std::cout << "{\"model\": {\"rmse\": " << rmse << "}, \"rows_read\": " << bad_rows.rows()
              << ", \"bad_rows\": " << bad_rows.bad_rows() << "}\n";
  } else {
    std::cout << ps::GroupedDigits(bad_rows.rows()) << " rows, root mean squared error " << rmse << "\n";
  }
  std::cout.flush();
}

// What a model of classes says, as the flags want it.
int PrintClasses(const Model& model, const ps::DataFiles& files, const ps::BadRows& bad_rows,
                 const ps::ClassMetrics& metrics) {
  if (!FLAGS_report.empty()) {
    const absl::Status written = ps::WriteOutputFile(
        FLAGS_report, ps::HtmlClassReport(model.bundle->info(), FLAGS_data, metrics, model.classes));
    if (!written.ok()) return Fail(written, kUsageError);
  }
  if (FLAGS_json) {
    std::vector<std::string> names;
    for (const std::string& name : model.classes)
      names.push_back(ps::JsonString(ps::IsUtf8(name) ? name : absl::CHexEscape(name)));
    PrintJson(bad_rows, ps::ClassMetricsJson(metrics, names), ps::ClassMetricsJson(ps::ConstantBaseline(metrics), names));
  } else {
    PrintTables(*model.bundle, files, bad_rows, ps::ClassMetricsTable(metrics, model.classes));
  }
  std::cout.flush();
  return std::cout.good() ? 0 : kDataError;
}

int Run() {
  auto bundle = ps::Bundle::Open(FLAGS_model);
  if (!bundle.ok()) return FailModel(bundle.status());
  auto model = OpenModel(*std::move(bundle));
  if (!model.ok()) return FailModel(model.status());
  const auto files = ps::DataFiles::Open(absl::StrSplit(FLAGS_data, ',', absl::SkipEmpty()));
  if (!files.ok()) return Fail(files.status(), kDataError);
  if (const absl::Status fit = ps::CheckHeadersOf(*model->bundle, *files); !fit.ok()) return Fail(fit, kDataError);

  ps::EvaluationOptions options;
  options.threads = FLAGS_threads == 0 ? ps::EffectiveCpuCount() : FLAGS_threads;
  std::unique_ptr<ps::PredictionWriter> predictions;
  for (const auto& [flag, path] : {std::pair("--predictions", FLAGS_predictions), std::pair("--report", FLAGS_report)}) {
    if (const absl::Status output = ps::CheckOutput(flag, path, FLAGS_model, &*files); !output.ok()) return Fail(output, kUsageError);
  }
  if (ps::LiesIn(FLAGS_report, FLAGS_predictions) && ps::LiesIn(FLAGS_predictions, FLAGS_report))
    return Usage("--report and --predictions are one file");
  if (!FLAGS_report.empty() && model->squared) return Usage("--report shows curves of classes: a model of numbers has none");
  if (!FLAGS_predictions.empty()) {
    auto created = ps::PredictionWriter::Create(FLAGS_predictions, model->classes, model->squared);
    if (!created.ok()) return Fail(created.status(), kUsageError);
    predictions = *std::move(created);
    options.predictions = predictions.get();
  }
  ps::BadRows bad_rows(&*files, FLAGS_max_bad_rows, "--max_bad_rows");
  ps::SquaredErrors errors;
  ps::ClassMetricState classes(static_cast<std::uint32_t>(model->classes.size()));
  if (model->squared) options.errors = &errors;
  if (!model->classes.empty()) options.classes = &classes;
  const auto state = ps::Evaluate(model->score, *files, options, &bad_rows);
  if (!state.ok()) return Fail(state.status(), kDataError);
  if (bad_rows.bad_rows() > 0) std::cerr << bad_rows.Describe();
  if (bad_rows.rows() == 0) {
    return Fail(
        absl::InvalidArgumentError(absl::StrCat(FLAGS_data, ": there are no rows to score")),
        kDataError);
  }
  if (predictions != nullptr) {
    const absl::Status closed = predictions->Close();
    if (!closed.ok()) return Fail(closed, kDataError);
  }
  if (model->squared) {
    PrintErrors(errors, bad_rows);
    return std::cout.good() ? 0 : kDataError;
  }
  if (!model->classes.empty()) return PrintClasses(*model, *files, bad_rows, classes.Finish());
  if (!FLAGS_report.empty()) {
    const absl::Status written = ps::WriteOutputFile(
        FLAGS_report, ps::HtmlReport(model->bundle->info(), FLAGS_data, *state));
    if (!written.ok()) return Fail(written, kUsageError);
  }
  if (FLAGS_json) {
    const ps::Metrics metrics = state->Finish();
    PrintJson(bad_rows, ps::MetricsJson(metrics), ps::MetricsJson(ps::ConstantBaseline(metrics)));
  } else {
    PrintTables(*model->bundle, *files, bad_rows, ps::MetricsTable(state->Finish()));
  }
  std::cout.flush();
  return std::cout.good() ? 0 : kDataError;
}

}  // namespace

int main(int argc, char** argv) {
  ps::ParseProgramFlags("ps_eval", kUsage, nullptr, &argc, &argv);
  if (argc > 1) return Usage(absl::StrCat("unexpected argument \"", argv[1], "\""));
  if (FLAGS_model.empty()) return Usage("--model is missing");
  if (FLAGS_data.empty()) return Usage("--data is missing");
  if (FLAGS_threads < 0 || FLAGS_threads > kMostThreads) return Usage("--threads is 0 to 1024");
  if (!(FLAGS_max_bad_rows >= 0 && FLAGS_max_bad_rows <= 1)) {
    return Usage("--max_bad_rows is a fraction from 0 to 1");
  }
  return Run();
}
