// ps_model: looks into model bundles.
#include <gflags/gflags.h>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "evaluation/model_inspection.h"
#include "evaluation/tree_inspection.h"
#include "models/bundle/bundle.h"

DEFINE_uint64(top, 0, "only this many weights or differences; 0: all of a dump, 10 of a diff");
DEFINE_string(by, "weight", "order of a dump: weight (largest magnitude first) or key");
DECLARE_bool(help);

namespace google {
extern void (*gflags_exitfunc)(int);  // exported for this purpose, but in no header
}

namespace {

constexpr char kUsage[] =
    "usage: ps_model inspect DIR\n"
    "       ps_model dump DIR [--top N] [--by weight|key]\n"
    "       ps_model diff DIR1 DIR2 [--top N]\n"
    "\n"
    "  inspect  what the model is: counts, norms, optimiser, features\n"
    "  dump     key and weight of the bias and every feature, tab-separated; for libsvm data also "
    "the index\n"
    "           of trees: inspect shows the --top columns of largest gain, dump a line a node\n"
    "  diff     what changed from the first model to the second\n"
    "\n"
    "exit codes: 0 ok; 2 wrong usage, or not a model bundle; 3 a damaged bundle\n";

constexpr int kUsageError = 2;
constexpr int kDataError = 3;

int Usage(const std::string& what) {
  std::cerr << "ps_model: " << what << "\n\n" << kUsage;
  return kUsageError;
}

int Fail(const absl::Status& status) {
  std::cerr << "ps_model: " << status.message() << "\n";
  return absl::IsNotFound(status) || absl::IsInvalidArgument(status) ? kUsageError : kDataError;
}

int Run(const std::vector<std::string>& arguments) {
  if (arguments.empty()) return Usage("a command is missing");
  const std::string& command = arguments[0];
  if (command != "inspect" && command != "dump" && command != "diff") {
    return Usage("unknown command \"" + command + "\"");
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
    return Usage("diff compares weights; a model of trees has none");
  }
  if (trees) {
    const absl::Status status = command == "inspect" ? ps::InspectTrees(*bundles[0], FLAGS_top, std::cout)
                                                     : ps::DumpTrees(*bundles[0], std::cout);
    if (!status.ok()) return Fail(status);
  } else if (command == "inspect") {
    ps::InspectModel(*bundles[0], std::cout);
  } else if (command == "dump") {
    const ps::DumpOptions options{
        FLAGS_top, FLAGS_by == "key" ? ps::DumpOrder::kKey : ps::DumpOrder::kMagnitude};
    const absl::Status status = ps::DumpModel(*bundles[0], options, std::cout);
    if (!status.ok()) return Fail(status);
  } else {
    ps::DiffModels(*bundles[0], *bundles[1], FLAGS_top == 0 ? 10 : FLAGS_top, std::cout);
  }
  std::cout.flush();
  return std::cout.good() ? 0 : kDataError;
}

}  // namespace

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  google::gflags_exitfunc = [](int) { std::exit(kUsageError); };
  google::ParseCommandLineNonHelpFlags(&argc, &argv, /*remove_flags=*/true);
  if (FLAGS_help) {
    std::cout << kUsage;
    return 0;
  }
  return Run(std::vector<std::string>(argv + 1, argv + argc));
}
