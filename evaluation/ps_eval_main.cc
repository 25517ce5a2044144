// ps_eval: scores data with a model bundle.
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
#include "models/scoring/model_scorer.h"
#include "models/scoring/unlabelled_rows.h"
#include "ps/base/cgroup.h"
#include "ps/base/file.h"
#include "ps/base/program_flags.h"

DEFINE_string(model, "", "directory of the model bundle");
DEFINE_string(data, "", "files or globs, separated by commas; gzip and zstd are recognised");
DEFINE_string(predictions, "", "CSV to write: row, label, margin, probability (or those of each class), in input order");
DEFINE_bool(unlabelled, false, "the rows have no labels, or none that mean anything: predictions, no metrics");
DEFINE_int32(threads, 0, "0: all that the container grants");
DEFINE_double(max_bad_rows, 0.001, "fraction of rows that may be malformed");
DEFINE_string(report, "", "HTML page to write: ROC, KS, calibration and lift");
DEFINE_bool(json, false, "print one JSON object instead of tables");
namespace {

constexpr char kUsage[] =
    "usage: ps_eval --model DIR --data FILE[,FILE...] [--predictions OUT.csv] [--threads N]\n"
    "               [--report OUT.html] [--max_bad_rows FRACTION] [--json]\n"
    "       ps_eval --model DIR --data FILE[,FILE...] --unlabelled --predictions OUT.csv\n"
    "\n"
    "Scores data, in the format that the model was trained on, and prints the metrics beside those of\n"
    "the constant prediction. FILE may be a glob; gzip and zstd are recognised by content.\n"
    "Predictions are numbered from 0 over all files, malformed rows, which are quoted, left out.\n"
    "\n"
    "--unlabelled: rows without labels, for their predictions. Of tables with a header, columns are found by\n"
    "name, in any order; label and weight may be there, and are not looked at. Rows of tables without one have\n"
    "all columns, or all but the label (and the weight), in their order, as most rows at a file's begin have it.\n"
    "A label is left out of libsvm rows (\"3:1 7:0.5\") and of Vowpal Wabbit rows (\"| a b\"), or is not looked at.\n"
    "An empty line holds no row, as with labels: a libsvm row without a feature needs its label.\n"
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

void PrintErrors(const ps::SquaredErrors& errors, const ps::BadRows& bad_rows) {
  const double rmse = errors.weights > 0 ? std::sqrt(errors.sum / errors.weights) : 0;
  if (FLAGS_json) {
    std::cout << "{\"model\": {\"rmse\": " << rmse << "}, \"rows_read\": " << bad_rows.rows()
              << ", \"bad_rows\": " << bad_rows.bad_rows() << "}\n";
  } else {
    std::cout << ps::GroupedDigits(bad_rows.rows()) << " rows, root mean squared error " << rmse << "\n";
  }
}

int Finish(const absl::Status& report = absl::OkStatus()) {
  if (!report.ok()) return Fail(report, kUsageError);
  std::cout.flush();
  return std::cout.good() ? 0 : kDataError;
}

// What came of the rows, and how it is said.
class Results {
 public:
  Results(const ps::ModelScorer& model, const ps::DataFiles& files)
      : model_(model),
        files_(files),
        bad_rows_(&files, FLAGS_max_bad_rows, "--max_bad_rows"),
        classes_(static_cast<std::uint32_t>(model.classes().size())) {}

  absl::Status Score(const ps::ScoreText& score, ps::PredictionWriter* predictions) {
    ps::EvaluationOptions options;
    options.threads = FLAGS_threads == 0 ? ps::EffectiveCpuCount() : FLAGS_threads;
    options.labels = !FLAGS_unlabelled;
    options.predictions = predictions;
    if (model_.predicts_numbers()) options.errors = &errors_;
    if (!model_.classes().empty()) options.classes = &classes_;
    auto state = ps::Evaluate(score, files_, options, &bad_rows_);
    if (!state.ok()) return state.status();
    state_ = *std::move(state);
    if (bad_rows_.bad_rows() > 0) std::cerr << bad_rows_.Describe();
    if (bad_rows_.rows() == 0)
      return absl::InvalidArgumentError(absl::StrCat(FLAGS_data, ": there are no rows to score"));
    return predictions == nullptr ? absl::OkStatus() : predictions->Close();
  }

  int Print() const {
    if (FLAGS_unlabelled) return PrintCounts();
    if (model_.predicts_numbers()) {
      PrintErrors(errors_, bad_rows_);
      return Finish();
    }
    return model_.classes().empty() ? PrintMetrics() : PrintClasses();
  }

 private:
  // Predictions may go to standard output.
  int PrintCounts() const {
    if (FLAGS_json) {
      std::cout << "{\"rows_read\": " << bad_rows_.rows() << ", \"bad_rows\": " << bad_rows_.bad_rows() << "}\n";
    } else {
      std::cerr << "ps_eval: " << ps::GroupedDigits(bad_rows_.rows()) << " rows, "
                << ps::GroupedDigits(bad_rows_.bad_rows()) << " malformed; predictions: " << FLAGS_predictions << "\n";
    }
    return Finish();
  }

