#include "trainer/gbdt/tree_tuning.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "models/config/tuned_job.h"
#include "ps/base/cgroup.h"
#include "ps/base/status_macros.h"
#include "trainer/gbdt/tree_race.h"
#include "trainer/gbdt/tree_runs.h"
#include "trainer/pass_log.h"

namespace ps {
namespace {

using Clock = TreeRuns::Clock;

constexpr int kTimedTrees = 3;        // grown first to learn what a tree takes
constexpr double kMostTrainings = 100;  // more finds what the held-out rows have by chance
constexpr int kFewestTrainings = 3;
constexpr double kUsualPatience = 0.1;  // of the trees

TreeRuns::Options RunsOf(const TreeTuningJob& tuning) {
  const JobConfig& config = tuning.job->config;
  const auto& early = config.train.early_stopping;
  TreeRuns::Options options;
  options.train = tuning.train;
  options.held_out = tuning.held_out;
  options.columns = tuning.columns;
  options.squared = config.model.gbdt.objective == "squared";
  options.offset = tuning.offset;
  options.classes = tuning.classes;
  options.seed = config.train.seed;
  options.threads = tuning.job->threads;
  options.patience_trees = config.model.gbdt.trees;
  options.patience = early ? early->patience : static_cast<int>(std::ceil(kUsualPatience * options.patience_trees));
  options.min_delta = early ? early->min_delta : 0;
  options.stop = tuning.stop;
  return options;
}

class TreeTuning {
 public:
  explicit TreeTuning(const TreeTuningJob& tuning)
      : tuning_(tuning),
        config_(tuning.job->config),
        runs_(RunsOf(tuning)),
        race_({config_.model.gbdt, config_.train.seed, tuning.held_out->weights}),
        start_(Clock::now()) {}

  absl::StatusOr<TunedTrees> Tune();

 private:
  double Seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  double TreesLeft() const;
  void TimeSomeTrees();
  void RunRound(const std::vector<TreeRace::Entrant>& entrants);
  void Done(const TreeRun& run);
  ProgressLine Line() const;

  const TreeTuningJob& tuning_;
  const JobConfig& config_;
  const TreeRuns runs_;
  TreeRace race_;
  const Clock::time_point start_;
  std::optional<Clock::time_point> deadline_;
  double timed_rate_ = 0, timed_seconds_ = 0;  // trees a second at first, and how long that took
  double budget_trees_ = 0;
  std::vector<Tree> best_;
  std::mutex mutex_;
  std::uint64_t done_trees_ = 0;  // guarded by mutex_ while a round runs
};

double TreeTuning::TreesLeft() const {
  const double training = config_.model.gbdt.trees, grown = static_cast<double>(race_.grown());
  if (!deadline_) return config_.tune->trainings * training - grown;
  const double seconds = Seconds();
  const double rate = grown > 0 ? grown / (seconds - timed_seconds_) : timed_rate_;
  const double left = std::max(0.0, config_.tune->budget_seconds - seconds) * rate;
  return std::min(left, kMostTrainings * training - grown);
}

void TreeTuning::TimeSomeTrees() {
  const auto at_once = static_cast<std::size_t>(runs_.AtOnce(static_cast<std::size_t>(tuning_.job->threads)));
  GbdtConfig setting = config_.model.gbdt;
  setting.trees = std::min(setting.trees, kTimedTrees);
  const std::vector<TreeRace::Entrant> entrants(at_once, {0, setting});
  double grown = 0;
  for (const TreeRuns::Grown& one : runs_.TrainAll(entrants, deadline_, [](const TreeRun&) {})) grown += one.run.grown;
  timed_seconds_ = Seconds();
  timed_rate_ = grown / std::max(1e-9, timed_seconds_);
}

ProgressLine TreeTuning::Line() const {
  ProgressLine line;
  line.pass = static_cast<int>(done_trees_);
  line.passes = std::max(line.pass, static_cast<int>(budget_trees_));
  line.rows = done_trees_ * tuning_.train->rows;
  line.elapsed_seconds = Seconds();
  line.rows_per_second = static_cast<double>(line.rows) / std::max(1e-9, line.elapsed_seconds);
  line.fraction_read = std::min(1.0, static_cast<double>(line.pass) / line.passes);
  line.eta_seconds = line.elapsed_seconds / std::max(1, line.pass) * (line.passes - line.pass);
  line.features = tuning_.columns->size();
  line.resident_bytes = ResidentBytes();
  if (!std::isfinite(race_.best_loss())) return line;
  if (config_.model.gbdt.objective == "squared") {
    line.valid_rmse = std::sqrt(race_.best_loss());
  } else {
    line.valid_logloss = race_.best_loss();
  }
  return line;
}

void TreeTuning::Done(const TreeRun& run) {
  const std::lock_guard<std::mutex> lock(mutex_);
  done_trees_ += static_cast<std::uint64_t>(run.grown);
  tuning_.reporter->Tick(Line());
}

void TreeTuning::RunRound(const std::vector<TreeRace::Entrant>& entrants) {
  std::vector<TreeRuns::Grown> grown =
      runs_.TrainAll(entrants, deadline_, [this](const TreeRun& run) { Done(run); });
  std::vector<TreeRun> runs;
  for (TreeRuns::Grown& one : grown) runs.push_back(std::move(one.run));
  if (!race_.Judge(std::move(runs))) return;
  if (race_.best_of_round() >= 0) best_ = std::move(grown[static_cast<std::size_t>(race_.best_of_round())].trees);
  tuning_.reporter->Say(race_.news());
}

absl::StatusOr<TunedTrees> TreeTuning::Tune() {
  if (tuning_.held_out->rows == 0) {
    return absl::InvalidArgumentError("tune: there are no validation rows to judge by: give more data, or a larger "
                                      "data.split.valid");
  }
  if (config_.tune->budget_seconds > 0) {
    deadline_ = start_ + std::chrono::duration_cast<Clock::duration>(
                             std::chrono::duration<double>(config_.tune->budget_seconds));
    TimeSomeTrees();
  }
  budget_trees_ = TreesLeft();
  if (const double trainings = budget_trees_ / config_.model.gbdt.trees; trainings < kFewestTrainings) {
    tuning_.reporter->Say(absl::StrFormat(
        "tune.budget: time for about %.1f trainings of %d trees only; give more, or fewer model.gbdt.trees", trainings,
        config_.model.gbdt.trees));
  }
  while (!tuning_.stop->load() && (!deadline_ || Clock::now() < *deadline_)) {
    const std::vector<TreeRace::Entrant> entrants = race_.NextRound(TreesLeft());
    if (entrants.empty()) break;
    if (race_.grown() > 0) tuning_.reporter->Report(Line());  // the last line is Final's
    RunRound(entrants);
  }
  tuning_.reporter->Final(Line());
  if (race_.grown() == 0) return StoppedBeforeLearningError();
  if (best_.empty()) return DivergedError(tuning_.train->rows, true);
  TunedTrees tuned;
  tuned.setting = race_.best();
  tuned.trees = std::move(best_);
  tuned.grown = race_.grown();
  tuned.trace_json = race_.TraceJson();
  tuned.setting_text = SettingText(tuned.setting);
  PS_ASSIGN_OR_RETURN(tuned.job_yaml, TunedTreesYaml(tuning_.job->effective_yaml, tuned.setting));
  return tuned;
}

}  // namespace

absl::StatusOr<TunedTrees> TuneTrees(const TreeTuningJob& job) { return TreeTuning(job).Tune(); }

}  // namespace ps
