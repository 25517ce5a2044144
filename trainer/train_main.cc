// ps_train: runs the job that a YAML file describes.
#include <gflags/gflags.h>
#include <glog/logging.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ps/base/cgroup.h"
#include "ps/base/status_macros.h"
#include "trainer/embedded/embedded_trainer.h"
#include "trainer/exit_code.h"
#include "trainer/job_setup.h"
#include "trainer/progress/progress_reporter.h"

DEFINE_string(config, "", "job file (YAML)");
DEFINE_bool(dry_run, false, "print the plan (rows, types, memory) and stop");
DEFINE_string(log_format, "text", "progress as 'text' or 'json' (one object a line)");

namespace ps {
namespace {

std::atomic<bool> stop_requested{false};

void RequestStop(int) { stop_requested.store(true); }

absl::StatusOr<std::uint64_t> WriteBundle(const PreparedJob& job, EmbeddedTrainer* trainer,
                                          JobResult* result) {
  const std::string& dir = job.config.output.dir;
  PS_ASSIGN_OR_RETURN(const std::unique_ptr<BundleWriter> writer, BundleWriter::Create(dir));
  BundleInfo info;
  info.job_name = job.config.job;
  const OptimizerConfig& o = job.config.model.optimizer;
  const char* name = o.type == OptimizerType::kFtrl ? "ftrl" : o.type == OptimizerType::kAdaGrad ? "adagrad" : "sgd";
  info.optimizer = absl::StrCat(name, " alpha=", o.alpha, " beta=", o.beta, " l1=", o.l1, " l2=", o.l2);
  PS_RETURN_IF_ERROR(trainer->Export(writer.get(), &info));
  result->nonzero_weights = info.features;
  result->peak_rss_bytes = PeakResidentBytes();
  PS_RETURN_IF_ERROR(writer->AddFile("extractor.pb", job.extractor->Serialize()));
  PS_RETURN_IF_ERROR(writer->AddFile("job.yaml", job.effective_yaml));
  PS_RETURN_IF_ERROR(writer->AddFile("metrics.json", JobResultJson(*result)));
  const std::uint64_t weights = info.features * (sizeof(Key) + sizeof(float));
  PS_RETURN_IF_ERROR(writer->Finish(std::move(info)));
  return weights;
}

int Fail(const absl::Status& status, ExitCode code) {
  std::cerr << "ps_train: " << status.message() << "\n";
  return static_cast<int>(code);
}

int Train(const std::vector<std::string>& overrides) {
  const auto start = std::chrono::steady_clock::now();
  absl::StatusOr<LoadedJob> loaded = LoadJob(FLAGS_config, overrides);
  if (!loaded.ok()) return Fail(loaded.status(), ExitCode::kConfiguration);
  absl::StatusOr<PreparedJob> job = PrepareJob(*std::move(loaded));
  if (!job.ok()) return Fail(job.status(), ExitCode::kData);
  if (FLAGS_dry_run) {
    absl::StatusOr<JobPlan> plan = PlanJob(*job);
    if (!plan.ok()) return Fail(plan.status(), ExitCode::kData);
    std::cout << DescribePlan(*job, *plan);
    if (absl::Status fits = CheckPlan(*plan); !fits.ok()) return Fail(fits, ExitCode::kImpossible);
    return 0;
  }
  ProgressReporter reporter(stderr, ProgressReporter::OptionsFor(stderr, FLAGS_log_format == "json"));
  EmbeddedTrainer trainer(&*job, &reporter, &stop_requested);
  absl::StatusOr<JobResult> result = trainer.Train();
  if (!result.ok()) return Fail(result.status(), ExitCodeOf(result.status()));
  result->wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  absl::StatusOr<std::uint64_t> bytes = WriteBundle(*job, &trainer, &*result);
  if (!bytes.ok()) return Fail(bytes.status(), ExitCode::kImpossible);
  result->wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::cout << JobResultText(*result, job->config.output.dir, *bytes);
  return result->complete ? 0 : static_cast<int>(ExitCode::kTerminated);
}

}  // namespace
}  // namespace ps

int main(int argc, char** argv) {
  // --set may be given many times, which gflags cannot collect: taken out first.
  std::vector<std::string> overrides;
  std::vector<char*> rest;
  for (int i = 0; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--set" && i + 1 < argc) {
      overrides.emplace_back(argv[++i]);
    } else if (argument.rfind("--set=", 0) == 0) {
      overrides.push_back(argument.substr(6));
    } else {
      rest.push_back(argv[i]);
    }
  }
  int count = static_cast<int>(rest.size());
  char** arguments = rest.data();
  gflags::SetUsageMessage("--config job.yaml [--set key=value]... [--dry_run] [--log_format=json]");
  gflags::ParseCommandLineFlags(&count, &arguments, true);
  FLAGS_logtostderr = true;
  google::InitGoogleLogging(argv[0]);
  if (FLAGS_config.empty() || count > 1) {
    std::cerr << "usage: ps_train " << gflags::ProgramUsage() << "\n";
    return static_cast<int>(ps::ExitCode::kConfiguration);
  }
  std::signal(SIGTERM, ps::RequestStop);
  std::signal(SIGINT, ps::RequestStop);
  return ps::Train(overrides);
}
