#include "trainer/search/job_search.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "models/bundle/bundle.h"
#include "models/bundle/bundle_directory.h"
#include "models/bundle/manifest.h"
#include "models/data/data_files.h"
#include "models/features/extractor_digest.h"
#include "ps/base/cgroup.h"
#include "ps/base/file.h"
#include "ps/base/status_macros.h"
#include "ps/checkpoint/checkpoint_storage.h"
#include "trainer/progress/progress_line.h"
#include "trainer/search/search_output.h"
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

std::string MetricOf(const SearchSpace& space, const JobConfig& config) {
  if (!space.search().metric.empty()) return space.search().metric;
  return config.model.gbdt.objective == "squared" ? "rmse" : "log_loss";
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
  absl::Status TakeFinished();  // the model of its best trial, once there are more trials
  bool Fits(const search::Search& state) const;
  absl::Status Save() const { return WriteFileAtomically(StatePath(), state_.SerializeAsString()); }
  bool InTime() const;
  // Trials that are run at once are a wave: parallel of them, by their numbers. Those of it that have not ended, begun
  // or new; none: the search is over.
  std::vector<int> NextWave();
  bool AddTrial();  // false: there is no job that was not tried
  // Whether its process is to be started, as *process says: else it has ended.
  absl::StatusOr<bool> Begin(int number, TrialProcess::Options* process);
  absl::StatusOr<std::vector<TrialProcess::End>> RunWave(const std::vector<int>& wave);
  absl::Status AfterWave(const std::vector<int>& wave);

  const LoadedJob& job_;
  const SearchSpace& space_;
  const JobSearch::Options& options_;
  const std::string metric_, dir_;
  const std::uint64_t most_;
  search::Search state_;
  std::string finished_;  // the bundle of a search that is over and was not taken yet
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
  const bool read = state_.ParseFromString(*bytes);
  if (read && state_.identity() != identity) {
    const auto judged = [](const search::Trial& trial) { return !trial.ended() || trial.failure().empty(); };
    if (std::any_of(state_.trials().begin(), state_.trials().end(), judged)) {
      return absl::FailedPreconditionError(
          absl::StrCat(dir_, " has the trials of a search with other keys, settings, data or models to begin with: remove it to begin anew, or set another output.dir"));
    }
    options_.reporter->Say(absl::StrCat("search: all trials in ", dir_, ", of another search, had failed: it begins anew"));
    state_.Clear();
    state_.set_identity(identity);
    PS_RETURN_IF_ERROR(RemoveTree(dir_));
    PS_RETURN_IF_ERROR(MakeDirs(dir_));
    return RemoveCheckpoints();
  }
  if (!read || !Fits(state_)) {
    return absl::FailedPreconditionError(absl::StrCat(StatePath(), " cannot be read: remove ", dir_, " to begin anew"));
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
  const absl::StatusOr<std::string> bytes = ReadWholeFile(absl::StrCat(*from, "/", SearchOutput::kStateName));
  if (!bytes.ok()) return false;
  search::Search state;
  if (!state.ParseFromString(*bytes) || state.identity() != identity || !Fits(state) || BestTrial(state) < 0) {
    options_.reporter->Say(absl::StrCat("search: ", output, " is of a search with other keys, settings, data or models to begin with: it begins anew"));
    return false;
  }
  PS_ASSIGN_OR_RETURN(const std::unique_ptr<Bundle> bundle, Bundle::Open(output));  // nothing of it is damaged
  PS_RETURN_IF_ERROR(RemoveTree(TrialDir(BestTrial(state))));
  PS_RETURN_IF_ERROR(MakeDirs(TrialDir(BestTrial(state))));
  PS_RETURN_IF_ERROR(WriteFileAtomically(TrialProcess::OutPath(TrialDir(BestTrial(state))), state.printed()));
  state.clear_printed();
  state_ = std::move(state);
  finished_ = *from;
  options_.reporter->Say(absl::StrCat("search: ", output, " is of this search, of ", state_.trials_size(),
                                      " trials; more follow where there may be more"));
  return true;
}

absl::Status Search::TakeFinished() {
  const std::string to = TrialProcess::ModelPath(TrialDir(BestTrial(state_)));
  std::error_code error;
  std::filesystem::copy(finished_, to, std::filesystem::copy_options::recursive, error);
  if (error) return FileError("copy", finished_, error.value());
  finished_.clear();
  return Save();
}

absl::Status Search::RemoveCheckpoints() const {
  const CheckpointConfig& config = job_.config.checkpoint;
  if (config.dir.empty()) return absl::OkStatus();
  PS_ASSIGN_OR_RETURN(const std::shared_ptr<CheckpointStorage> storage, OpenCheckpointStorage(CheckpointsDir(), config.endpoint));
  PS_ASSIGN_OR_RETURN(const std::vector<StoredObject> objects, storage->List(""));
  for (const StoredObject& object : objects) PS_RETURN_IF_ERROR(storage->Remove(object.name));
  return RemoveTree(CheckpointsDir());  // the directories; none is in object storage
}

bool Search::InTime() const {
  const double budget = space_.search().budget_seconds;
  return budget == 0 || BestTrial(state_) < 0 || state_.seconds() < budget;
}

bool Search::AddTrial() {
  std::vector<TriedPoint> tried;
  for (const search::Trial& trial : state_.trials()) {
    const bool judged = trial.ended() && trial.failure().empty();
    tried.push_back({PointOf(trial), judged ? trial.loss() : INFINITY});
  }
  const std::optional<SearchSpace::Point> point = NextPoint(space_, job_.config.train.seed, tried);
  if (!point.has_value()) return false;
  search::Trial& trial = *state_.add_trials();
  for (const int value : *point) trial.add_point(static_cast<std::uint32_t>(value));
  return true;
}

std::vector<int> Search::NextWave() {
  std::vector<int> wave;
  for (int i = 0; i < state_.trials_size(); ++i) {
    search::Trial& trial = *state_.mutable_trials(i);
    if (trial.ended()) continue;
    if (trial.starts() < kMostStarts) {
      wave.push_back(i);
      continue;
    }
    trial.set_ended(true);
    trial.set_failure(absl::StrCat("begun ", kMostStarts, " times, and never ended"));
    options_.reporter->Say(DescribeTrial(space_, metric_, state_, i));
  }
  if (!InTime()) return {};
  const int parallel = space_.search().parallel;
  // A wave that was cut off is filled up: what is chosen depends on how many there are at once, not on kills.
  const int first = wave.empty() ? state_.trials_size() : wave[0];
  const std::uint64_t end = std::min<std::uint64_t>(most_, (first / parallel + 1) * parallel);
  while (static_cast<std::uint64_t>(state_.trials_size()) < end && AddTrial()) wave.push_back(state_.trials_size() - 1);
  return wave;
}

absl::StatusOr<bool> Search::Begin(int number, TrialProcess::Options* begun) {
  search::Trial& trial = *state_.mutable_trials(number);
  TrialProcess::Options& process = *begun;
  process.directory = TrialDir(number);
  process.flags = options_.flags;
  process.metric = metric_;
  process.stop = options_.stop;
  if (space_.search().budget_seconds > 0 && BestTrial(state_) >= 0) {
    const double left = std::max(0.0, space_.search().budget_seconds - state_.seconds());
    process.deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(left));
  }
  PS_RETURN_IF_ERROR(RemoveTree(process.directory));
  PS_RETURN_IF_ERROR(MakeDirs(process.directory));
  Overrides own = {SetDirectory("output.dir", TrialProcess::ModelPath(process.directory))};
  if (!job_.config.checkpoint.dir.empty() && space_.TypeOf(PointOf(trial)) == "lr") {
    own.push_back(SetDirectory("checkpoint.dir", absl::StrCat(CheckpointsDir(), "/trial-", number + 1)));
  }
  const int parallel = space_.search().parallel;
  if (parallel > 1 && job_.config.train.threads == 0) {  // no model depends on their number
    own.push_back(absl::StrCat("train.threads=", std::max(1, EffectiveCpuCount() / parallel)));
  }
  const absl::StatusOr<LoadedJob> job = space_.JobOf(PointOf(trial), own);
  if (!job.ok()) {  // each value is possible, but not these together
    trial.set_ended(true);
    trial.set_failure(absl::StrReplaceAll(job.status().message(), {{"\n", ";"}}));
    return false;
  }
  PS_RETURN_IF_ERROR(WriteFileAtomically(TrialProcess::JobPath(process.directory), job->effective_yaml));
  trial.set_starts(trial.starts() + 1);
  return true;
}

