#include "trainer/tuned_trainer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "models/config/load.h"
#include "models/config/tuned_job.h"
#include "ps/base/status_macros.h"
#include "trainer/tuning/fold_choice.h"
#include "trainer/tuning/lane_search.h"

namespace ps {
namespace {

// The best are shown.
constexpr std::size_t kMostTold = 20;

// Another job with the features of `job`.
absl::StatusOr<PreparedJob> JobLike(const PreparedJob& job, const JobConfig& config) {
  PreparedJob like;
  like.config = config;
  like.effective_yaml = job.effective_yaml;
  PS_ASSIGN_OR_RETURN(like.train, DataFiles::Open(config.data.train.files));
  if (config.data.test.set()) like.test = job.test;
  PS_ASSIGN_OR_RETURN(like.extractor, Extractor::Parse(job.extractor->Serialize()));
  like.start_features = job.start_features;
  like.threads = job.threads;
  return like;
}

// Folds of the part that split.valid holds out; there is one where files name the validation rows.
int FoldsOf(const SplitConfig& split) {
  constexpr double kRounding = 1e-9;
  return split.valid > 0 ? static_cast<int>((1 - split.test) / split.valid + kRounding) : 1;
}

}  // namespace

TunedTrainer::TunedTrainer(const PreparedJob* job, MakeTrainer make, ProgressReporter* reporter, const std::atomic<bool>* stop)
    : job_(*job), make_(std::move(make)), reporter_(*reporter), stop_(*stop) {
  stages_.push_back(std::make_unique<Stage>(Stage{nullptr, make_(job)}));
  model_ = stages_[0].get();
}

absl::StatusOr<TunedTrainer::Stage*> TunedTrainer::AddStage(JobConfig config, const std::string& name) {
  // What trainings keep must not be taken for each other's.
  config.output.dir = absl::StrCat(absl::StripSuffix(config.output.dir, "/"), ".", name);
  if (config.train.row_cache.empty()) config.train.row_cache = job_.config.output.dir + ".cache";
  if (!config.checkpoint.dir.empty()) config.checkpoint.dir = absl::StrCat(absl::StripSuffix(config.checkpoint.dir, "/"), "/", name);
  PS_ASSIGN_OR_RETURN(PreparedJob job, JobLike(job_, config));
  stages_.push_back(std::make_unique<Stage>(Stage{std::make_unique<PreparedJob>(std::move(job)), nullptr}));
  Stage* const stage = stages_.back().get();
  stage->trainer = make_(stage->job.get());
  return stage;
}

void TunedTrainer::Release(Stage* stage) {
  if (job_.config.checkpoint.dir.empty()) stage->trainer.reset();
}

absl::StatusOr<bool> TunedTrainer::ChooseOverFolds(JobResult* tuned) {
  const int folds = FoldsToJudgeBy(tuned->rows_valid, FoldsOf(job_.config.data.split));
  if (folds == 1) return true;
  std::vector<TuningTrace> traces = {model_->trainer->trace()};
  for (int fold = 1; fold < folds; ++fold) {
    reporter_.Say(absl::StrCat("tune: ", tuned->rows_valid, " validation rows are few: fold ", fold + 1, " of ", folds));
    JobConfig config = job_.config;
    config.data.split.valid_fold = fold;
    config.data.test = {};
    PS_ASSIGN_OR_RETURN(Stage* const stage, AddStage(std::move(config), absl::StrCat("fold-", fold + 1)));
    const absl::StatusOr<JobResult> result = stage->trainer->Train();
    if (stop_.load() || (result.ok() && !result->complete)) return false;
    PS_RETURN_IF_ERROR(result.status());
    traces.push_back(stage->trainer->trace());
    Release(stage);
  }
  TuningTrace& trace = traces[0];
  std::vector<TuningTrace::Candidate> candidates = RankOverFolds(traces);
  if (candidates.empty()) return true;  // no lane was alive in all of them: the first one's choice stays
  const TuningTrace::Candidate best = candidates[0];
  candidates.resize(std::min(candidates.size(), kMostTold));
  trace.folds = folds;
  trace.candidates = std::move(candidates);
  trace.lanes[trace.chosen].end = "lost";
  trace.lanes[best.lane].end = "chosen";
  trace.chosen = best.lane;
  TuningResult& tuning = *tuned->tuning;
  tuning.optimizer_yaml = SettingYaml(trace.lanes[best.lane].setting);
  tuning.trace_json = trace.ToJson();
  tuning.all_rows_passes = best.pass;
  PS_ASSIGN_OR_RETURN(tuning.job_yaml, TunedLrYaml(job_.effective_yaml, tuning.optimizer_yaml, best.pass));
  return true;
}

absl::StatusOr<JobResult> TunedTrainer::Train() {
  PS_ASSIGN_OR_RETURN(JobResult tuned, model_->trainer->Train());
  if (!tuned.complete || !tuned.tuning->all_rows_passes) return tuned;
  // What the model is that a stop leaves: that of the first fold.
  const TuningResult first = *tuned.tuning;
  const auto stopped = [&] {
    stopped_ = true;
    tuned.tuning = first;
    tuned.complete = false;
    return std::move(tuned);
  };
  PS_ASSIGN_OR_RETURN(const bool chosen, ChooseOverFolds(&tuned));
  if (!chosen) return stopped();
  reporter_.Say(absl::StrCat("tuned: ", tuned.tuning->optimizer_yaml, ", passes: ", *tuned.tuning->all_rows_passes,
                             "; now on all rows, those of validation too"));
  PS_ASSIGN_OR_RETURN(const LoadedJob loaded, ParseJob(tuned.tuning->job_yaml, kTunedJobName, {}));
  JobConfig config = loaded.config;
  config.data.split.train_part = job_.config.data.split.train_part;
  PS_ASSIGN_OR_RETURN(Stage* const again, AddStage(std::move(config), "all-rows"));
  absl::StatusOr<JobResult> result = again->trainer->Train();
  // That model is better than a part of this one.
  if (stop_.load() || (result.ok() && !result->complete)) return stopped();
  PS_RETURN_IF_ERROR(result.status());
  Release(model_);
  model_ = again;
  result->valid = tuned.valid;
  result->rows_valid = tuned.rows_valid;
  result->train_seconds += tuned.train_seconds;
  result->tuning = std::move(tuned.tuning);
  return result;
}

absl::Status TunedTrainer::Export(BundleWriter* writer, BundleInfo* info) {
  PS_RETURN_IF_ERROR(model_->trainer->Export(writer, info));
  if (stopped_) info->complete = false;
  return absl::OkStatus();
}

absl::Status TunedTrainer::AfterExport() {
  absl::Status status;
  for (const std::unique_ptr<Stage>& stage : stages_) {
    if (stage->trainer != nullptr) status.Update(stage->trainer->AfterExport());
  }
  return status;
}

}  // namespace ps
