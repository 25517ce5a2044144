#include "trainer/search/job_search.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "models/bundle/bundle.h"
#include "ps/base/cgroup.h"
#include "ps/base/file.h"
#include "ps/base/status_macros.h"
#include "trainer/progress/progress_line.h"
#include "trainer/search/search_output.h"
#include "trainer/search/search_schedule.h"
#include "trainer/search/search_state.pb.h"
#include "trainer/search/search_store.h"
#include "trainer/search/search_trace.h"
#include "trainer/search/trial_gaps.h"
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
        most_(Most(space)),
        schedule_(&space, job.config.train.seed, most_),
        store_(&job, &space, options.reporter) {}

  absl::StatusOr<JobSearch::Result> Run();

 private:
  bool OutOfBudget() const;
  int top_rung() const { return static_cast<int>(state_.top_rung()); }
  // Of trials that are run at once, those that have not ended; none: the search is over.
  std::vector<int> NextWave();
  // Whether its process is to be started, as *process says: else it has ended.
  absl::StatusOr<bool> Begin(int number, TrialProcess::Options* process);
  absl::StatusOr<LoadedJob> JobOfTrial(int number) const;
  absl::StatusOr<std::vector<TrialProcess::End>> RunWave(const std::vector<int>& wave);
  absl::Status AfterWave(const std::vector<int>& wave);
  // True: the search may go on.
  bool TakeEnds(const std::vector<int>& wave, const std::vector<TrialProcess::End>& ends, bool* complete);
  absl::StatusOr<JobSearch::Result> Finish(BundleWriter* writer, bool complete);
  std::string BeginText(int number) const;

  const LoadedJob& job_;
  const SearchSpace& space_;
  const JobSearch::Options& options_;
  const std::string metric_;
  const std::uint64_t most_;
  const SearchSchedule schedule_;
  SearchStore store_;
  search::Search state_;
  int best_ = -1;  // before the wave
};

bool Search::OutOfBudget() const {
  const double budget = space_.search().budget_seconds;
  return budget > 0 && state_.seconds() >= budget;
}

std::vector<int> Search::NextWave() {
  for (int i = 0; i < state_.trials_size(); ++i) {
    search::Trial& trial = *state_.mutable_trials(i);
    if (trial.ended() || trial.starts() < kMostStarts) continue;
    trial.set_ended(true);
    trial.set_failure(absl::StrCat("begun ", kMostStarts, " times, and never ended"));
    options_.reporter->Say(DescribeTrial(space_, metric_, state_, i));
  }
  return schedule_.NextWave(OutOfBudget(), &state_);
}

absl::StatusOr<LoadedJob> Search::JobOfTrial(int number) const {
  const search::Trial& trial = state_.trials(number);
  Overrides own = {SetDirectory("output.dir", TrialProcess::ModelPath(store_.TrialDir(number)))};
  if (!job_.config.checkpoint.dir.empty() && space_.TypeOf(PointOf(trial)) == "lr") {
    own.push_back(SetDirectory("checkpoint.dir", store_.CheckpointDir(state_, number)));
  }
  const int parallel = space_.search().parallel;
  if (parallel > 1 && job_.config.train.threads == 0) {  // no model depends on their number
    own.push_back(absl::StrCat("train.threads=", std::max(1, EffectiveCpuCount() / parallel)));
  }
  PS_ASSIGN_OR_RETURN(LoadedJob job, space_.JobOf(PointOf(trial), own));
  if (static_cast<int>(trial.rung()) == top_rung() || !job.config.model.tune) return job;
  own.push_back("model.tune_all_rows=false");  // nobody wants that model; its validation rows are judged the same
  return space_.JobOf(PointOf(trial), own);
}

absl::StatusOr<bool> Search::Begin(int number, TrialProcess::Options* begun) {
  search::Trial& trial = *state_.mutable_trials(number);
  TrialProcess::Options& process = *begun;
  const int rung = static_cast<int>(trial.rung());
  process.directory = store_.TrialDir(number);
  process.flags = options_.flags;
  if (rung < top_rung()) {
    process.flags.push_back(absl::StrFormat("--train_part=%.17g", SearchSchedule::PartOf(rung, top_rung())));
  } else if (HasRowLosses(metric_)) {
    process.flags.push_back("--valid_losses=" + store_.LossesPath(number));
  }
  process.metric = metric_;
  process.stop = options_.stop;
  if (space_.search().budget_seconds > 0 && BestTrial(state_) >= 0) {
    const double left = std::max(0.0, space_.search().budget_seconds - state_.seconds());
    process.deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(left));
  }
  PS_RETURN_IF_ERROR(RemoveTree(process.directory));
  PS_RETURN_IF_ERROR(MakeDirs(process.directory));
  const absl::StatusOr<LoadedJob> job = JobOfTrial(number);
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
      const double earlier = state_.trials(wave[i]).seconds();  // on other rungs
      state_.set_seconds(std::max(state_.seconds(), seconds_before + trial.seconds() - earlier));
      *state_.mutable_trials(wave[i]) = trial;
      saved.Update(store_.Save(state_));
    });
  }
  PS_RETURN_IF_ERROR(store_.Save(state_));
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
  const int best = BestTrial(state_);
  CompareWithBest(store_, metric_, &state_);
  PS_RETURN_IF_ERROR(store_.Save(state_));
  for (const int number : wave) {
    const search::Trial& trial = state_.trials(number);
    if (!trial.ended()) continue;
    std::string text = DescribeTrial(space_, metric_, state_, number);
    const bool judged = JudgedRung(trial) == top_rung(), new_best = number == best && best_ >= 0 && best_ != best;
    const std::string gap = !judged ? "" : DescribeGap(state_, new_best ? best_ : number);
    if (!gap.empty()) {
      absl::StrAppend(&text, new_best ? "; ahead of trial " : "; behind trial ", (new_best ? best_ : best) + 1, " by ", gap);
    } else if (number != best && best >= 0 && (judged || !trial.failure().empty())) {
      absl::StrAppendFormat(&text, "; best: trial %d, %.5f", best + 1, std::fabs(state_.trials(best).loss()));
    }
    options_.reporter->Say(text);
    if (state_.trials(number).rung() > 0) continue;  // it has warned on fewer rows
    for (const std::string& warning : NewWarnings(state_, number)) options_.reporter->Say(absl::StrCat("trial ", number + 1, ": ", warning));
  }
  best_ = best;
  for (int i = 0; i < state_.trials_size(); ++i) {  // logs of those that failed stay, too
    if (i != best && state_.trials(i).failure().empty()) PS_RETURN_IF_ERROR(RemoveTree(store_.TrialDir(i)));
  }
  return absl::OkStatus();
}

