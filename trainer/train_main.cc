// ps_train: runs the job that a YAML file describes.
#include <gflags/gflags.h>
#include <glog/logging.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "ps/base/cgroup.h"
#include "ps/base/status_macros.h"
#include "trainer/cluster_trainer.h"
#include "trainer/embedded/embedded_trainer.h"
#include "trainer/exit_code.h"
#include "trainer/gbdt/gbdt_trainer.h"
#include "trainer/job_plan.h"
#include "trainer/progress/progress_reporter.h"
#include "trainer/trainer.h"

DEFINE_string(config, "", "job file (YAML)");
DEFINE_bool(dry_run, false, "print the plan (rows, types, memory) and stop");
DEFINE_string(local, "", "run on a cluster of real processes on this machine: SERVERSxWORKERS, e.g. 2x3");
DEFINE_string(listen, "",
              "tcp://HOST:PORT: wait there for the job's cluster.servers and cluster.workers");
DEFINE_string(log_format, "text", "progress as 'text' or 'json' (one object a line)");
DECLARE_bool(help);

namespace google {
extern void (*gflags_exitfunc)(int);  // exported for this purpose, but in no header
}

namespace ps {
namespace {

std::atomic<bool> stop_requested{false};

void RequestStop(int) { stop_requested.store(true); }

absl::StatusOr<std::uint64_t> WriteBundle(const PreparedJob& job, Trainer* trainer,
                                          BundleWriter* writer, JobResult* result) {
  BundleInfo info;
  info.job_name = job.config.job;
  const OptimizerConfig& o = job.config.model.optimizer;
  const char* name = o.type == OptimizerType::kFtrl ? "ftrl" : o.type == OptimizerType::kAdaGrad ? "adagrad" : "sgd";
  info.optimizer = absl::StrCat(name, " alpha=", o.alpha, " beta=", o.beta, " newton=", o.newton, " l1=", o.l1,
                                " l2=", o.l2);
  PS_RETURN_IF_ERROR(trainer->Export(writer, &info));
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

// Of a directory that cannot be written to: what the job asks for, another job at work there, or the disk.
ExitCode OutputExitCode(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kResourceExhausted: return ExitCode::kImpossible;
    case absl::StatusCode::kUnavailable: return ExitCode::kTryAgain;
    default: return ExitCode::kConfiguration;
  }
}

// "2x3": two servers, three workers.
absl::StatusOr<ClusterShape> ParseShape(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, 'x');
  ClusterShape shape;
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &shape.servers) ||
      !absl::SimpleAtoi(parts[1], &shape.workers) || shape.servers < 1 || shape.workers < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("--local=", text, ": expected SERVERSxWORKERS, for example 2x3"));
  }
  return shape;
}

// How the job runs: on processes where the command line or the job asks for a cluster; as a cluster of threads where
// the job asks for the cluster's synchronous steps; otherwise row by row in this process.
absl::StatusOr<std::unique_ptr<Trainer>> MakeTrainer(const PreparedJob& job, ProgressReporter* reporter) {
  const ClusterConfig& cluster = job.config.cluster;
  if (job.config.model.type == "gbdt") {
    if (!FLAGS_local.empty() || !FLAGS_listen.empty()) {
      return absl::InvalidArgumentError("model.type gbdt trains in one process in this version: remove --local and --listen");
    }
    return std::make_unique<GbdtTrainer>(&job, reporter, &stop_requested);
  }
  if (!FLAGS_local.empty()) {
    PS_ASSIGN_OR_RETURN(const ClusterShape shape, ParseShape(FLAGS_local));
    return std::make_unique<ClusterTrainer>(&job, ClusterTrainer::Nodes::kProcesses, shape, reporter,
                                            &stop_requested);
  }
  if (!FLAGS_listen.empty()) {
    if (cluster.servers < 1) {
      return absl::InvalidArgumentError(
          "--listen: the job must say how many nodes to wait for: cluster.servers and cluster.workers");
    }
    return std::make_unique<ClusterTrainer>(&job, ClusterTrainer::Nodes::kJoining,
                                            ClusterShape{cluster.servers, cluster.workers}, reporter,
                                            &stop_requested, FLAGS_listen);
  }
  if (cluster.servers > 0) {
    return std::make_unique<ClusterTrainer>(&job, ClusterTrainer::Nodes::kProcesses,
                                            ClusterShape{cluster.servers, cluster.workers}, reporter,
                                            &stop_requested);
  }
  if (job.config.train.staleness == 0) {
    return std::make_unique<ClusterTrainer>(&job, ClusterTrainer::Nodes::kThreads,
                                            ClusterShape{1, job.threads}, reporter, &stop_requested);
  }
  return std::make_unique<EmbeddedTrainer>(&job, reporter, &stop_requested);
}

