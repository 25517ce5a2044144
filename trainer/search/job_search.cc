#include "trainer/search/job_search.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "models/bundle/bundle.h"
#include "models/bundle/bundle_directory.h"
#include "models/bundle/manifest.h"
#include "models/config/yaml_tree.h"
#include "models/data/data_files.h"
#include "models/features/extractor_digest.h"
#include "ps/base/file.h"
#include "ps/base/status_macros.h"
#include "ps/checkpoint/checkpoint_storage.h"
#include "trainer/job_result.h"
#include "trainer/progress/progress_line.h"
#include "trainer/search/search_state.pb.h"
#include "trainer/search/search_trace.h"
#include "trainer/search/trial_order.h"
#include "trainer/search/trial_process.h"

namespace ps {
namespace {

using Clock = TrialProcess::Clock;

// A trial that took the search with it so often is not begun again.
constexpr std::uint32_t kMostStarts = 3;
constexpr std::uint64_t kMostCounted = 100000;  // jobs
constexpr char kStateName[] = "search_state.pb";  // in the bundle of a search that is over

std::string MetricOf(const SearchSpace& space, const JobConfig& config) {
  if (!space.search().metric.empty()) return space.search().metric;
  return config.model.gbdt.objective == "squared" ? "rmse" : "log_loss";
}

// The override that sets a directory, whatever its name means to YAML.
std::string SetDirectory(const char* key, const std::string& directory) {
  YamlNode value;
  value.kind = YamlNode::Kind::kScalar;
  value.text = directory;
  value.quoted = true;
  return absl::StrCat(key, "=", WriteScalar(value));
}

std::string SearchDir(const std::string& output_dir) { return output_dir + ".search"; }

// What says whether a bundle is still the same one; one that is absent fails its trials.
absl::StatusOr<std::string> ContentOf(const std::string& bundle) {
  const absl::StatusOr<std::string> found = LocateBundle(bundle);
  if (absl::IsNotFound(found.status())) return "absent";
  PS_RETURN_IF_ERROR(found.status());
  PS_ASSIGN_OR_RETURN(const std::string manifest, ReadWholeFile(absl::StrCat(*found, "/", kManifestName)));
  return ExtractorDigest(manifest);
}

// How many trials there may be.
std::uint64_t Most(const SearchSpace& space) {
  const std::uint64_t asked = space.search().trials > 0 ? space.search().trials : kMostCounted;
  return CountJobs(space, asked);
}

class Search {
 public:
  Search(const LoadedJob& job, const SearchSpace& space, const JobSearch::Options& options)
      : job_(job),
        space_(space),
        options_(options),
        metric_(MetricOf(space, job.config)),
        dir_(SearchDir(job.config.output.dir)),
        most_(Most(space)) {}

  absl::StatusOr<JobSearch::Result> Run();

 private:
  std::string TrialDir(int trial) const { return absl::StrCat(dir_, "/trial-", trial + 1); }
  // Of this search alone: a trial of another job must not find what one of the same number has left.
  std::string CheckpointsDir() const { return absl::StrCat(job_.config.checkpoint.dir, "/", ExtractorDigest(state_.identity())); }
  absl::Status RemoveCheckpoints() const;
  std::string StatePath() const { return dir_ + "/trials.pb"; }
  absl::StatusOr<std::string> Identity() const;
  absl::Status Load();
  // Trials of the same search that is over: its best model lies in the output.
  absl::StatusOr<bool> LoadFinished(const std::string& identity);
  bool Fits(const search::Search& state) const;
  absl::Status Save() const { return WriteFileAtomically(StatePath(), state_.SerializeAsString()); }
  double SecondsSpent() const;
  bool InTime() const;
  // The trial to run next, begun or new; -1: there is none.
  int Next();
  absl::StatusOr<TrialProcess::End> RunTrial(int number);
  absl::Status AfterTrial(int number, int best_before);
  absl::StatusOr<std::string> TunedJob(const Bundle& best, const SearchSpace::Point& point) const;
  absl::Status WriteBundle(BundleWriter* writer, int best, bool complete) const;
  absl::StatusOr<std::string> Text(int best) const;

