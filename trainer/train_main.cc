// ps_train: runs the job that a YAML file describes.
#include <gflags/gflags.h>
#include <glog/logging.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "models/config/idle_keys.h"
#include "ps/base/cgroup.h"
#include "ps/base/program_flags.h"
#include "ps/base/status_macros.h"
#include "trainer/cluster_trainer.h"
#include "trainer/control/job_control.h"
#include "trainer/embedded/embedded_trainer.h"
#include "trainer/exit_code.h"
#include "trainer/gbdt/gbdt_trainer.h"
#include "trainer/job_plan.h"
#include "trainer/node_choice.h"
#include "trainer/output_check.h"
#include "trainer/pod_end.h"
#include "trainer/progress/progress_reporter.h"
#include "trainer/render/kubernetes.h"
#include "trainer/search/job_search.h"
#include "trainer/trainer.h"
#include "trainer/trial_check.h"
#include "trainer/tuned_trainer.h"

DEFINE_string(config, "", "job file (YAML)");
DEFINE_bool(dry_run, false, "print the plan (rows, types, memory) and stop");
DEFINE_string(local, "", "run on a cluster of real processes on this machine: SERVERSxWORKERS, e.g. 2x3");
DEFINE_string(listen, "",
              "tcp://HOST:PORT: wait there for the job's cluster.servers and cluster.workers");
DEFINE_string(http, "",
              "HOST:PORT or :PORT (of this host only): status, metrics and commands over HTTP; see ps_ctl");
DEFINE_string(deployments, "",
              "--listen in a pod: the nodes are those of the Deployments NAME-server and NAME-worker, which are scaled");
DEFINE_string(render, "", "kubernetes: print the job as objects for kubectl apply, and stop");
DEFINE_string(owner_uid, "", "--render: metadata.uid of the Job, which then owns the other objects");
DEFINE_string(log_format, "text", "progress as 'text' or 'json' (one object a line)");
// Of a trial, by the search that runs it.
DEFINE_string(valid_losses, "", "a trial of a search: where the losses of the validation rows are left");
DEFINE_double(train_part, 1, "a trial of a search: which part of the training rows is learnt");