std::string Search::BeginText(int number) const {
  const search::Trial& trial = state_.trials(number);
  const int rung = static_cast<int>(trial.rung());
  const std::string part = SearchSchedule::PartName(rung, top_rung());
  if (rung > 0) return absl::StrCat("trial ", number + 1, " goes on, to ", part);
  return absl::StrCat("trial ", number + 1, " of at most ", most_, " begins", top_rung() > 0 ? " on " + part : "", ": ",
                      space_.Describe(PointOf(trial)));
}

bool Search::TakeEnds(const std::vector<int>& wave, const std::vector<TrialProcess::End>& ends, bool* complete) {
  bool goes_on = true;
  for (std::size_t i = 0; i < wave.size(); ++i) {
    search::Trial& trial = *state_.mutable_trials(wave[i]);
    if (ends[i] == TrialProcess::End::kEnded) continue;
    const bool out_of_time = ends[i] == TrialProcess::End::kOutOfTime;
    goes_on = false;
    *complete &= out_of_time;
    trial.set_starts(trial.starts() - 1);  // that was no trial's fault
    // Else the same command would find some time left, and begin it again.
    if (out_of_time) state_.set_seconds(std::max(state_.seconds(), space_.search().budget_seconds));
    options_.reporter->Say(absl::StrCat("trial ", wave[i] + 1, " is given up: ", out_of_time ? "the budget is used up" : "stopped"));
  }
  return goes_on;
}

absl::StatusOr<JobSearch::Result> Search::Run() {
  PS_ASSIGN_OR_RETURN(const std::unique_ptr<BundleWriter> writer, BundleWriter::Create(job_.config.output.dir));
  PS_RETURN_IF_ERROR(store_.Load(&state_));
  best_ = BestTrial(state_);
  options_.reporter->Say(JobSearch::Describe(space_, job_.config.output.dir));
  bool complete = true;
  bool goes_on = true;
  for (std::vector<int> wave; goes_on && !(wave = NextWave()).empty();) {
    complete = !options_.stop->load();
    if (!complete) break;
    if (store_.finished()) PS_RETURN_IF_ERROR(store_.TakeFinished(state_));
    for (const int number : wave) options_.reporter->Say(BeginText(number));
    PS_ASSIGN_OR_RETURN(const std::vector<TrialProcess::End> ends, RunWave(wave));
    goes_on = TakeEnds(wave, ends, &complete);
    PS_RETURN_IF_ERROR(AfterWave(wave));
  }
  return Finish(writer.get(), complete);
}

absl::StatusOr<JobSearch::Result> Search::Finish(BundleWriter* writer, bool complete) {
  const int best = BestTrial(state_);
  if (best < 0 && !complete) {
    return absl::CancelledError(top_rung() == 0 ? "stopped before a trial had ended" : "stopped before a trial had learnt all rows");
  }
  if (best < 0) {
    return absl::InvalidArgumentError(absl::StrCat("all trials failed (logs are in ", store_.dir(), "); the last: ", DescribeTrial(space_, metric_, state_, state_.trials_size() - 1)));
  }
  CompareWithBest(store_, metric_, &state_);  // a kill may have come before that
  JobSearch::Result result;
  result.complete = complete;
  result.without_test = state_.trials(best).without_test();
  const SearchOutput output(job_, space_, metric_, state_, store_.TrialDir(best));
  PS_ASSIGN_OR_RETURN(result.text, output.Text());
  // Of one that was over and had nothing left to do, everything is there.
  if (!store_.finished()) PS_RETURN_IF_ERROR(output.Write(writer, complete));
  if (complete || store_.finished()) {
    // The model is there: what cannot be removed does not make it a failure.
    const absl::Status removed = store_.RemoveCheckpoints(state_);
    if (!removed.ok()) options_.reporter->Say(absl::StrCat("search: checkpoints are left: ", removed.message()));
    PS_RETURN_IF_ERROR(RemoveTree(store_.dir()));
  }
  return result;
}

}  // namespace

std::string JobSearch::Describe(const SearchSpace& space, const std::string& output_dir) {
  const double budget = space.search().budget_seconds;
  const std::uint64_t jobs = CountJobs(space, kMostCounted);
  return absl::StrCat("search: at most ", Most(space), " trials", budget > 0 ? absl::StrCat(" within ", FormatDuration(budget)) : "",
                      " of ", jobs == kMostCounted ? "more than " : "", jobs, " jobs, in ", SearchStore::DirOf(output_dir),
                      space.search().halving ? "; halving: the best third goes on, from 1/9 of the training rows to 1/3 and all" : "");
}

absl::StatusOr<JobSearch::Result> JobSearch::Run(const LoadedJob& job, const SearchSpace& space, const Options& options) {
  return Search(job, space, options).Run();
}

}  // namespace ps