  const LoadedJob& job_;
  const SearchSpace& space_;
  const JobSearch::Options& options_;
  const std::string metric_, dir_;
  const std::uint64_t most_;
  search::Search state_;
};

absl::StatusOr<std::string> Search::Identity() const {
  std::string text = space_.Identity();
  const DataConfig& data = job_.config.data;
  for (const DataPart* part : {&data.train, &data.valid}) {
    if (!part->set()) continue;
    PS_ASSIGN_OR_RETURN(const DataFiles files, DataFiles::Open(part->files));
    PS_ASSIGN_OR_RETURN(const std::string origin, files.Origin());
    absl::StrAppend(&text, origin);
  }
  for (const std::string& path : space_.bundles()) {
    PS_ASSIGN_OR_RETURN(const std::string content, ContentOf(path));
    absl::StrAppend(&text, "model ", path, " ", content, "\n");
  }
  return text;
}

absl::Status Search::Load() {
  PS_ASSIGN_OR_RETURN(const std::string identity, Identity());
  PS_RETURN_IF_ERROR(MakeDirs(dir_));
  const absl::StatusOr<std::string> bytes = ReadWholeFile(StatePath());
  if (absl::IsNotFound(bytes.status())) {
    PS_ASSIGN_OR_RETURN(const bool finished, LoadFinished(identity));
    if (!finished) state_.set_identity(identity);
    return RemoveCheckpoints();
  }
  PS_RETURN_IF_ERROR(bytes.status());
  if (!state_.ParseFromString(*bytes) || !Fits(state_)) {
    return absl::FailedPreconditionError(absl::StrCat(StatePath(), " cannot be read: remove ", dir_, " to begin anew"));
  }
  if (state_.identity() != identity) {
    return absl::FailedPreconditionError(
        absl::StrCat(dir_, " has the trials of a search with other keys, settings, data or models to begin with: remove it to begin anew, or set another output.dir"));
  }
  const auto ended = std::count_if(state_.trials().begin(), state_.trials().end(), [](const auto& one) { return one.ended(); });
  options_.reporter->Say(absl::StrCat("search: going on, ", ended, " trials have ended before"));
  return absl::OkStatus();
}

bool Search::Fits(const search::Search& state) const {
  return std::all_of(state.trials().begin(), state.trials().end(), [this](const search::Trial& trial) {
    bool fits = trial.point_size() == space_.keys();
    for (int key = 0; fits && key < space_.keys(); ++key) fits = trial.point(key) < static_cast<std::uint32_t>(space_.values(key));
    return fits;
  });
}

absl::StatusOr<bool> Search::LoadFinished(const std::string& identity) {
  const std::string& output = job_.config.output.dir;
  const absl::StatusOr<std::string> from = LocateBundle(output);
  if (!from.ok()) return false;
  const absl::StatusOr<std::string> bytes = ReadWholeFile(absl::StrCat(*from, "/", kStateName));
  if (!bytes.ok()) return false;
  search::Search state;
  if (!state.ParseFromString(*bytes) || state.identity() != identity || !Fits(state) || BestTrial(state) < 0) {
    options_.reporter->Say(absl::StrCat("search: ", output, " is of a search with other keys, settings, data or models to begin with: it begins anew"));
    return false;
  }
  PS_ASSIGN_OR_RETURN(const std::unique_ptr<Bundle> bundle, Bundle::Open(output));  // nothing of it is damaged
  const std::string trial = TrialDir(BestTrial(state));
  PS_RETURN_IF_ERROR(RemoveTree(trial));
  PS_RETURN_IF_ERROR(MakeDirs(trial));
  std::error_code error;
  std::filesystem::copy(*from, TrialProcess::ModelPath(trial), std::filesystem::copy_options::recursive, error);
  if (error) return FileError("copy", *from, error.value());
  PS_RETURN_IF_ERROR(WriteFileAtomically(TrialProcess::OutPath(trial), state.printed()));
  state.clear_printed();
  state_ = std::move(state);
  PS_RETURN_IF_ERROR(Save());
  options_.reporter->Say(absl::StrCat("search: ", output, " is of this search, of ", state_.trials_size(),
                                      " trials; more follow where there may be more"));
  return true;
}

absl::Status Search::RemoveCheckpoints() const {
  const CheckpointConfig& config = job_.config.checkpoint;
  if (config.dir.empty()) return absl::OkStatus();
  PS_ASSIGN_OR_RETURN(const std::shared_ptr<CheckpointStorage> storage, OpenCheckpointStorage(CheckpointsDir(), config.endpoint));
  PS_ASSIGN_OR_RETURN(const std::vector<StoredObject> objects, storage->List(""));
  for (const StoredObject& object : objects) PS_RETURN_IF_ERROR(storage->Remove(object.name));
  return RemoveTree(CheckpointsDir());  // the directories; none is in object storage
}

double Search::SecondsSpent() const {
  double seconds = 0;
  for (const search::Trial& trial : state_.trials()) seconds += trial.seconds();
  return seconds;
}

bool Search::InTime() const {
  const double budget = space_.search().budget_seconds;
  return budget == 0 || BestTrial(state_) < 0 || SecondsSpent() < budget;
}

int Search::Next() {
  const int last = state_.trials_size() - 1;
  if (last >= 0 && !state_.trials(last).ended()) {
    if (state_.trials(last).starts() < kMostStarts) return last;
    state_.mutable_trials(last)->set_ended(true);
    state_.mutable_trials(last)->set_failure(absl::StrCat("begun ", kMostStarts, " times, and never ended"));
    options_.reporter->Say(DescribeTrial(space_, metric_, state_, last));
  }
  if (static_cast<std::uint64_t>(state_.trials_size()) >= most_ || !InTime()) return -1;
  std::vector<TriedPoint> tried;
  for (const search::Trial& trial : state_.trials()) {
    tried.push_back({PointOf(trial), trial.failure().empty() ? trial.loss() : INFINITY});
  }
  const std::optional<SearchSpace::Point> point = NextPoint(space_, job_.config.train.seed, tried);
  if (!point.has_value()) return -1;
  search::Trial& trial = *state_.add_trials();
  for (const int value : *point) trial.add_point(static_cast<std::uint32_t>(value));
  return last + 1;
}

absl::StatusOr<TrialProcess::End> Search::RunTrial(int number) {
  search::Trial& trial = *state_.mutable_trials(number);
  trial.set_starts(trial.starts() + 1);
  PS_RETURN_IF_ERROR(Save());
  TrialProcess::Options process;
  process.directory = TrialDir(number);
  process.flags = options_.flags;
  process.metric = metric_;
  process.stop = options_.stop;
  if (space_.search().budget_seconds > 0 && BestTrial(state_) >= 0) {
    const double left = std::max(0.0, space_.search().budget_seconds - SecondsSpent());
    process.deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(left));
  }
  PS_RETURN_IF_ERROR(RemoveTree(process.directory));
  PS_RETURN_IF_ERROR(MakeDirs(process.directory));
  Overrides own = {SetDirectory("output.dir", TrialProcess::ModelPath(process.directory))};
  if (!job_.config.checkpoint.dir.empty() && space_.TypeOf(PointOf(trial)) == "lr") {
    own.push_back(SetDirectory("checkpoint.dir", absl::StrCat(CheckpointsDir(), "/trial-", number + 1)));
  }
  const absl::StatusOr<LoadedJob> job = space_.JobOf(PointOf(trial), own);
  if (!job.ok()) {  // each value is possible, but not these together
    trial.set_ended(true);
    trial.set_failure(absl::StrReplaceAll(job.status().message(), {{"\n", ";"}}));
    return TrialProcess::End::kEnded;
  }
  PS_RETURN_IF_ERROR(WriteFileAtomically(TrialProcess::JobPath(process.directory), job->effective_yaml));
  return TrialProcess::Run(process, &trial);
}

// Of the models only the best one's stays.
absl::Status Search::AfterTrial(int number, int best_before) {
  PS_RETURN_IF_ERROR(Save());
  const int best = BestTrial(state_);
  const search::Trial& trial = state_.trials(number);
  std::string text = DescribeTrial(space_, metric_, state_, number);
  if (number != best && best >= 0) {
    absl::StrAppendFormat(&text, "; best: trial %d, %.5f", best + 1, std::fabs(state_.trials(best).loss()));
  }
  options_.reporter->Say(text);
  if (best != best_before && best_before >= 0) return RemoveTree(TrialDir(best_before));
  return number == best || !trial.failure().empty() ? absl::OkStatus() : RemoveTree(TrialDir(number));
}

// The best trial's job as a file of its own, with the output of the search.
absl::StatusOr<std::string> Search::TunedJob(const Bundle& best, const SearchSpace::Point& point) const {
  Overrides own = {SetDirectory("output.dir", job_.config.output.dir)};
  if (absl::StatusOr<std::string> tuned = best.ReadFile(kTunedJobName); tuned.ok()) {
    if (!job_.config.checkpoint.dir.empty() && space_.TypeOf(point) == "lr") {
      own.push_back(SetDirectory("checkpoint.dir", job_.config.checkpoint.dir));
    }
    return EffectiveYaml(*tuned, kTunedJobName, own);
  }
  PS_ASSIGN_OR_RETURN(const LoadedJob job, space_.JobOf(point));
  return job.effective_yaml;
}

absl::Status Search::WriteBundle(BundleWriter* writer, int best, bool complete) const {
  const std::string from = TrialProcess::ModelPath(TrialDir(best));
  PS_ASSIGN_OR_RETURN(const std::unique_ptr<Bundle> bundle, Bundle::Open(from));
  PS_RETURN_IF_ERROR(writer->AppendWeights(bundle->keys(), bundle->weights()));
  const std::set<std::string> own = {kManifestName, kWeightsName, "job.yaml", kTunedJobName, "search.json", kStateName};
  std::error_code error;
  for (const auto& file : std::filesystem::directory_iterator(from, error)) {
    const std::string name = file.path().filename();
    if (own.contains(name)) continue;
    PS_ASSIGN_OR_RETURN(const std::string content, bundle->ReadFile(name));
    PS_RETURN_IF_ERROR(writer->AddFile(name, content));
  }
  if (error) return FileError("read directory", from, error.value());
  PS_ASSIGN_OR_RETURN(const std::string tuned, TunedJob(*bundle, PointOf(state_.trials(best))));
  PS_RETURN_IF_ERROR(writer->AddFile("job.yaml", job_.effective_yaml));
  PS_RETURN_IF_ERROR(writer->AddFile(kTunedJobName, tuned));
  PS_RETURN_IF_ERROR(writer->AddFile("search.json", SearchJson(space_, metric_, state_)));
  if (complete) {
    search::Search state = state_;
    PS_ASSIGN_OR_RETURN(*state.mutable_printed(), ReadWholeFile(TrialProcess::OutPath(TrialDir(best))));
    PS_RETURN_IF_ERROR(writer->AddFile(kStateName, state.SerializeAsString()));
  }
  BundleInfo info = bundle->info();
  info.complete = complete;
  return writer->Finish(std::move(info));
}

absl::StatusOr<std::string> Search::Text(int best) const {
  const std::string& output = job_.config.output.dir;
  PS_ASSIGN_OR_RETURN(const std::string printed, ReadWholeFile(TrialProcess::OutPath(TrialDir(best))));
  std::string text = absl::StrReplaceAll(printed, {{TrialProcess::ModelPath(TrialDir(best)), output}});
  const auto ended = [](bool failed) {
    return [failed](const search::Trial& one) { return one.ended() && one.failure().empty() != failed; };
  };
  const auto count = [&](bool failed) { return std::count_if(state_.trials().begin(), state_.trials().end(), ended(failed)); };
  absl::StrAppend(&text, "searched: ", count(false), " trials", count(true) > 0 ? absl::StrCat(", and ", count(true), " that failed") : "",
                  "; the model is that of ", DescribeTrial(space_, metric_, state_, best), "\n  as a job file: ", output, "/",
                  kTunedJobName, "\n  all trials: ", output, "/search.json\n");
  return text;
}

absl::StatusOr<JobSearch::Result> Search::Run() {
  PS_ASSIGN_OR_RETURN(const std::unique_ptr<BundleWriter> writer, BundleWriter::Create(job_.config.output.dir));
  PS_RETURN_IF_ERROR(Load());
  options_.reporter->Say(JobSearch::Describe(space_, job_.config.output.dir));
  bool complete = true;
  for (int number; (number = Next()) >= 0;) {
    complete = !options_.stop->load();
    if (!complete) break;
    options_.reporter->Say(absl::StrCat("trial ", number + 1, " of at most ", most_, " begins: ", space_.Describe(PointOf(state_.trials(number)))));
    const int best_before = BestTrial(state_);
    PS_ASSIGN_OR_RETURN(const TrialProcess::End end, RunTrial(number));
    if (end == TrialProcess::End::kEnded) {
      PS_RETURN_IF_ERROR(AfterTrial(number, best_before));
      continue;
    }
    complete = end == TrialProcess::End::kOutOfTime;
    state_.mutable_trials(number)->set_starts(state_.trials(number).starts() - 1);  // that was no trial's fault
    PS_RETURN_IF_ERROR(Save());
    options_.reporter->Say(absl::StrCat("trial ", number + 1, " is given up: ", complete ? "the budget is used up" : "stopped"));
    break;
  }
  const int best = BestTrial(state_);
  if (best < 0 && !complete) return absl::CancelledError("stopped before a trial had ended");
  if (best < 0) {
    return absl::InvalidArgumentError(absl::StrCat("all trials failed (logs are in ", dir_, "); the last: ", DescribeTrial(space_, metric_, state_, state_.trials_size() - 1)));
  }
  JobSearch::Result result;
  result.complete = complete;
  PS_ASSIGN_OR_RETURN(result.text, Text(best));
  PS_RETURN_IF_ERROR(WriteBundle(writer.get(), best, complete));
  if (complete) {
    // The model is there: what cannot be removed does not make it a failure.
    const absl::Status removed = RemoveCheckpoints();
    if (!removed.ok()) options_.reporter->Say(absl::StrCat("search: checkpoints are left: ", removed.message()));
    PS_RETURN_IF_ERROR(RemoveTree(dir_));
  }
  return result;
}

}  // namespace

std::string JobSearch::Describe(const SearchSpace& space, const std::string& output_dir) {
  const double budget = space.search().budget_seconds;
  const std::uint64_t jobs = CountJobs(space, kMostCounted);
  return absl::StrCat("search: at most ", Most(space), " trials", budget > 0 ? absl::StrCat(" within ", FormatDuration(budget)) : "",
                      " of ", jobs == kMostCounted ? "more than " : "", jobs, " jobs, in ", SearchDir(output_dir));
}

absl::StatusOr<JobSearch::Result> JobSearch::Run(const LoadedJob& job, const SearchSpace& space, const Options& options) {
  return Search(job, space, options).Run();
}

}  // namespace ps