namespace ps {
namespace {

static_assert(kWrongFlagsExit == static_cast<int>(ExitCode::kConfiguration));

std::atomic<bool> stop_requested{false};

void RequestStop(int) { stop_requested.store(true); }

// Of the files in a directory; what cannot be read counts nothing.
std::uint64_t BytesIn(const std::string& directory) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (const auto& file : std::filesystem::directory_iterator(directory, error)) {
    const std::uint64_t size = file.file_size(error);
    if (!error) bytes += size;
  }
  return bytes;
}

absl::StatusOr<std::uint64_t> WriteBundle(const PreparedJob& job, Trainer* trainer,
                                          BundleWriter* writer, JobResult* result) {
  BundleInfo info;
  info.job_name = job.config.job;
  info.optimizer = OptimizerText(job.config.model.optimizer);
  PS_RETURN_IF_ERROR(trainer->Export(writer, &info));
  result->nonzero_weights = info.features;
  result->peak_rss_bytes = PeakResidentBytes();
  PS_RETURN_IF_ERROR(writer->AddFile("extractor.pb", job.extractor->Serialize()));
  PS_RETURN_IF_ERROR(writer->AddFile("job.yaml", job.effective_yaml));
  PS_RETURN_IF_ERROR(writer->AddFile("metrics.json", JobResultJson(*result)));
  if (result->tuning) {
    PS_RETURN_IF_ERROR(writer->AddFile("tuning.json", result->tuning->trace_json));
    PS_RETURN_IF_ERROR(writer->AddFile(kTunedJobName, result->tuning->job_yaml));
  }
  PS_RETURN_IF_ERROR(writer->Finish(std::move(info)));
  return BytesIn(job.config.output.dir);
}

NodeFlags Nodes() { return {FLAGS_local, FLAGS_listen, FLAGS_deployments}; }

int Fail(const absl::Status& status, ExitCode code) {
  std::cerr << "ps_train: " << status.message() << "\n";
  return static_cast<int>(code);
}

// Of an address for status and commands: one that is none, or one that another program has.
ExitCode ExitCodeOfControl(const absl::Status& status) {
  return absl::IsInvalidArgument(status) ? ExitCode::kConfiguration : ExitCode::kTryAgain;
}

// Null where the job is not to be watched over HTTP.
absl::StatusOr<std::unique_ptr<JobControl>> StartControl(const PreparedJob& job,
                                                         std::optional<ClusterTrainer::Options>* cluster,
                                                         ProgressReporter* reporter) {
  const std::string listen = FLAGS_http.empty() ? job.config.cluster.http : FLAGS_http;
  if (listen.empty()) return nullptr;
  JobControl::Options options{.listen = listen, .job = job.config.job, .output_dir = job.config.output.dir};
  options.mode = cluster->has_value() ? ClusterTrainer::NodesName((*cluster)->nodes) : "embedded";
  if (const char* token = std::getenv("PS_CONTROL_TOKEN"); token != nullptr) options.token = token;
  // The scheduler of trees takes no commands but to stop.
  const bool commands = cluster->has_value() && job.config.model.type != "gbdt";
  if (!commands) options.stop = [] { stop_requested.store(true); };
  PS_ASSIGN_OR_RETURN(std::unique_ptr<JobControl> control, JobControl::Start(options));
  reporter->SetObserver([board = &control->board()](const ProgressLine& line) { board->SetProgress(line); });
  if (commands) {
    (*cluster)->on_tick = [control = control.get()](SchedulerMachine& scheduler, MonotonicTime now) {
      control->OnTick(scheduler, now);
    };
  }
  return control;
}

int Search(const LoadedJob& job, const SearchSpace& space) {
  const absl::StatusOr<CheckpointClaim> claim = CheckpointClaim::Take(job.config);
  if (!claim.ok()) return Fail(claim.status(), OutputExitCode(claim.status()));
  ProgressReporter reporter(stderr, ProgressReporter::OptionsFor(stderr, FLAGS_log_format == "json"));
  JobSearch::Options options{.flags = {}, .reporter = &reporter, .stop = &stop_requested};
  if (!FLAGS_local.empty()) options.flags.push_back("--local=" + FLAGS_local);
  if (!FLAGS_http.empty()) options.flags.push_back("--http=" + FLAGS_http);
  const absl::StatusOr<JobSearch::Result> result = JobSearch::Run(job, space, options);
  if (absl::IsFailedPrecondition(result.status())) return Fail(result.status(), ExitCode::kConfiguration);
  if (!result.ok()) return Fail(result.status(), ExitCodeOf(result.status()));
  std::cout << result->text;
  if (!result->complete) return static_cast<int>(ExitCode::kTerminated);
  return result->without_test ? static_cast<int>(ExitCode::kWithoutTest) : 0;
}

// A job with tune.search: searches, and returns the exit code; with --dry_run makes *loaded its first trial.
std::optional<int> SearchOrFirstTrial(LoadedJob* loaded) {
  if (!(FLAGS_listen.empty() && FLAGS_render.empty() && FLAGS_deployments.empty())) {
    return Fail(absl::InvalidArgumentError(
                    "tune.search starts what its trials need itself: remove --listen, --deployments and --render"),
                ExitCode::kConfiguration);
  }
  const bool http = !FLAGS_http.empty() || !loaded->config.cluster.http.empty();
  if (http && loaded->config.tune->search->parallel > 1) {
    return Fail(absl::InvalidArgumentError("tune.search.parallel: trials at once cannot all be watched at one address: "
                                           "remove --http and cluster.http"),
                ExitCode::kConfiguration);
  }
  const absl::StatusOr<SearchSpace> space = SearchSpace::Make(*loaded);
  if (!space.ok()) return Fail(space.status(), ExitCode::kConfiguration);
  const TrialCheck trials = CheckTrials(FLAGS_config, *space, Nodes());
  if (!trials.failure.ok()) return Fail(trials.failure, trials.code);
  for (const std::string& line : trials.notes) std::cerr << "note: " << line << "\n";
  if (!FLAGS_dry_run) return Search(*loaded, *space);
  std::cout << JobSearch::Describe(*space, loaded->config.output.dir) << "\nthe first trial:\n";
  absl::StatusOr<LoadedJob> first = space->JobOf(SearchSpace::Point(static_cast<std::size_t>(space->keys()), 0));
  if (!first.ok()) return Fail(first.status(), ExitCode::kConfiguration);
  *loaded = *std::move(first);
  return std::nullopt;
}

// The exit code where the job cannot fit; prints the plan of a --dry_run.
std::optional<int> EndsWithItsPlan(const PreparedJob& job, const std::optional<ClusterTrainer::Options>& cluster) {
  if (job.config.model.type == "gbdt") {
    if (const absl::Status rows = CheckHeldOutOfTrees(job); !rows.ok()) return Fail(rows, ExitCode::kData);
    const absl::StatusOr<TreesPlan> plan = PlanTrees(job, TreeNodesOf(cluster), FLAGS_dry_run ? TreesPlanOf::kDryRun : TreesPlanOf::kNeeds);
    if (!plan.ok()) return Fail(plan.status(), ExitCode::kData);
    if (FLAGS_dry_run) std::cout << DescribeTreesPlan(job, *plan) << std::flush;
    if (!cluster && !plan->front.ok()) return Fail(plan->front, ExitCode::kData);
    if (absl::Status fits = CheckTreesPlan(*plan); !fits.ok()) return Fail(fits, ExitCode::kImpossible);
  } else if (FLAGS_dry_run || MayExceedMemory(job)) {
    // The plan costs reading a sample: worth it where the data is large enough for the model not to fit.
    const absl::StatusOr<JobPlan> plan = PlanJob(job);
    if (!plan.ok()) return Fail(plan.status(), ExitCode::kData);
    if (FLAGS_dry_run) std::cout << DescribePlan(job, *plan) << std::flush;
    if (!cluster && !plan->front.ok()) return Fail(plan->front, ExitCode::kData);
    if (absl::Status fits = CheckPlan(*plan); !fits.ok()) return Fail(fits, ExitCode::kImpossible);
  }
  return std::nullopt;
}

std::unique_ptr<Trainer> MakeTrainer(const PreparedJob& job, const std::optional<ClusterTrainer::Options>& cluster,
                                     ProgressReporter* reporter) {
  if (job.config.model.type == "gbdt")
    return std::make_unique<GbdtTrainer>(&job, TreeNodesOf(cluster), reporter, &stop_requested);
  const auto make = [=](const PreparedJob* of) -> std::unique_ptr<RaceTrainer> {
    if (!cluster) return std::make_unique<EmbeddedTrainer>(of, reporter, &stop_requested);
    return std::make_unique<ClusterTrainer>(of, *cluster, reporter, &stop_requested);
  };
  if (job.config.model.tune) return std::make_unique<TunedTrainer>(&job, make, reporter, &stop_requested);
  return make(&job);
}

// The end of a --dry_run: what the job itself would be refused for at once.
int TryStart(const PreparedJob& job, const std::optional<ClusterTrainer::Options>& cluster,
             ProgressReporter* reporter) {
  if (const absl::Status output = TryOutput(job.config.output); absl::IsUnavailable(output)) {
    reporter->Say(absl::StrCat("note: ", output.message()));  // for as long as the other job is at work
  } else if (!output.ok()) {
    return Fail(output, OutputExitCode(output));
  }
  const absl::Status kept = TryCheckpointsLeavingNothing(job.config.checkpoint);
  if (!kept.ok()) return Fail(kept, OutputExitCode(kept));
  if (const absl::Status claim = TryClaim(job.config); !claim.ok()) reporter->Say(absl::StrCat("note: ", claim.message()));
  const absl::Status status = MakeTrainer(job, cluster, reporter)->Check();
  return status.ok() ? 0 : Fail(status, ExitCodeOf(status));
}

int Train(const std::vector<std::string>& overrides) {
  const auto start = std::chrono::steady_clock::now();
  absl::StatusOr<LoadedJob> loaded = LoadJob(FLAGS_config, overrides);
  if (!loaded.ok()) return Fail(loaded.status(), ExitCode::kConfiguration);
  if (loaded->config.tune && loaded->config.tune->search) {
    if (const std::optional<int> searched = SearchOrFirstTrial(&*loaded)) return *searched;
  }
  if (!FLAGS_render.empty()) {  // the data need not be here
    const absl::StatusOr<std::string> text =
        RenderKubernetes(loaded->config, {.job_yaml = loaded->effective_yaml, .owner_uid = FLAGS_owner_uid});
    if (!text.ok()) return Fail(text.status(), ExitCode::kConfiguration);
    std::cout << *text;
    return 0;
  }
  if (!(FLAGS_train_part > 0 && FLAGS_train_part <= 1)) {
    return Fail(absl::InvalidArgumentError("--train_part: expected a part above 0 and of at most 1"), ExitCode::kConfiguration);
  }
  loaded->config.data.split.train_part = FLAGS_train_part;
  ProgressReporter reporter(stderr, ProgressReporter::OptionsFor(stderr, FLAGS_log_format == "json"));
  const bool processes = loaded->config.cluster.servers > 0 || !FLAGS_local.empty();
  for (const std::string& line : IdleKeys(loaded->config, processes)) reporter.Say(absl::StrCat("note: ", line));
  absl::StatusOr<PreparedJob> job = PrepareJob(*std::move(loaded));
  if (!job.ok()) return Fail(job.status(), ExitCode::kData);
  job->valid_losses = FLAGS_valid_losses;
  for (const auto* warnings : {&job->warnings, &job->shared_files}) {
    for (const std::string& line : *warnings) reporter.Say(absl::StrCat("warning: ", line));
  }
  absl::StatusOr<std::optional<ClusterTrainer::Options>> cluster = ClusterOf(*job, Nodes());
  if (!cluster.ok()) return Fail(cluster.status(), ExitCode::kConfiguration);
  if (const absl::Status stay = CheckInputsStay(FLAGS_config, *job); !stay.ok()) return Fail(stay, ExitCode::kConfiguration);
  if (const absl::Status once = CheckLearntOnce(*job); !once.ok()) return Fail(once, ExitCode::kConfiguration);
  job->nodes = DescribeNodes(*job, *cluster);
  if (const std::optional<int> ended = EndsWithItsPlan(*job, *cluster)) return *ended;
  if (FLAGS_dry_run) return TryStart(*job, *cluster, &reporter);
  if (FLAGS_log_format == "text") std::cerr << DescribeJob(*job);
  // Before the work, not after it: a directory that cannot take the model is known now.
  absl::StatusOr<std::unique_ptr<BundleWriter>> writer = BundleWriter::Create(job->config.output.dir);
  if (!writer.ok()) return Fail(writer.status(), OutputExitCode(writer.status()));
  const absl::StatusOr<CheckpointClaim> claim = CheckpointClaim::Take(job->config);
  if (!claim.ok()) return Fail(claim.status(), OutputExitCode(claim.status()));
  const absl::StatusOr<std::unique_ptr<JobControl>> control = StartControl(*job, &*cluster, &reporter);
  if (!control.ok()) return Fail(control.status(), ExitCodeOfControl(control.status()));
  const std::unique_ptr<Trainer> trainer = MakeTrainer(*job, *cluster, &reporter);
  if (*control != nullptr) (*control)->board().SetState(JobStatus::State::kTraining);
  absl::StatusOr<JobResult> result = trainer->Train();
  if (*control != nullptr) (*control)->Finishing();
  if (!result.ok()) return Fail(result.status(), ExitCodeOf(result.status()));
  result->wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  absl::StatusOr<std::uint64_t> bytes = WriteBundle(*job, trainer.get(), writer->get(), &*result);
  if (!bytes.ok()) return Fail(bytes.status(), ExitCode::kImpossible);
  if (result->complete) {
    if (const absl::Status removed = trainer->AfterExport(); !removed.ok()) {
      std::cerr << "ps_train: checkpoints of the finished job stay: " << removed.message() << "\n";
    }
  }
  result->wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  result->warnings = job->shared_files;  // beside the figures that they are of
  std::cout << JobResultText(*result, job->config.output.dir, *bytes) << std::flush;
  if (!result->complete) return static_cast<int>(ExitCode::kTerminated);
  if (result->test_missing.empty()) return 0;
  const std::string note = absl::StrCat("the model is in ", job->config.output.dir, ", but without test metrics: ",
                                        result->test_missing);
  return Fail(absl::DataLossError(note), ExitCodeWithoutTest(FLAGS_deployments, note));
}

}  // namespace
}  // namespace ps