absl::StatusOr<std::vector<TrialProcess::End>> Search::RunWave(const std::vector<int>& wave) {
  std::vector<absl::StatusOr<TrialProcess::End>> ends(wave.size(), TrialProcess::End::kEnded);
  std::vector<std::function<void()>> runs;
  std::mutex mutex;  // of what the runs write
  absl::Status saved;
  const double seconds_before = state_.seconds();
  for (std::size_t i = 0; i < wave.size(); ++i) {
    TrialProcess::Options process;
    PS_ASSIGN_OR_RETURN(const bool begins, Begin(wave[i], &process));
    if (!begins) continue;
    // What has ended is kept at once: a kill while others go on is no fault of it.
    runs.emplace_back([&, process, i, trial = state_.trials(wave[i])]() mutable {
      ends[i] = TrialProcess::Run(process, &trial);
      if (!ends[i].ok() || *ends[i] != TrialProcess::End::kEnded) return;
      const std::lock_guard<std::mutex> lock(mutex);
      state_.set_seconds(std::max(state_.seconds(), seconds_before + trial.seconds()));
      *state_.mutable_trials(wave[i]) = trial;
      saved.Update(Save());
    });
  }
  PS_RETURN_IF_ERROR(Save());
  std::vector<std::thread> threads;
  for (const std::function<void()>& run : runs) threads.emplace_back(run);
  for (std::thread& thread : threads) thread.join();
  PS_RETURN_IF_ERROR(saved);
  std::vector<TrialProcess::End> all;
  for (const absl::StatusOr<TrialProcess::End>& end : ends) {
    PS_RETURN_IF_ERROR(end.status());
    all.push_back(*end);
  }
  return all;
}

