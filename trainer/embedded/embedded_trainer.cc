#include "trainer/embedded/embedded_trainer.h"

#include <glog/logging.h>

#include <chrono>
#include <cmath>
#include <utility>

#include "absl/strings/str_format.h"
#include "models/config/tuned_job.h"
#include "models/data/bad_rows.h"
#include "models/data/row_split.h"
#include "ps/base/status_macros.h"
#include "trainer/data_sample.h"
#include "trainer/embedded/dense_model.h"
#include "trainer/embedded/export_weights.h"
#include "trainer/embedded/held_out_scores.h"
#include "trainer/embedded/row_spool.h"
#include "trainer/embedded/spool_pass.h"
#include "trainer/embedded/text_pass.h"
#include "trainer/pass_log.h"
#include "trainer/tuning/tuner.h"
#include "trainer/warm_start.h"

namespace ps {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Rows for later passes and hold-out rows stay in memory up to this; beyond it they go to a file.
constexpr std::uint64_t kSpoolMemory = 64u << 20;

// Features, repeated ones too, of which 16 lanes take at most a gigabyte.
constexpr std::uint64_t kWideRows = 8'000'000;

bool HasValidation(const DataConfig& data) { return data.valid.set() || data.split.valid > 0; }

// Null: the job gives the optimiser's settings.
std::unique_ptr<Tuner> MakeTuner(const JobConfig& config) {
  if (!config.model.tune) return nullptr;
  return std::make_unique<Tuner>(config.train.passes > 1 && HasValidation(config.data), kMostLanes,
                                 !config.model.warm_start.empty());
}

}  // namespace

// The state of one training run.
class EmbeddedTrainer::Run {
 public:
  Run(const PreparedJob* job, ProgressReporter* reporter, const std::atomic<bool>* stop)
      : job_(*job),
        stop_(*stop),
        parser_(job->extractor->MakeParser()),
        tuner_(MakeTuner(job->config)),
        model_({tuner_ ? tuner_->Settings() : std::vector{ParamsOf(job->config.model.optimizer)},
                job->config.model.bias, job->config.model.min_count}),
        split_(job->config.train.seed, job->config.data.split, job->config.data.keep_negatives),
        scores_(&model_, MarginOffset(job->config.data)),
        log_(reporter, job->config.train.passes),
        rows_(CacheDir(), kSpoolMemory),
        valid_(CacheDir(), kSpoolMemory),
        test_(CacheDir(), kSpoolMemory) {}

  absl::StatusOr<JobResult> Train();
  absl::Status Export(BundleWriter* writer, BundleInfo* info);
  const TuningTrace& trace() const { return tuner_->trace(); }

 private:
  std::string CacheDir() const {
    const TrainConfig& train = job_.config.train;
    return train.row_cache.empty() ? job_.config.output.dir + ".cache" : train.row_cache;
  }
  // The lane whose predictions are the model's.
  int Leader() const { return tuner_ ? tuner_->leader() : 0; }
  TextPass::Resolve ResolveNew() {
    return [this](const RowBlock& rows, DenseModel::Scratch* scratch, ResolvedBlock* out) {
      model_.Resolve(rows, scratch, out);
    };
  }
  absl::Status WarmStart();
  absl::Status FirstPass();
  absl::Status LaterPass(int pass);
  // Learns a block and logs what was predicted before. `pass_rows`: rows of the pass, about.
  absl::Status LearnBlock(const ResolvedBlock& block, double fraction_read, double pass_rows);
  absl::Status LearnRows(const ResolvedRows& rows, double fraction_read, double pass_rows);
  void ChangeLanes(std::optional<Tuner::Change> change);
  // At the end of a pass: lanes are judged on validation rows where there are some and passes to come; else one is left.
  absl::Status JudgeLanes(int pass);
  absl::Status SpoolFiles(const DataFiles& files, RowSpool* spool);
  absl::StatusOr<Metrics> EvaluateFiles(const DataFiles& files);
  absl::Status ReportLine();
  void SayNews();  // of how rows are learnt
  // Makes the state that is to be the model the only one.
  absl::Status ChooseModel();
  // Keeps the best state; true when patience has run out.
  absl::StatusOr<bool> EarlyStop(int pass);