namespace {

constexpr char kUsage[] =
    "usage: ps_train --config JOB.yaml [--set key=value]... [--dry_run] [--local SERVERSxWORKERS]\n"
    "                [--listen tcp://HOST:PORT] [--http HOST:PORT] [--log_format text|json]\n"
    "                [--deployments NAME] [--render kubernetes [--owner_uid UID]]\n"
    "\n"
    "Trains the job that the file describes and leaves a model bundle in its output.dir.\n"
    "--set changes one key of the job, --dry_run prints the plan, tries what the job would be refused for\n"
    "before it trains (output, checkpoints, device, models to start from), and stops, --local runs server\n"
    "and worker processes on this machine, --listen waits for the job's cluster.servers and\n"
    "cluster.workers, started by hand or by containers (ps_server and ps_worker --scheduler).\n"
    "--deployments, in a pod: these are the pods of two Deployments, which are scaled.\n"
    "--render kubernetes prints the job as Kubernetes objects and stops.\n"
    "--http serves status and metrics, and takes the commands of ps_ctl.\n"
    "\n"
    "exit codes: 0 ok; 2 configuration; 3 data; 4 diverged; 5 impossible here;\n"
    "6 trained, but the test rows could not be read (with --deployments 0); 75 try again;\n"
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
  ps::ParseProgramFlags("ps_train", kUsage, nullptr, &count, &arguments);
  FLAGS_logtostderr = true;
  google::InitGoogleLogging(argv[0]);
  if (count > 1) return Usage(absl::StrCat("unexpected argument \"", arguments[1], "\""));
  if (FLAGS_config.empty()) return Usage("--config is missing");
  if (!FLAGS_listen.empty() && (!FLAGS_local.empty() || FLAGS_listen.rfind("tcp://", 0) != 0)) {
    return Usage("--listen is tcp://HOST:PORT, and excludes --local");
  }
  if (!FLAGS_render.empty() && FLAGS_render != "kubernetes") return Usage("--render is kubernetes");
  if (FLAGS_log_format != "text" && FLAGS_log_format != "json") {
    return Usage("--log_format is text or json");
  }
  std::signal(SIGTERM, ps::RequestStop);
  std::signal(SIGINT, ps::RequestStop);
  const int exit_code = ps::Train(overrides);
  ps::TellJobOfEnd(FLAGS_deployments, exit_code, ps::stop_requested.load());
  return exit_code;
}