// Of the models only the best one's stays.
absl::Status Search::AfterWave(const std::vector<int>& wave) {
  PS_RETURN_IF_ERROR(Save());
  const int best = BestTrial(state_);
  for (const int number : wave) {
    if (!state_.trials(number).ended()) continue;
    std::string text = DescribeTrial(space_, metric_, state_, number);
    if (number != best && best >= 0) {
      absl::StrAppendFormat(&text, "; best: trial %d, %.5f", best + 1, std::fabs(state_.trials(best).loss()));
    }
    options_.reporter->Say(text);
  }
  for (int i = 0; i < state_.trials_size(); ++i) {  // logs of those that failed stay, too
    if (i != best && state_.trials(i).failure().empty()) PS_RETURN_IF_ERROR(RemoveTree(TrialDir(i)));
  }
  return absl::OkStatus();
}

absl::StatusOr<JobSearch::Result> Search::Run() {
  PS_ASSIGN_OR_RETURN(const std::unique_ptr<BundleWriter> writer, BundleWriter::Create(job_.config.output.dir));
  PS_RETURN_IF_ERROR(Load());
  options_.reporter->Say(JobSearch::Describe(space_, job_.config.output.dir));
  bool complete = true;
  bool goes_on = true;
  for (std::vector<int> wave; goes_on && !(wave = NextWave()).empty();) {
    complete = !options_.stop->load();
    if (!complete) break;
    if (!finished_.empty()) PS_RETURN_IF_ERROR(TakeFinished());
    for (const int number : wave) {
      options_.reporter->Say(absl::StrCat("trial ", number + 1, " of at most ", most_, " begins: ", space_.Describe(PointOf(state_.trials(number)))));
    }
    PS_ASSIGN_OR_RETURN(const std::vector<TrialProcess::End> ends, RunWave(wave));
    for (std::size_t i = 0; i < wave.size(); ++i) {
      search::Trial& trial = *state_.mutable_trials(wave[i]);
      if (ends[i] == TrialProcess::End::kEnded) continue;
      goes_on = false;
      complete &= ends[i] == TrialProcess::End::kOutOfTime;
      trial.set_starts(trial.starts() - 1);  // that was no trial's fault
      // Else the same command would find some time left, and begin it again.
      if (ends[i] == TrialProcess::End::kOutOfTime) state_.set_seconds(std::max(state_.seconds(), space_.search().budget_seconds));
      options_.reporter->Say(absl::StrCat("trial ", wave[i] + 1, " is given up: ", ends[i] == TrialProcess::End::kOutOfTime ? "the budget is used up" : "stopped"));
    }
    PS_RETURN_IF_ERROR(AfterWave(wave));
  }
  const int best = BestTrial(state_);
  if (best < 0 && !complete) return absl::CancelledError("stopped before a trial had ended");
  if (best < 0) {
    return absl::InvalidArgumentError(absl::StrCat("all trials failed (logs are in ", dir_, "); the last: ", DescribeTrial(space_, metric_, state_, state_.trials_size() - 1)));
  }
  JobSearch::Result result;
  result.complete = complete;
  const SearchOutput output(job_, space_, metric_, state_, TrialDir(best));
  PS_ASSIGN_OR_RETURN(result.text, output.Text());
  // Of one that was over and had nothing left to do, everything is there.
  if (finished_.empty()) PS_RETURN_IF_ERROR(output.Write(writer.get(), complete));
  if (complete || !finished_.empty()) {
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