  const PreparedJob& job_;
  const std::atomic<bool>& stop_;
  const std::unique_ptr<RowParser> parser_;
  const std::unique_ptr<Tuner> tuner_;  // null: the job gives the optimiser's settings
  DenseModel model_;
  const RowSplit split_;
  HeldOutScores scores_;
  PassLog log_;
  RowSpool rows_, valid_, test_;
  std::vector<float> margins_;
  JobResult result_;

  std::optional<Metrics> last_valid_;
  double best_logloss_ = INFINITY;
  int passes_since_best_ = 0;
  std::vector<float> best_state_;
  int best_lane_ = 0;                // its number, of a tuner
  std::uint64_t ids_since_decision_ = 0;  // of a tuner: learnt, padding too
  std::uint64_t lines_ = 0;          // of the first pass, read so far
};

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
    PS_RETURN_IF_ERROR(model_.Settle());
    PS_ASSIGN_OR_RETURN(last_valid_, scores_.Evaluate(valid_, Leader()));
    log_.SetValid(*last_valid_);
  }
  log_.Report(model_.features());
  return absl::OkStatus();
}

absl::Status EmbeddedTrainer::Run::LearnBlock(const ResolvedBlock& block, double fraction_read,
                                              double pass_rows) {
  std::size_t done = 0;
  do {
    std::size_t count = block.rows() - done;
    if (model_.lanes().size() > 1) count = std::min(count, tuner_->RowsToLook());
    PS_RETURN_IF_ERROR(LearnRows(block.View(done, count), fraction_read, pass_rows));
    done += count;
  } while (done < block.rows());
  if (log_.IsDue()) return ReportLine();
  return absl::OkStatus();
}

absl::Status EmbeddedTrainer::Run::LearnRows(const ResolvedRows& rows, double fraction_read,
                                             double pass_rows) {
  PS_RETURN_IF_ERROR(model_.Learn(rows, &margins_));
  const absl::Span<const float> labels(rows.labels, rows.rows);
  const absl::Span<const float> weights(rows.weights, rows.weights == nullptr ? 0 : rows.rows);
  const bool race = model_.lanes().size() > 1;
  if (race) {
    tuner_->Observe(margins_, labels, weights);
    KeepLane(Leader(), model_.lanes().size(), &margins_);
  }
  log_.Add(margins_, labels, weights, fraction_read);
  result_.rows_learnt += rows.rows;
  if (race ? tuner_->AllDiverged() : log_.diverged()) {
    return DivergedError(result_.rows_learnt, tuner_ != nullptr);
  }
  if (race) {
    ids_since_decision_ += rows.row_begin[rows.rows] - rows.row_begin[0];
    // Rows may be so wide that memory asks for a decision before their number does.
    const bool wide = model_.lanes().size() > 4 && ids_since_decision_ > kWideRows;
    if (tuner_->IsDue() || (tuner_->deciding() && wide)) {
      ids_since_decision_ = 0;
      PS_RETURN_IF_ERROR(model_.Settle());
      ChangeLanes(tuner_->Decide(pass_rows, model_.LearntFeatures()));
    }
  }
  return absl::OkStatus();
}

void EmbeddedTrainer::Run::ChangeLanes(std::optional<Tuner::Change> change) {
  if (change) model_.ChangeLanes(std::move(change->settings), change->origins);
  if (const std::string news = tuner_->TakeNews(); !news.empty()) log_.Say(news);
}

