#include "trainer/cluster_trainer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "models/config/tuned_job.h"
#include "models/data/bad_rows.h"
#include "ps/base/seconds.h"
#include "ps/base/status_macros.h"
#include "ps/wire/curve.h"
#include "trainer/cluster/cluster_checkpoints.h"
#include "trainer/cluster_trainer_run.h"
#include "trainer/progress/progress_line.h"
#include "trainer/row_losses.h"

namespace ps {

// Of a worker that has gone over to its processor both count.
void ClusterTrainer::Run::OnDevices(const WorkerDevices& devices) {
  const std::string name = devices.Name();
  result_.device = !told_devices_ || result_.device == name ? name : WorkerDevices::kSome;
  told_devices_ = true;
  if (job_.config.device == "cuda") log_.Say(absl::StrCat("gradients are computed at ", devices.Text()));
}

void ClusterTrainer::Run::OnLearnt(const LearntRows& rows) {
  std::vector<float> labels(rows.labels.begin(), rows.labels.end());
  log_.Add(rows.margins, labels, rows.weights, rows.fraction);
  result_.rows_learnt += labels.size();
  if (rows.entries > 0) result_.features = FeaturesOf(rows.entries);
  if (log_.IsDue()) log_.Report(result_.features);
}

std::size_t ClusterTrainer::Run::OnLook(std::uint32_t pass, std::uint32_t chunk, std::uint64_t entries) {
  const std::size_t changes = race_->OnLook(pass, chunk, entries);
  racing_ = race_->lanes() > 1;
  TellNews();
  return changes;
}

// What the model is, and why.
absl::Status ClusterTrainer::Run::EndRace() {
  if (!race_) return absl::OkStatus();
  chosen_ = race_->Choose(best_lane_ < 0 ? race_->leader_number() : best_lane_);
  TuningResult tuning{SettingYaml(chosen_), race_->trace().ToJson()};
  // Validation rows that have chosen can be learnt, by nodes that are started once more: in steps, of which another
  // training is what was judged. Without them one may end elsewhere (avazu, alpha .4: log loss .489 to .543 instead
  // of .438).
  const bool repeatable = job_.config.train.staleness == 0 && options_.nodes != Nodes::kJoining;
  if (LanesGoOn(job_.config) && job_.config.model.tune_all_rows && repeatable) {
    tuning.all_rows_passes = result_.best_pass > 0 ? result_.best_pass : result_.passes;
  }
  PS_ASSIGN_OR_RETURN(tuning.job_yaml, TunedLrYaml(job_.effective_yaml, tuning.optimizer_yaml, tuning.all_rows_passes));
  result_.tuning = std::move(tuning);
  return absl::OkStatus();
}

absl::StatusOr<std::uint32_t> ClusterTrainer::Run::Judge(std::uint32_t pass,
                                                          absl::Span<const std::unique_ptr<Scorer>> models) {
  const std::size_t lanes = models.size();
  std::vector<const Scorer*> scorers;
  for (const std::unique_ptr<Scorer>& model : models) scorers.push_back(model.get());
  LaneRecord record(static_cast<int>(lanes), LaneRecord::Rows::kAllAlike);
  std::vector<MetricState> metrics(lanes);
  std::vector<float> losses, of_one;
  std::string malformed;
  PS_RETURN_IF_ERROR(ScoreHeldOut(
      RowsOf(job_.valid, Part::kValid), *parser_, scorers, job_.config.data.max_bad_rows, job_.threads,
      [&](absl::Span<const float> margins, const RowBlock& rows) {
        losses.resize(margins.size());
        LaneLosses(margins.data(), rows.label.data(), rows.rows(), static_cast<int>(lanes), losses.data());
        record.Add(losses, rows.weight);
        of_one.resize(rows.rows());
        for (std::size_t k = 0; k < lanes; ++k) {
          for (std::size_t r = 0; r < of_one.size(); ++r) of_one[r] = margins[r * lanes + k];
          metrics[k].AddRows(of_one, rows.label, rows.weight);
        }
      },
      told_malformed_ || !job_.valid ? nullptr : &malformed));
  told_malformed_ = true;
  SayMalformed(malformed);
  int leader = race_ && race_->lanes() == record.lanes() ? static_cast<int>(race_->LeadingLane()) : 0;
  if (!(metrics[leader].rows() > 0)) return static_cast<std::uint32_t>(leader);  // nothing to judge by
  if (race_ && race_->Judges(pass) && race_->lanes() == record.lanes()) {
    const auto& early = job_.config.train.early_stopping;
    leader = race_->JudgePass(pass, record, early ? early->patience : Tuner::kUsualPatience);
    racing_ = race_->lanes() > 1;
    TellNews();
  }
  result_.valid = metrics[leader].Finish();
  log_.SetValid(*result_.valid);
  return static_cast<std::uint32_t>(leader);
}

absl::StatusOr<bool> ClusterTrainer::Run::EarlyStop(int pass, std::uint32_t lane, std::unique_ptr<Scorer> model) {
  const auto& early = job_.config.train.early_stopping;
  if (!early || !result_.valid || result_.valid->logloss < best_logloss_ - early->min_delta) {
    if (result_.valid) best_logloss_ = result_.valid->logloss;
    best_valid_ = result_.valid;
    passes_since_best_ = 0;
    if (early) result_.best_pass = pass;
    if (race_) best_lane_ = race_->leader_number();
    PS_RETURN_IF_ERROR(candidates_.Keep(lane));
    final_ = std::move(model);
    return false;
  }
  candidates_.Drop();
  if (++passes_since_best_ < early->patience || (race_ && race_->improving())) return false;
  log_.Say(absl::StrCat("early stop after pass ", pass, ": pass ", result_.best_pass, " had the best validation log loss"));
  return true;
}

// The whole of the files that passes will be judged by, before there is a pass that they could cost. Not where nodes come
// by themselves: they must not wait for a scheduler that reads. There it is the front, and the first pass reads the rest.
absl::Status ClusterTrainer::Run::CheckValid() {
  if (options_.nodes != Nodes::kJoining) return ReadValid();
  RowBlock block;
  const auto read = [&](std::string_view text, TextOrigin origin) -> const RowBlock& {
    block.Clear();
    parser_->Parse(text, origin, &block);
    return block;
  };
  BadRows rows(&*job_.valid, job_.config.data.max_bad_rows);
  return CheckFront(*job_.valid, kLinearBlockBytes, read, &rows);
}

absl::Status ClusterTrainer::Run::ReadValid() {
  constexpr std::uint64_t kReadUnnoticed = 64 << 20;
  const std::uint64_t bytes = job_.valid->stored_bytes();
  if (bytes > kReadUnnoticed)
    log_.Say(absl::StrCat("reading data.valid before the first pass, ", FormatBytes(static_cast<std::int64_t>(bytes))));
  std::string malformed;
  const absl::Status read = ScoreHeldOut(RowsOf(job_.valid, Part::kValid), *parser_, {}, job_.config.data.max_bad_rows,
                                         job_.threads, [](absl::Span<const float>, const RowBlock&) {}, &malformed, &stop_);
  if (absl::IsCancelled(read)) return StoppedBeforeLearningError();
  PS_RETURN_IF_ERROR(read);
  told_malformed_ = true;
  SayMalformed(malformed);
  return absl::OkStatus();
}

absl::Status ClusterTrainer::Run::WriteValidLosses() const {
  if (job_.valid_losses.empty() || !result_.valid) return absl::OkStatus();
  PS_ASSIGN_OR_RETURN(RowLossFile losses, RowLossFile::Create(job_.valid_losses));
  const Scorer* const scorers[] = {final_.get()};
  PS_RETURN_IF_ERROR(ScoreHeldOut(RowsOf(job_.valid, Part::kValid), *parser_, scorers, job_.config.data.max_bad_rows,
                                  job_.threads, [&](absl::Span<const float> margins, const RowBlock& rows) {
                                    losses.AddMargins(margins, rows.label, rows.weight);
                                  }));
  return losses.Finish();
}

void ClusterTrainer::Run::Count(const PassReport& report) {
  if (report.pass == 0) {
    result_.train = report.progressive.Finish();
    first_pass_ = report.progressive.Serialize();
  }
  result_.rows_read += report.counts.rows - report.counts.held_out - report.counts.dropped;
  result_.rows_dropped = report.counts.dropped;
  result_.bad_rows = report.counts.bad;
  bad_examples_ = report.counts.bad_examples;
  result_.passes = static_cast<int>(report.pass) + 1;
  result_.last_pass_seconds = SecondsSince(pass_start_);
  result_.last_pass_rows = report.counts.learnt;
}

absl::StatusOr<bool> ClusterTrainer::Run::EndPass(const PassReport& report) {
  const int pass = static_cast<int>(report.pass) + 1;  // on the wire, passes count from 0
  if (!report.again) Count(report);
  if (report.entries > 0) result_.features = FeaturesOf(report.entries);
  const bool last = pass == job_.config.train.passes || Stops();
  bool enough = last;
  // Without its weights there is nothing to evaluate: a request to stop may come at any moment, and
  // then they are still to come, after this.
  if (report.exported && !(report.again && final_ != nullptr)) {
    PS_ASSIGN_OR_RETURN(auto models, candidates_.Open(report.lanes));
    std::uint32_t lane = 0;
    if (HasValid()) {
      PS_ASSIGN_OR_RETURN(lane, Judge(report.pass, models));
    }
    PS_ASSIGN_OR_RETURN(const bool stop, EarlyStop(pass, lane, std::move(models[lane])));
    enough = enough || stop;
  }
  log_.Report(result_.features);
  pass_start_ = Clock::now();
  if (!enough) log_.BeginPass(pass + 1);
  return enough;
}

absl::Status ClusterTrainer::Run::AfterExport() {
  written_ = true;
  return RemoveCheckpoints(job_.config.checkpoint);
}

bool ClusterTrainer::Run::OnPassEnd(const PassReport& report) {
  if (!callback_status_.ok()) return false;
  const absl::StatusOr<bool> enough = EndPass(report);
  Note(enough.status());
  return enough.ok() && !*enough;
}

absl::StatusOr<ClusterResult> ClusterTrainer::Run::RunCluster(const ClusterJob& job,
                                                              const ClusterCallbacks& callbacks) {
  switch (options_.nodes) {
    case Nodes::kThreads: return RunEmbeddedCluster(job, options_.shape, callbacks);
    case Nodes::kProcesses: return RunLocalCluster(job, options_.shape, callbacks);
    case Nodes::kJoining: break;
  }
  return RunJoinedCluster(job, options_.shape, callbacks, {.listen = options_.listen, .deployments = options_.deployments});
}

ClusterJob ClusterTrainer::Run::JobOfCluster() const {
  ClusterJob cluster{job_.config, job_.extractor->Serialize(), job_.train, {}};
  if (job_.config.model.tune) cluster.lanes = StartingSettings(LanesGoOn(job_.config), job_.config.cluster.lanes);
  return cluster;
}

absl::Status ClusterTrainer::Run::Check() {
  PS_RETURN_IF_ERROR(CheckDeviceHere());
  PS_RETURN_IF_ERROR(OpenWarmStart(job_).status());
  const ClusterJob cluster = JobOfCluster();
  PS_ASSIGN_OR_RETURN(SchedulerMachine::Options plan, PlanCluster(cluster));
  PS_RETURN_IF_ERROR(AddCheckpoints(cluster, &plan));
  if (options_.nodes == Nodes::kThreads) return absl::OkStatus();  // nothing goes over a network
  return ReadCurveKeys(job_.config.cluster.curve_key_file).status();
}

absl::StatusOr<JobResult> ClusterTrainer::Run::Train() {
  PS_RETURN_IF_ERROR(CheckDeviceHere());
  begun_ = true;
  // Of a job that was killed, and that nothing goes on with.
  if (job_.config.checkpoint.dir.empty() && job_.config.cluster.state.empty()) PS_RETURN_IF_ERROR(candidates_.RemoveFormer());
  PS_ASSIGN_OR_RETURN(std::unique_ptr<Bundle> start, OpenWarmStart(job_));
  start_ = StartWeights(std::move(start), job_.config.model.bias);
  const ClusterJob cluster = JobOfCluster();
  const bool later_passes = LanesGoOn(job_.config);
  ClusterCallbacks callbacks;
  callbacks.events = this;
  callbacks.on_tick = options_.on_tick;
  callbacks.on_plan = [this, later_passes](const SchedulerMachine::Options& plan) -> absl::Status {
    // What goes on was judged when it began; and servers may hold weights that wait for a scheduler.
    const bool begins = !plan.resume && !HasStoredNodes(plan.stored);
    if (job_.valid && begins) PS_RETURN_IF_ERROR(CheckValid());
    if (!job_.config.model.tune) return absl::OkStatus();
    LaneRace::Options race = LaneRace::OptionsOf(plan.plan, static_cast<std::uint32_t>(plan.chunks.size()));
    race.warm_start = !job_.config.model.warm_start.empty();
    race.later_passes = later_passes;
    race_.emplace(race);
    racing_ = true;
    return absl::OkStatus();
  };
  if (hands_over_) callbacks.hand_over = [this] { return stop_.load(); };
  callbacks.stop_requested = [this] {
    return Stops() || Diverged() || !callback_status_.ok();
  };
  train_start_ = pass_start_ = Clock::now();
  absl::StatusOr<ClusterResult> ran = RunCluster(cluster, callbacks);
  PS_RETURN_IF_ERROR(callback_status_);
  if (Diverged()) return DivergedError(result_.rows_learnt, race_.has_value());
  PS_RETURN_IF_ERROR(ran.status());
  if (result_.rows_learnt == 0 && Stops()) return StoppedBeforeLearningError();
  if (result_.rows_learnt == 0) {
    return absl::InvalidArgumentError("data.train: there are no rows to learn from");
  }
  result_.train_seconds = SecondsSince(train_start_);
  log_.Final(result_.features);
  result_.complete = !ran->interrupted;
  // Line numbers cost reading the data again up to them: not while somebody waits for the end, nor far, as the model is
  // still to be written.
  if (!bad_examples_.empty() && result_.complete)
    log_.Say(DescribeBadRows(job_.train, bad_examples_, kMostDescribedBytes));
  if (final_ == nullptr) {
    if (!ran->interrupted) return absl::OutOfRangeError("no pass has left a model whose validation log loss is a number");
    // The weights were exported all the same.
    PS_ASSIGN_OR_RETURN(auto models, candidates_.Open(1));
    final_ = std::move(models[0]);
    result_.train = log_.PassMetrics();
    result_.rows_read = result_.rows_learnt;
  }
  if (HasOneLabel(result_.train)) log_.Say(OneLabelWarning("data.label.positive"));
  PS_RETURN_IF_ERROR(EndRace());
  if (best_valid_) result_.valid = best_valid_;
  if (const absl::Status kept = WriteValidLosses(); !kept.ok()) log_.Say(LossesNotKept(kept));
  if (job_.test || job_.config.data.split.test > 0) {
    std::string malformed;
    SetTest(Evaluate(job_.test, Part::kTest, *final_, job_.test ? &malformed : nullptr), &result_);
    SayMalformed(malformed);
  }
  if (result_.valid) result_.rows_valid = static_cast<std::uint64_t>(result_.valid->rows);
  return result_;
}

absl::Status ClusterTrainer::Run::Export(BundleWriter* writer, BundleInfo* info) {
  if (race_) info->optimizer = OptimizerText(ConfigOf(chosen_));
  const Bundle& bundle = *final_->bundle();
  PS_RETURN_IF_ERROR(writer->AppendWeights(bundle.keys(), bundle.weights()));
  info->features = bundle.keys().size();
  info->bias = bundle.info().bias;
  info->margin_offset = bundle.info().margin_offset;
  info->rows_learnt = result_.rows_learnt;
  info->complete = result_.complete;
  return absl::OkStatus();
}

const char* ClusterTrainer::NodesName(Nodes nodes) {
  switch (nodes) {
    case Nodes::kThreads: return "threads";
    case Nodes::kProcesses: return "processes";
    case Nodes::kJoining: break;
  }
  return "joining nodes";
}

ClusterTrainer::ClusterTrainer(const PreparedJob* job, Options options, ProgressReporter* reporter,
                               const std::atomic<bool>* stop)
    : run_(std::make_unique<Run>(job, std::move(options), reporter, stop)) {}
ClusterTrainer::~ClusterTrainer() = default;
absl::Status ClusterTrainer::Check() { return run_->Check(); }
absl::StatusOr<JobResult> ClusterTrainer::Train() { return run_->Train(); }
absl::Status ClusterTrainer::AfterExport() { return run_->AfterExport(); }
const TuningTrace& ClusterTrainer::trace() const { return run_->trace(); }
absl::Status ClusterTrainer::Export(BundleWriter* writer, BundleInfo* info) {
  return run_->Export(writer, info);
}

}  // namespace ps
