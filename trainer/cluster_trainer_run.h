// The state of one training on a cluster, as the coordinator has it: what ClusterTrainer hides. Callbacks come in the
// scheduler's thread.
#pragma once

#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/cuda/device.h"
#include "models/bundle/scorer.h"
#include "models/data/bad_rows.h"
#include "trainer/candidate_models.h"
#include "trainer/cluster_trainer.h"
#include "trainer/front_check.h"
#include "trainer/held_out.h"
#include "trainer/pass_log.h"
#include "trainer/tuning/lane_race.h"
#include "trainer/warm_start.h"

namespace ps {

class ClusterTrainer::Run : public JobEvents {
 public:
  using Clock = std::chrono::steady_clock;

  Run(const PreparedJob* job, Options options, ProgressReporter* reporter,
      const std::atomic<bool>* stop)
      : job_(*job),
        options_(std::move(options)),
        stop_(*stop),
        // A pod that is to go is no wish that the job should stop.
        hands_over_(!options_.deployments.empty() && !job->config.cluster.state.empty()),
        parser_(job->extractor->MakeParser()),
        split_(job->config.train.seed, job->config.data.split, job->config.data.keep_negatives),
        log_(reporter, job->config.train.passes),
        candidates_(job->config.output.dir, job->extractor->Serialize(), MarginOffset(job->config.data)) {}
  ~Run() override {
    // An unfinished job that another process goes on with needs its best model: one whose progress was kept.
    if (begun_ && (written_ || !saved_)) candidates_.RemoveAll();
  }

  absl::Status Check();
  absl::StatusOr<JobResult> Train();
  absl::Status Export(BundleWriter* writer, BundleInfo* info);

  absl::Status AfterExport();
  const TuningTrace& trace() const { return race_->trace(); }

  void OnStarted() override {
    train_start_ = pass_start_ = Clock::now();
    if (!resumed_) log_.BeginPass(1);
    log_.Waited();
  }
  void OnDevices(const WorkerDevices& devices) override;
  void OnLearnt(const LearntRows& rows) override;
  void OnLanes(const LearntLanes& rows) override { race_->OnLanes(rows); }
  std::uint32_t LeadingLane() override { return race_ ? race_->LeadingLane() : 0; }
  std::uint32_t NextLook(std::uint32_t pass, std::uint32_t chunk) override {
    return race_ ? race_->NextLook(pass, chunk) : JobEvents::NextLook(pass, chunk);
  }
  std::size_t OnLook(std::uint32_t pass, std::uint32_t chunk, std::uint64_t entries) override;
  const std::vector<LaneChange>& LaneChanges() override {
    return race_ ? race_->LaneChanges() : JobEvents::LaneChanges();
  }
  bool OnPassEnd(const PassReport& report) override;
  bool ExportsAllLanes(std::uint32_t pass) override { return race_ && race_->Judges(pass); }
  void OnWeights(std::uint32_t lane, absl::Span<const Key> keys, absl::Span<const float> weights) override {
    if (callback_status_.ok()) Note(candidates_.Append(lane, keys, weights));
  }
  bool NextStartWeights(std::vector<Key>* keys, std::vector<float>* weights) override {
    return start_.Next(keys, weights);
  }
  void OnRollback() override {
    candidates_.Abandon();
    start_.Restart();
  }
  std::string Describe(absl::Span<const BadRow> rows) override {
    return DescribeBadRows(job_.train, rows, kMostDescribedBytes);  // the scheduler waits for it
  }
  std::string SaveState() override;
  absl::Status OnResume(const std::string& state, const PassReport& report) override;

 private:
  ClusterJob JobOfCluster() const;
  // Workers elsewhere look for their device themselves.
  absl::Status CheckDeviceHere() const {
    if (options_.nodes == Nodes::kJoining) return absl::OkStatus();
    const bool here = options_.nodes == Nodes::kThreads;
    return CheckDevice(job_.config.device, here ? DeviceChoice::kFirst : DeviceChoice::kAny);
  }
  // Of a tuned job.
  absl::Status EndRace();
  bool Diverged() const { return race_ && racing_ ? race_->AllDiverged() : log_.diverged(); }
  absl::StatusOr<ClusterResult> RunCluster(const ClusterJob& job, const ClusterCallbacks& callbacks);
  // Validation of a pass's models, of all lanes or one, and which of them leads.
  absl::StatusOr<std::uint32_t> Judge(std::uint32_t pass, absl::Span<const std::unique_ptr<Scorer>> models);
  // Keeps the best model; true when patience has run out.
  absl::StatusOr<bool> EarlyStop(int pass, std::uint32_t lane, std::unique_ptr<Scorer> model);
  void Count(const PassReport& report);
  // Validation, and whether patience has run out.
  absl::StatusOr<bool> EndPass(const PassReport& report);
  bool Stops() const { return stop_.load() && !hands_over_; }
  std::uint64_t FeaturesOf(std::uint64_t entries) const { return entries - (job_.config.model.bias ? 1 : 0); }
  bool HasValid() const { return job_.valid.has_value() || job_.config.data.split.valid > 0; }
  HeldOutRows RowsOf(const std::optional<DataFiles>& files, Part part) const {
    return files ? HeldOutRows{&*files, nullptr, Part::kTrain} : HeldOutRows{&job_.train, &split_, part};
  }
  absl::StatusOr<Metrics> Evaluate(const std::optional<DataFiles>& files, Part part, const Scorer& scorer,
                                   std::string* malformed = nullptr) const {
    return EvaluateHeldOut(RowsOf(files, part), *parser_, scorer, job_.config.data.max_bad_rows, job_.threads, malformed);
  }
  // Before there is a node, of a job that begins: whether data.valid can judge it.
  absl::Status CheckValid();
  absl::Status ReadValid();
  void SayMalformed(const std::string& rows) {
    if (!rows.empty()) log_.Say(rows);
  }
  absl::Status WriteValidLosses() const;  // by the model, where somebody wants them
  void TellNews() {
    if (const std::string news = race_->TakeNews(); !news.empty()) log_.Say(news);
  }
  // Keeps the first error of the callbacks, which cannot return one.
  void Note(absl::Status status) { callback_status_.Update(std::move(status)); }

  const PreparedJob& job_;
  const Options options_;
  const std::atomic<bool>& stop_;
  const bool hands_over_;
  const std::unique_ptr<RowParser> parser_;
  const RowSplit split_;
  PassLog log_;
  JobResult result_;
  std::vector<BadRow> bad_examples_;  // of the last pass
  absl::Status callback_status_;
  Clock::time_point train_start_, pass_start_;

  std::optional<LaneRace> race_;               // of a tuned job, once it is planned
  OptimizerParams chosen_;                     // by it
  bool racing_ = false;                        // several of its lanes live
  StartWeights start_{nullptr, false};         // of a warm start
  CandidateModels candidates_;
  double best_logloss_ = INFINITY;
  int best_lane_ = -1;                         // its number, of a race
  std::optional<Metrics> best_valid_;
  int passes_since_best_ = 0;
  std::string first_pass_;                     // its MetricState, once it is over
  bool resumed_ = false;
  bool begun_ = false;                         // Train was called
  bool told_devices_ = false;
  bool told_malformed_ = false;                // of data.valid.files, or there is nothing to tell
  bool saved_ = false;                         // its progress, by this process or an earlier one
  bool written_ = false;                       // the bundle is in its place
  std::unique_ptr<Scorer> final_;              // the model that Export hands over
};

}  // namespace ps