absl::Status EmbeddedTrainer::Run::JudgeLanes(int pass) {
  if (!tuner_) return absl::OkStatus();
  const bool last = pass == job_.config.train.passes || valid_.rows() == 0;
  if (valid_.rows() > 0 && job_.config.train.passes > 1) {
    LaneRecord record(tuner_->lanes(), LaneRecord::Rows::kAllAlike);
    PS_RETURN_IF_ERROR(scores_.Record(valid_, &record));
    const auto& early = job_.config.train.early_stopping;
    ChangeLanes(tuner_->DecideOnValidation(record, pass, early ? early->patience : Tuner::kUsualPatience));
  }
  if (last) ChangeLanes(tuner_->Finish());
  return absl::OkStatus();
}

absl::Status EmbeddedTrainer::Run::FirstPass() {
  const auto start = Clock::now();
  BadRows bad_rows(&job_.train, job_.config.data.max_bad_rows);
  const double stored_bytes = static_cast<double>(job_.train.stored_bytes());
  double lines = 0;  // of all the data, which only a tuner asks for
  if (tuner_) {
    PS_ASSIGN_OR_RETURN(lines, EstimateLines(job_.train));
  }
  const bool keep_rows = job_.config.train.passes > 1;
  log_.BeginPass(1);
  // Which appearance of a key is its min_count-th depends on the order, so counting takes its turn.
  const bool admission = job_.config.model.min_count > 1;
  absl::Status status = TextPass::Run(
      job_.train, *parser_, &split_, &bad_rows,
      {.threads = job_.threads, .resolve_in_order = admission, .stop = &stop_},
      [this, admission](const RowBlock& rows, DenseModel::Scratch* scratch, ResolvedBlock* out) {
        admission ? model_.ResolveAdmitted(rows, scratch, out) : model_.Resolve(rows, scratch, out);
      },
      ResolveNew(),
      [&](const PassBlock& block) -> absl::Status {
        result_.rows_read += block.train.rows();
        result_.rows_dropped += block.dropped_rows;
        if (keep_rows) PS_RETURN_IF_ERROR(rows_.Append(block.train));
        PS_RETURN_IF_ERROR(valid_.Append(block.valid));
        PS_RETURN_IF_ERROR(test_.Append(block.test));
        lines_ += block.good_rows + block.bad_rows;
        return LearnBlock(block.train, stored_bytes > 0 ? block.stored_bytes_read / stored_bytes : 1,
                          lines * static_cast<double>(result_.rows_read) / static_cast<double>(lines_));
      });
  result_.bad_rows = bad_rows.bad_rows();
  // Line numbers cost reading the data again up to them: not while somebody waits for the end.
  if (bad_rows.bad_rows() > 0 && status.ok() && !stop_.load()) log_.Say(bad_rows.Describe());
  PS_RETURN_IF_ERROR(status);
  result_.last_pass_seconds = SecondsSince(start);
  result_.last_pass_rows = result_.rows_learnt;
  result_.train = log_.PassMetrics();
  return absl::OkStatus();
}

absl::Status EmbeddedTrainer::Run::LaterPass(int pass) {
  const auto start = Clock::now();
  const std::uint64_t rows_before = result_.rows_learnt;
  log_.BeginPass(pass);
  std::uint64_t learnt = 0;
  const double all = static_cast<double>(rows_.rows());
  PS_RETURN_IF_ERROR(SpoolPass(rows_, stop_, [&](const ResolvedBlock& block) {
    result_.rows_read += block.rows();
    learnt += block.rows();
    return LearnBlock(block, static_cast<double>(learnt) / all, all);
  }));
  result_.last_pass_seconds = SecondsSince(start);
  result_.last_pass_rows = result_.rows_learnt - rows_before;
  return absl::OkStatus();
}

absl::Status EmbeddedTrainer::Run::SpoolFiles(const DataFiles& files, RowSpool* spool) {
  BadRows bad_rows(&files, job_.config.data.max_bad_rows);
  PS_RETURN_IF_ERROR(TextPass::Run(
      files, *parser_, nullptr, &bad_rows, {.threads = job_.threads, .stop = &stop_}, ResolveNew(),
      ResolveNew(), [&](const PassBlock& block) { return spool->Append(block.train); }));
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
                                     scores_.Add(block.train, Leader(), &metrics);
                                     return absl::OkStatus();
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
    best_state_ = model_.CopyLane(Leader());
    if (tuner_) best_lane_ = tuner_->leader_number();
    return false;
  }
  return ++passes_since_best_ >= early->patience && !(tuner_ && tuner_->improving());
}

