#include "trainer/embedded/embedded_trainer.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_format.h"
#include "models/config/tuned_job.h"
#include "models/data/bad_rows.h"
#include "ps/base/seconds.h"
#include "ps/base/status_macros.h"
#include "trainer/embedded/embedded_run.h"
#include "trainer/embedded/export_weights.h"
#include "trainer/row_losses.h"
#include "trainer/warm_start.h"

namespace ps {
namespace {

// Rows for later passes and hold-out rows stay in memory up to this; beyond it they go to a file.
constexpr std::uint64_t kSpoolMemory = 64u << 20;

bool HasValidation(const DataConfig& data) { return data.valid.set() || data.split.valid > 0; }

// Null: the job gives the optimiser's settings.
std::unique_ptr<Tuner> MakeTuner(const JobConfig& config) {
  if (!config.model.tune) return nullptr;
  return std::make_unique<Tuner>(config.train.passes > 1 && HasValidation(config.data), kMostLanes,
                                 !config.model.warm_start.empty());
}

// Null: nothing is solved over all rows (newton_cg), nor may be in the end.
std::unique_ptr<IdGroups> MakeGroups(const PreparedJob& job) {
  const ModelConfig& model = job.config.model;
  const bool may = model.tune ? job.config.train.passes > 1 && HasValidation(job.config.data) && model.warm_start.empty()
                              : model.optimizer.type == OptimizerType::kNewtonCg;
  return may ? std::make_unique<IdGroups>(job.extractor->MakeKeyGroups()) : nullptr;
}

}  // namespace

EmbeddedTrainer::Run::Run(const PreparedJob* job, ProgressReporter* reporter, const std::atomic<bool>* stop)
    : job_(*job),
      stop_(*stop),
      parser_(job->extractor->MakeParser()),
      tuner_(MakeTuner(job->config)),
      model_({tuner_ ? tuner_->Settings() : std::vector{ParamsOf(job->config.model.optimizer)},
              job->config.model.bias, job->config.model.min_count, job->threads}),
      groups_(MakeGroups(*job)),
      fit_(tuner_ || !groups_ ? nullptr : std::make_unique<NewtonFit>(groups_.get(), job->threads, stop)),
      split_(job->config.train.seed, job->config.data.split, job->config.data.keep_negatives),
      scores_(&model_, MarginOffset(job->config.data)),
      log_(reporter, job->config.train.passes),
      rows_(CacheDir(), kSpoolMemory),
      valid_(CacheDir(), kSpoolMemory),
      test_(CacheDir(), kSpoolMemory) {}

absl::Status EmbeddedTrainer::Run::WarmStart() {
  PS_ASSIGN_OR_RETURN(const std::unique_ptr<Bundle> bundle, OpenWarmStart(job_));
  if (bundle == nullptr) return absl::OkStatus();
  DenseModel::Scratch scratch;
  model_.SetWeights(bundle->keys(), bundle->weights(), &scratch);
  if (job_.config.model.bias) model_.SetBias(static_cast<float>(bundle->info().bias));
  return absl::OkStatus();
}

void EmbeddedTrainer::Run::SayNews() {
  if (model_.steps() == nullptr) return;
  if (const std::string news = model_.steps()->TakeNews(); !news.empty()) log_.Say(news);
}

absl::Status EmbeddedTrainer::Run::ReportLine() {
  SayNews();
  if (valid_.rows() > 0) {
    PS_ASSIGN_OR_RETURN(last_valid_, scores_.Evaluate(valid_, Leader()));
    log_.SetValid(*last_valid_);
  }
  log_.Report(model_.features());
  return absl::OkStatus();
}

absl::Status EmbeddedTrainer::Run::SpoolFiles(const DataFiles& files, RowSpool* spool) {
  BadRows bad_rows(&files, job_.config.data.max_bad_rows);
  PS_RETURN_IF_ERROR(TextPass::Run(
      files, *parser_, nullptr, &bad_rows, {.threads = job_.threads, .stop = &stop_}, ResolveNew(),
      ResolveNew(), [&](const PassBlock& block) {
        const absl::Status ids = model_.CheckIds();
        return ids.ok() ? spool->Append(block.train) : ids;
      }));
  if (bad_rows.bad_rows() > 0) log_.Say(bad_rows.Describe());
  return absl::OkStatus();
}

absl::StatusOr<Metrics> EmbeddedTrainer::Run::EvaluateFiles(const DataFiles& files) {
  MetricState metrics;
  BadRows bad_rows(&files, job_.config.data.max_bad_rows);
  const TextPass::Resolve find = [this](const RowBlock& rows, DenseModel::Scratch* scratch,
                                        ResolvedBlock* out) { model_.Find(rows, scratch, out); };
  PS_RETURN_IF_ERROR(TextPass::Run(files, *parser_, nullptr, &bad_rows, {.threads = job_.threads},
                                   find, find, [&](const PassBlock& block) {
                                     return scores_.Add(block.train, Leader(), &metrics);
                                   }));
  if (bad_rows.bad_rows() > 0) log_.Say(bad_rows.Describe());
  return metrics.Finish();
}

absl::StatusOr<bool> EmbeddedTrainer::Run::EarlyStop(int pass) {
  const auto& early = job_.config.train.early_stopping;
  if (!early || valid_.rows() == 0) return false;
  PS_ASSIGN_OR_RETURN(last_valid_, scores_.Evaluate(valid_, Leader()));
  if (last_valid_->logloss < best_logloss_ - early->min_delta) {
    best_logloss_ = last_valid_->logloss;
    passes_since_best_ = 0;
    result_.best_pass = pass;
    PS_RETURN_IF_ERROR(model_.Settle());
    best_state_ = model_.CopyLane(Leader());
    if (tuner_) best_lane_ = tuner_->leader_number();
    return false;
  }
  return ++passes_since_best_ >= early->patience && !(tuner_ && tuner_->improving());
}

absl::Status EmbeddedTrainer::Run::ChooseModel() {
  const bool restore = !best_state_.empty();
  if (tuner_ && !restore) ChangeLanes(tuner_->Finish());
  const int raced = !tuner_ ? 0 : restore ? best_lane_ : tuner_->leader_number();
  if (restore) model_.RestoreState(tuner_ ? tuner_->SettingOf(raced) : model_.lanes()[0], best_state_);
  if (!tuner_) return absl::OkStatus();
  bool solved = false;  // over all rows, in place of a lane after some pass
  if (!tuner_->deciding() && MaySolveBeside()) {
    PS_ASSIGN_OR_RETURN(const Metrics valid, scores_.Evaluate(valid_, Leader()));
    PS_ASSIGN_OR_RETURN(solved, SolveBeside(raced, valid.logloss));
  }
  if (!solved) tuner_->Choose(raced);
  TuningResult tuning{SettingYaml(model_.lanes()[0]), tuner_->trace().ToJson()};
  // Validation rows that have chosen can be learnt.
  if (!tuner_->deciding() && job_.config.model.tune_all_rows) {
    tuning.all_rows_passes = solved ? 1 : result_.best_pass > 0 ? result_.best_pass : result_.passes;
  }
  PS_ASSIGN_OR_RETURN(tuning.job_yaml,
                      TunedLrYaml(job_.effective_yaml, tuning.optimizer_yaml, tuning.all_rows_passes));
  result_.tuning = std::move(tuning);
  return absl::OkStatus();
}

absl::Status EmbeddedTrainer::Run::Check() {
  PS_RETURN_IF_ERROR(BatchSteps::For(job_).status());
  return OpenWarmStart(job_).status();
}

absl::StatusOr<JobResult> EmbeddedTrainer::Run::Train() {
  if (!solves()) {
    PS_ASSIGN_OR_RETURN(std::unique_ptr<BatchSteps> steps, BatchSteps::For(job_));
    model_.SetSteps(std::move(steps));
    SayNews();
  }
  PS_RETURN_IF_ERROR(WarmStart());
  if (job_.valid) PS_RETURN_IF_ERROR(SpoolFiles(*job_.valid, &valid_));
  const auto start = std::chrono::steady_clock::now();
  for (int pass = 1; pass <= job_.config.train.passes && !stop_.load(); ++pass) {
    PS_RETURN_IF_ERROR(pass == 1 ? FirstPass() : LaterPass(pass));
    if (result_.rows_learnt == 0 && stop_.load()) break;
    if (result_.rows_learnt == 0) {
      return absl::InvalidArgumentError("data.train: there are no rows to learn from");
    }
    if (stop_.load()) break;
    result_.passes = pass;
    if (solves()) break;
    PS_RETURN_IF_ERROR(JudgeLanes(pass));
    PS_ASSIGN_OR_RETURN(const bool enough, EarlyStop(pass));
    if (enough) {
      log_.Say(absl::StrFormat("early stop after pass %d: pass %d had the best validation log loss",
                               pass, result_.best_pass));
      break;
    }
  }
  if (result_.rows_learnt == 0 && stop_.load()) return StoppedBeforeLearningError();
  PS_RETURN_IF_ERROR(model_.Settle());
  SayNews();
  if (model_.steps() != nullptr) result_.device = model_.steps()->device_name();
  model_.SetSteps(nullptr);  // a device's memory may be wanted by the next training of this job
  PS_RETURN_IF_ERROR(solves() ? Solve() : ChooseModel());
  result_.train_seconds = SecondsSince(start);
  if (!solves()) PS_RETURN_IF_ERROR(ReportLine());
  result_.complete = !stop_.load();
  const bool first_fold = job_.config.data.split.valid_fold == 0;  // others would say the same
  if (first_fold && HasOneLabel(result_.train)) log_.Say(OneLabelWarning("data.label.positive"));
  result_.valid = last_valid_;
  result_.rows_valid = valid_.rows();
  if (!job_.valid_losses.empty()) {
    const absl::Status kept = scores_.WriteLosses(valid_, Leader(), job_.valid_losses);
    if (!kept.ok()) log_.Say(LossesNotKept(kept));
  }
  if (job_.test && result_.complete) {
    SetTest(EvaluateFiles(*job_.test), &result_);
  } else if (test_.rows() > 0) {
    SetTest(scores_.Evaluate(test_, Leader()), &result_);
  }
  result_.features = model_.features();
  result_.table_bytes = model_.memory_bytes();
  return result_;
}

absl::Status EmbeddedTrainer::Run::Export(BundleWriter* writer, BundleInfo* info) {
  info->optimizer = OptimizerText(ConfigOf(model_.lanes()[0]));
  info->bias = model_.bias();
  info->margin_offset = MarginOffset(job_.config.data);
  info->rows_learnt = result_.rows_learnt;
  info->complete = result_.complete;
  return ExportWeights(model_, job_.threads, writer, &info->features);
}

EmbeddedTrainer::EmbeddedTrainer(const PreparedJob* job, ProgressReporter* reporter,
                                 const std::atomic<bool>* stop)
    : run_(std::make_unique<Run>(job, reporter, stop)) {}
EmbeddedTrainer::~EmbeddedTrainer() = default;
absl::Status EmbeddedTrainer::Check() { return run_->Check(); }
absl::StatusOr<JobResult> EmbeddedTrainer::Train() { return run_->Train(); }
const TuningTrace& EmbeddedTrainer::trace() const { return run_->trace(); }
absl::Status EmbeddedTrainer::Export(BundleWriter* writer, BundleInfo* info) {
  return run_->Export(writer, info);
}

}  // namespace ps
