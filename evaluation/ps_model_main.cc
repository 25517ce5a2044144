// ps_model: looks into model bundles.
#include <gflags/gflags.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "evaluation/evaluation.h"
#include "evaluation/explanation.h"
#include "evaluation/model_exchange.h"
#include "evaluation/model_inspection.h"
#include "evaluation/output_file.h"
#include "evaluation/tree_inspection.h"
#include "models/bundle/bundle.h"
#include "models/data/bad_rows.h"
#include "models/data/data_files.h"
#include "ps/base/cgroup.h"
#include "ps/base/file.h"
#include "ps/base/program_flags.h"

DEFINE_uint64(top, 0,
              "only this many weights, differences or contributions; 0: all of a dump or an "
              "explanation, 10 of a diff");
DEFINE_string(by, "weight", "order of a dump: weight (largest magnitude first) or key");
DEFINE_string(format, "", "of an export or import: lightgbm or xgboost; of an explanation: jsonl or csv");
DEFINE_string(model, "", "export, explain: directory of the bundle; import: the file");
DEFINE_string(out, "", "export, explain: the file to write; import: directory of the bundle");
DEFINE_string(data, "", "explain; dump, which names keys by them: files or globs, separated by commas");
DEFINE_int32(threads, 0, "explain: 0: all that the container grants");
DEFINE_double(max_bad_rows, 0.001, "explain, dump: fraction of rows that may be malformed");
DEFINE_string(data_format, "csv", "import: data that the model will score: csv, tsv or libsvm");
DEFINE_string(label, "label", "import: name of a table's first column, before the features");
DEFINE_string(like, "", "import: a bundle with the same data; columns are found by name");
namespace {

constexpr char kCommands[] =
    "commands:\n"
    "  inspect  what a model is: counts, norms, optimiser, features; of trees the columns by gain\n"
    "  dump     every weight, or the nodes of trees, as text\n"
    "  diff     what changed from one linear model to another\n"
    "  export   writes trees as LightGBM's text or XGBoost's JSON\n"
    "  import   reads trees of theirs\n"
    "  explain  what each feature contributes to each row's margin\n"
    "  help     this, and what each command takes\n";

constexpr char kDetails[] =
    "\n"
    "usage: ps_model inspect DIR [--top N]\n"
    "       ps_model dump DIR [--top N] [--by weight|key] [--data FILE[,FILE...]] [--max_bad_rows FRACTION]\n"
    "       ps_model diff DIR1 DIR2 [--top N]\n"
    "       ps_model export --format lightgbm|xgboost --model DIR --out FILE\n"
    "       ps_model import --format lightgbm|xgboost --model FILE --out DIR\n"
    "                       [--like DIR | --data_format csv|tsv|libsvm [--label NAME]]\n"
    "       ps_model explain --model DIR --data FILE[,FILE...] [--top N] [--format jsonl|csv]\n"
    "                       [--out FILE] [--threads N] [--max_bad_rows FRACTION]\n"
    "\n"
    "  inspect  of trees: the --top columns of largest gain\n"
    "  dump     key and weight of the bias and every feature, tab-separated; for libsvm data also the index;\n"
    "           of tables buckets of numbers and missing values by name, and what texts are that rows of\n"
    "           --data have (names of all that is dumped are held in memory: of a large model give --top);\n"
    "           of trees a line a node of the first --top trees\n"
    "  import   a table has a header, its first column is the label, then come the features in the model's\n"
    "           order; with --like the data are laid out as that bundle's\n"
    "  explain  base and contributions add up to the margin: of trees the columns' Shapley values, of linear\n"
    "           models weight times value\n"
    "\n"
    "exit codes: 0 ok; 2 wrong usage, a model that is not there, or not a model bundle; 3 a damaged bundle,\n"
    "a model that cannot be read or said, missing or bad data\n";

constexpr int kUsageError = ps::kWrongFlagsExit;
constexpr int kDataError = 3;

int Usage(const std::string& what) {
  std::cerr << "ps_model: " << what << "\n\n" << kCommands << kDetails;
  return kUsageError;
}

std::string HelpText() { return std::string("ps_model looks into models\n\n") + kCommands + kDetails; }

int Fail(const absl::Status& status) {
  std::cerr << "ps_model: " << status.message() << "\n";
  return absl::IsNotFound(status) || absl::IsInvalidArgument(status) ? kUsageError : kDataError;
}

// Where the model is read, and what is wrong is in the data.
int FailForData(const absl::Status& status) {
  std::cerr << "ps_model: " << status.message() << "\n";
  return kDataError;
}

bool IsFraction(double number) { return number >= 0 && number <= 1; }

int Exchange(const std::string& command) {
  const bool writes = command == "export";
  if (FLAGS_format != "lightgbm" && FLAGS_format != "xgboost")
    return Usage("--format is lightgbm or xgboost");
  if (FLAGS_model.empty() || FLAGS_out.empty()) return Usage(command + " needs --model and --out");
  if (FLAGS_data_format != "csv" && FLAGS_data_format != "tsv" && FLAGS_data_format != "libsvm")
    return Usage("--data_format is csv, tsv or libsvm");
  const ps::ModelFormat format =
      FLAGS_format == "lightgbm" ? ps::ModelFormat::kLightGbm : ps::ModelFormat::kXgBoost;
  absl::Status status;
  if (writes) {
    const auto bundle = ps::Bundle::Open(FLAGS_model);
    if (!bundle.ok()) return Fail(bundle.status());
    if (const absl::Status output = ps::CheckOutput("--out", FLAGS_out, FLAGS_model, nullptr); !output.ok()) return Fail(output);
    status = ps::ExportModel(**bundle, format, FLAGS_out);
  } else {
    status = ps::ImportModel(FLAGS_model, format, {FLAGS_data_format, FLAGS_label, FLAGS_like},
                             FLAGS_out);
  }
  if (status.ok()) return 0;
  // A file that is no such model is bad data, not wrong usage.
  std::cerr << "ps_model: " << status.message() << "\n";
  return absl::IsNotFound(status) ? kUsageError : kDataError;
}

int Explain() {
  constexpr int kMostThreads = 1024;
  if (FLAGS_model.empty() || FLAGS_data.empty()) return Usage("explain needs --model and --data");
  if (!FLAGS_format.empty() && FLAGS_format != "jsonl" && FLAGS_format != "csv")
    return Usage("--format of an explanation is jsonl or csv");
  const bool csv = FLAGS_format == "csv";
  if (csv && FLAGS_top != 0) return Usage("--top is for --format jsonl: csv has all columns");
  if (FLAGS_threads < 0 || FLAGS_threads > kMostThreads) return Usage("--threads is 0 to 1024");
  if (!IsFraction(FLAGS_max_bad_rows)) return Usage("--max_bad_rows is a fraction from 0 to 1");
  auto bundle = ps::Bundle::Open(FLAGS_model);
  if (!bundle.ok()) return Fail(bundle.status());
  const auto files = ps::DataFiles::Open(absl::StrSplit(FLAGS_data, ',', absl::SkipEmpty()));
  if (!files.ok()) return FailForData(files.status());
  if (const absl::Status fit = ps::CheckHeadersOf(**bundle, *files); !fit.ok()) return FailForData(fit);
  std::unique_ptr<ps::OutputFile> out;  // null: standard output
  if (!FLAGS_out.empty()) {
    if (const absl::Status output = ps::CheckOutput("--out", FLAGS_out, FLAGS_model, &*files); !output.ok()) return Fail(output);
    absl::StatusOr<std::unique_ptr<ps::OutputFile>> created = ps::OutputFile::Create(FLAGS_out);
    if (!created.ok()) return Fail(created.status());
    out = *std::move(created);
  }
  ps::BadRows bad_rows(&*files, FLAGS_max_bad_rows, "--max_bad_rows");
  const ps::ExplanationOptions options{
      csv ? ps::ExplanationFormat::kCsv : ps::ExplanationFormat::kJsonLines, FLAGS_top,
      FLAGS_threads == 0 ? ps::EffectiveCpuCount() : FLAGS_threads};
  absl::Status status =
      ps::ExplainRows(*std::move(bundle), *files, options, &bad_rows, out != nullptr ? out->file() : stdout);
  if (status.ok() && out != nullptr) status = out->Finish();
  if (!status.ok()) return FailForData(status);
  if (bad_rows.bad_rows() > 0) std::cerr << bad_rows.Describe();
  return 0;
}

int DumpLinear(const ps::Bundle& bundle) {
  ps::DumpOptions options;
  options.top = FLAGS_top;
  options.order = FLAGS_by == "key" ? ps::DumpOrder::kKey : ps::DumpOrder::kMagnitude;
  if (FLAGS_data.empty()) {
    const absl::Status status = ps::DumpModel(bundle, options, std::cout);
    return status.ok() ? 0 : Fail(status);
  }
  if (!IsFraction(FLAGS_max_bad_rows)) return Usage("--max_bad_rows is a fraction from 0 to 1");
  const auto files = ps::DataFiles::Open(absl::StrSplit(FLAGS_data, ',', absl::SkipEmpty()));
  if (!files.ok()) return FailForData(files.status());
  if (const absl::Status fit = ps::CheckHeadersOf(bundle, *files); !fit.ok()) return FailForData(fit);
  ps::BadRows bad_rows(&*files, FLAGS_max_bad_rows, "--max_bad_rows");
  options.data = {&*files, &bad_rows};
  const absl::Status status = ps::DumpModel(bundle, options, std::cout);
  if (!status.ok()) return FailForData(status);
  if (bad_rows.bad_rows() > 0) std::cerr << bad_rows.Describe();
  return 0;
}

int Run(const std::vector<std::string>& arguments) {
  if (arguments.empty()) return Usage("a command is missing");
  const std::string& command = arguments[0];
  if (command == "help") {
    std::cout << HelpText();
    return 0;
  }
  if (command == "export" || command == "import") {
    if (arguments.size() > 1) return Usage(command + " takes --format, --model and --out");
    return Exchange(command);
  }
  if (command == "explain") {
    if (arguments.size() > 1) return Usage("explain takes --model and --data");
    return Explain();
  }
  if (command != "inspect" && command != "dump" && command != "diff") {
    std::cerr << "ps_model: unknown command \"" << command << "\"\n\n" << kCommands;
    return kUsageError;
  }
  const std::size_t expected = command == "diff" ? 2 : 1;
  if (arguments.size() != expected + 1) {
    return Usage(command + " takes " + (expected == 2 ? "two directories" : "one directory"));
  }
  if (FLAGS_by != "weight" && FLAGS_by != "key") return Usage("--by is weight or key");

  std::vector<std::unique_ptr<ps::Bundle>> bundles;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    auto bundle = ps::Bundle::Open(arguments[i]);
    if (!bundle.ok()) return Fail(bundle.status());
    bundles.push_back(*std::move(bundle));
  }
  const bool trees = bundles[0]->info().model_type == "gbdt";
  if (command == "diff" && (trees || bundles[1]->info().model_type == "gbdt")) {
    std::cerr << "ps_model: diff compares the weights of linear models, and " << arguments[trees ? 1 : 2]
              << " is a model of trees; compare what inspect or dump print of the two\n";
    return kUsageError;
  }
  if (!FLAGS_data.empty() && (command != "dump" || trees))
    return Usage("--data is for a dump of a linear model, whose keys it names, and for explain");
  if (trees) {
    const absl::Status status = command == "inspect"
                                    ? ps::InspectTrees(*bundles[0], FLAGS_top, std::cout)
                                    : ps::DumpTrees(*bundles[0], FLAGS_top, std::cout);
    if (!status.ok()) return Fail(status);
  } else if (command == "inspect") {
    ps::InspectModel(*bundles[0], std::cout);
  } else if (command == "dump") {
    return DumpLinear(*bundles[0]);
  } else {
    ps::DiffModels(*bundles[0], *bundles[1], FLAGS_top == 0 ? 10 : FLAGS_top, std::cout);
  }
  std::cout.flush();
  return std::cout.good() ? 0 : kDataError;
}

}  // namespace

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  ps::ParseProgramFlags("ps_model", HelpText().c_str(), nullptr, &argc, &argv);
  return Run(std::vector<std::string>(argv + 1, argv + argc));
}