absl::Status EmbeddedTrainer::Run::ChooseModel() {
  const bool restore = !best_state_.empty();
  if (tuner_ && !restore) ChangeLanes(tuner_->Finish());
  if (tuner_) tuner_->Choose(restore ? best_lane_ : tuner_->leader_number());
  if (restore) {
    model_.RestoreState(tuner_ ? tuner_->SettingOf(best_lane_) : model_.lanes()[0], best_state_);
  }
  if (!tuner_) return absl::OkStatus();
  TuningResult tuning{SettingYaml(model_.lanes()[0]), tuner_->trace().ToJson()};
  // Validation rows that have chosen can be learnt.
  if (!tuner_->deciding() && job_.config.model.tune_all_rows) {
    tuning.all_rows_passes = result_.best_pass > 0 ? result_.best_pass : result_.passes;
  }
  PS_ASSIGN_OR_RETURN(tuning.job_yaml,
                      TunedLrYaml(job_.effective_yaml, tuning.optimizer_yaml, tuning.all_rows_passes));
  result_.tuning = std::move(tuning);
  return absl::OkStatus();
}

absl::StatusOr<JobResult> EmbeddedTrainer::Run::Train() {
  PS_ASSIGN_OR_RETURN(std::unique_ptr<BatchSteps> steps, BatchSteps::For(job_));
  model_.SetSteps(std::move(steps));
  SayNews();
  PS_RETURN_IF_ERROR(WarmStart());
  if (job_.valid) PS_RETURN_IF_ERROR(SpoolFiles(*job_.valid, &valid_));
  const auto start = Clock::now();
  for (int pass = 1; pass <= job_.config.train.passes && !stop_.load(); ++pass) {
    PS_RETURN_IF_ERROR(pass == 1 ? FirstPass() : LaterPass(pass));
    if (result_.rows_learnt == 0 && stop_.load()) break;
    if (result_.rows_learnt == 0) {
      return absl::InvalidArgumentError("data.train: there are no rows to learn from");
    }
    if (stop_.load()) break;
    result_.passes = pass;
    PS_RETURN_IF_ERROR(model_.Settle());
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
  if (model_.steps() != nullptr) result_.device = model_.steps()->device();
  model_.SetSteps(nullptr);  // a device's memory may be wanted by the next training of this job
  PS_RETURN_IF_ERROR(ChooseModel());
  result_.train_seconds = SecondsSince(start);
  PS_RETURN_IF_ERROR(ReportLine());
  result_.complete = !stop_.load();
  if (result_.train.rows > 0 &&
      (result_.train.positives == 0 || result_.train.positives == result_.train.rows)) {
    LOG(WARNING) << "all rows of data.train have the same label: the model can only learn a constant. "
                    "Is data.label.positive right?";
  }
  result_.valid = last_valid_;
  result_.rows_valid = valid_.rows();
  if (job_.test && result_.complete) {
    PS_ASSIGN_OR_RETURN(result_.test, EvaluateFiles(*job_.test));
  } else if (test_.rows() > 0) {
    PS_ASSIGN_OR_RETURN(result_.test, scores_.Evaluate(test_, Leader()));
  }
  if (result_.test) result_.rows_test = static_cast<std::uint64_t>(result_.test->rows);
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
absl::StatusOr<JobResult> EmbeddedTrainer::Train() { return run_->Train(); }
const TuningTrace& EmbeddedTrainer::trace() const { return run_->trace(); }
absl::Status EmbeddedTrainer::Export(BundleWriter* writer, BundleInfo* info) {
  return run_->Export(writer, info);
}

}  // namespace ps