  int PrintMetrics() const {
    const ps::Metrics metrics = state_.Finish();
    if (FLAGS_json) {
      PrintJson(bad_rows_, ps::MetricsJson(metrics), ps::MetricsJson(ps::ConstantBaseline(metrics)));
    } else {
      PrintTables(model_.bundle(), files_, bad_rows_, ps::MetricsTable(metrics));
    }
    if (FLAGS_report.empty()) return Finish();
    return Finish(ps::WriteOutputFile(FLAGS_report, ps::HtmlReport(model_.bundle().info(), FLAGS_data, state_)));
  }

  int PrintClasses() const {
    const ps::ClassMetrics metrics = classes_.Finish();
    if (FLAGS_json) {
      std::vector<std::string> names;
      for (const std::string& name : model_.classes())
        names.push_back(ps::JsonString(ps::IsUtf8(name) ? name : absl::CHexEscape(name)));
      PrintJson(bad_rows_, ps::ClassMetricsJson(metrics, names), ps::ClassMetricsJson(ps::ConstantBaseline(metrics), names));
    } else {
      PrintTables(model_.bundle(), files_, bad_rows_, ps::ClassMetricsTable(metrics, model_.classes()));
    }
    if (FLAGS_report.empty()) return Finish();
    return Finish(ps::WriteOutputFile(
        FLAGS_report, ps::HtmlClassReport(model_.bundle().info(), FLAGS_data, metrics, model_.classes())));
  }

  const ps::ModelScorer& model_;
  const ps::DataFiles& files_;
  ps::BadRows bad_rows_;
  ps::MetricState state_;
  ps::SquaredErrors errors_;
  ps::ClassMetricState classes_;
};

// How the rows of the files are read.
absl::StatusOr<ps::ScoreText> OpenRows(const ps::ModelScorer& model, const ps::DataFiles& files) {
  if (!FLAGS_unlabelled) {
    if (const absl::Status fit = ps::CheckHeadersOf(model.bundle(), files); !fit.ok()) return fit;
    return [&model](std::string_view text, ps::TextOrigin origin, ps::RowBlock* rows, std::vector<float>* margins) {
      model.ScoreText(text, origin, rows, margins);
    };
  }
  auto opened = ps::UnlabelledRows::Open(model, files);
  if (!opened.ok()) return opened.status();
  return [unlabelled = std::shared_ptr<ps::UnlabelledRows>(*std::move(opened))](
             std::string_view text, ps::TextOrigin origin, ps::RowBlock* rows, std::vector<float>* margins) {
    unlabelled->ScoreText(text, origin, rows, margins);
  };
}

absl::Status CheckOutputs(const ps::ModelScorer& model, const ps::DataFiles& files) {
  for (const auto& [flag, path] : {std::pair("--predictions", FLAGS_predictions), std::pair("--report", FLAGS_report)}) {
    if (const absl::Status output = ps::CheckOutput(flag, path, FLAGS_model, &files); !output.ok()) return output;
  }
  const auto wrong = [](const char* what) { return absl::InvalidArgumentError(absl::StrCat(what, "\n\n", kUsage)); };
  if (ps::LiesIn(FLAGS_report, FLAGS_predictions) && ps::LiesIn(FLAGS_predictions, FLAGS_report))
    return wrong("--report and --predictions are one file");
  if (FLAGS_json && ps::IsStandardOutput(FLAGS_predictions))
    return wrong("--json and --predictions both go to standard output");
  if (!FLAGS_report.empty() && model.predicts_numbers())
    return wrong("--report shows curves of classes: a model of numbers has none");
  return absl::OkStatus();
}

int Run() {
  auto bundle = ps::Bundle::Open(FLAGS_model);
  if (!bundle.ok()) return FailModel(bundle.status());
  const auto model = ps::ModelScorer::FromBundle(*std::move(bundle));
  if (!model.ok()) return FailModel(model.status());
  const auto files = ps::DataFiles::Open(absl::StrSplit(FLAGS_data, ',', absl::SkipEmpty()));
  if (!files.ok()) return Fail(files.status(), kDataError);
  const auto score = OpenRows(**model, *files);
  if (!score.ok()) return Fail(score.status(), kDataError);
  if (const absl::Status outputs = CheckOutputs(**model, *files); !outputs.ok()) return Fail(outputs, kUsageError);
  std::unique_ptr<ps::PredictionWriter> predictions;
  if (!FLAGS_predictions.empty()) {
    auto created = ps::PredictionWriter::Create(
        FLAGS_predictions,
        {.classes = (*model)->classes(), .numbers = (*model)->predicts_numbers(), .labels = !FLAGS_unlabelled});
    if (!created.ok()) return Fail(created.status(), kUsageError);
    predictions = *std::move(created);
  }
  Results results(**model, *files);
  if (const absl::Status scored = results.Score(*score, predictions.get()); !scored.ok()) return Fail(scored, kDataError);
  return results.Print();
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
  if (FLAGS_unlabelled && FLAGS_predictions.empty())
    return Usage("--unlabelled rows have no metrics, only predictions: --predictions is missing");
  if (FLAGS_unlabelled && !FLAGS_report.empty()) return Usage("--unlabelled rows have no metrics, so there is no --report of them");
  return Run();
}