int Train(const std::vector<std::string>& overrides) {
  const auto start = std::chrono::steady_clock::now();
  absl::StatusOr<LoadedJob> loaded = LoadJob(FLAGS_config, overrides);
  if (!loaded.ok()) return Fail(loaded.status(), ExitCode::kConfiguration);
  absl::StatusOr<PreparedJob> job = PrepareJob(*std::move(loaded));
  if (!job.ok()) return Fail(job.status(), ExitCode::kData);
  if (job->config.model.type == "gbdt") {
    const absl::StatusOr<TreesPlan> plan = PlanTrees(*job);
    if (!plan.ok()) return Fail(plan.status(), ExitCode::kData);
    if (FLAGS_dry_run) std::cout << DescribeTreesPlan(*job, *plan);
    if (absl::Status fits = CheckTreesPlan(*plan); !fits.ok()) return Fail(fits, ExitCode::kImpossible);
    if (FLAGS_dry_run) return 0;
  } else if (FLAGS_dry_run) {
    absl::StatusOr<JobPlan> plan = PlanJob(*job);
    if (!plan.ok()) return Fail(plan.status(), ExitCode::kData);
    std::cout << DescribePlan(*job, *plan);
    if (absl::Status fits = CheckPlan(*plan); !fits.ok()) return Fail(fits, ExitCode::kImpossible);
    return 0;
  }
  // The plan costs reading a sample: worth it where the data is large enough for the model not to fit.
  if (job->config.model.type != "gbdt" && MayExceedMemory(*job)) {
    absl::StatusOr<JobPlan> plan = PlanJob(*job);
    if (!plan.ok()) return Fail(plan.status(), ExitCode::kData);
    if (absl::Status fits = CheckPlan(*plan); !fits.ok()) return Fail(fits, ExitCode::kImpossible);
  }
  if (FLAGS_log_format == "text") std::cerr << DescribeJob(*job);
  ProgressReporter reporter(stderr, ProgressReporter::OptionsFor(stderr, FLAGS_log_format == "json"));
  // Before the work, not after it: a directory that cannot take the model is known now.
  absl::StatusOr<std::unique_ptr<BundleWriter>> writer = BundleWriter::Create(job->config.output.dir);
  if (!writer.ok()) return Fail(writer.status(), OutputExitCode(writer.status()));
  absl::StatusOr<std::unique_ptr<Trainer>> trainer = MakeTrainer(*job, &reporter);
  if (!trainer.ok()) return Fail(trainer.status(), ExitCode::kConfiguration);
  absl::StatusOr<JobResult> result = (*trainer)->Train();
  if (!result.ok()) return Fail(result.status(), ExitCodeOf(result.status()));
  result->wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  absl::StatusOr<std::uint64_t> bytes = WriteBundle(*job, trainer->get(), writer->get(), &*result);
  if (!bytes.ok()) return Fail(bytes.status(), ExitCode::kImpossible);
  result->wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::cout << JobResultText(*result, job->config.output.dir, *bytes);
  return result->complete ? 0 : static_cast<int>(ExitCode::kTerminated);
}

}  // namespace
}  // namespace ps

namespace {

constexpr char kUsage[] =
    "usage: ps_train --config JOB.yaml [--set key=value]... [--dry_run] [--local SERVERSxWORKERS]\n"
    "                [--listen tcp://HOST:PORT] [--log_format text|json]\n"
    "\n"
    "Trains the job that the file describes and leaves a model bundle in its output.dir.\n"
    "--set changes one key of the job, --dry_run prints the plan and stops, --local runs server and\n"
    "worker processes on this machine, --listen waits for the job's cluster.servers and\n"
    "cluster.workers, started by hand or by containers (ps_server and ps_worker --scheduler).\n"
    "\n"
    "exit codes: 0 ok; 2 configuration; 3 data; 4 diverged; 5 impossible here; 75 try again;\n"
    "143 stopped by SIGTERM, with what was learnt so far in the bundle\n";

int Usage(const std::string& what) {
  std::cerr << "ps_train: " << what << "\n\n" << kUsage;
  return static_cast<int>(ps::ExitCode::kConfiguration);
}

}  // namespace

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
  google::gflags_exitfunc = [](int) { std::exit(static_cast<int>(ps::ExitCode::kConfiguration)); };
  gflags::ParseCommandLineNonHelpFlags(&count, &arguments, true);
  if (FLAGS_help) {
    std::cout << kUsage;
    return 0;
  }
  FLAGS_logtostderr = true;
  google::InitGoogleLogging(argv[0]);
  if (count > 1) return Usage(absl::StrCat("unexpected argument \"", arguments[1], "\""));
  if (FLAGS_config.empty()) return Usage("--config is missing");
  if (!FLAGS_listen.empty() && (!FLAGS_local.empty() || FLAGS_listen.rfind("tcp://", 0) != 0)) {
    return Usage("--listen is tcp://HOST:PORT, and excludes --local");
  }
  if (FLAGS_log_format != "text" && FLAGS_log_format != "json") {
    return Usage("--log_format is text or json");
  }
  std::signal(SIGTERM, ps::RequestStop);
  std::signal(SIGINT, ps::RequestStop);
  return ps::Train(overrides);
}
