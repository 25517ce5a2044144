// The state of one training in this process: what EmbeddedTrainer hides. One thread.
#pragma once

#include <atomic>
#include <cmath>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/data/row_split.h"
#include "trainer/embedded/dense_model.h"
#include "trainer/embedded/embedded_trainer.h"
#include "trainer/embedded/held_out_scores.h"
#include "trainer/embedded/newton_fit.h"
#include "trainer/embedded/row_spool.h"
#include "trainer/embedded/text_pass.h"
#include "trainer/pass_log.h"
#include "trainer/tuning/tuner.h"

namespace ps {

class EmbeddedTrainer::Run {
 public:
  Run(const PreparedJob* job, ProgressReporter* reporter, const std::atomic<bool>* stop);

  absl::Status Check();
  absl::StatusOr<JobResult> Train();
  absl::Status Export(BundleWriter* writer, BundleInfo* info);
  const TuningTrace& trace() const { return tuner_->trace(); }

 private:
  // Features of rows, repeated ones too, of data that can be read a few hundred times in seconds.
  static constexpr std::uint64_t kMostSolvedIds = 4'000'000;

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
  // Rows are gathered, and learnt at once when all are there.
  bool solves() const { return fit_ != nullptr; }
  absl::Status WarmStart();
  absl::Status FirstPass();
  absl::Status LaterPass(int pass);
  // Where the pass is with a block: fraction of its input read so far; rows of the pass, about.
  struct Progress {
    double fraction_read = 0, pass_rows = 0;
  };
  // Learns a block and logs what was predicted before: of the first pass, which keeps rows, and may take them from the
  // block; or of a later one.
  absl::Status LearnNew(PassBlock* block, const Progress& progress);
  absl::Status LearnAgain(const ResolvedBlock& block, const Progress& progress);
  absl::Status LearnBlock(const ResolvedBlock& block, const Progress& progress);
  absl::Status LearnRows(const ResolvedRows& rows, const Progress& progress);
  // Of rows that were learnt: margins_ is what was predicted.
  absl::Status LogRows(const ResolvedRows& rows, const Progress& progress);
  absl::Status KeepRows(const PassBlock& block);
  bool keeps_rows() const { return job_.config.train.passes > 1 && !solves(); }
  // A block that a device learns while others come, and later what it was learnt for (learning_ahead.cc).
  struct UnderWay {
    PassBlock block;  // of a later pass, labels and weights
    Progress progress;
    bool is_new = false;  // of the first pass
    DenseModel::Parts Parts(bool wants_ids) { return {&block.train, &block.valid, &block.test, wants_ids}; }
  };
  UnderWay SpareBlock();
  // `known_rows`: those of a later pass.
  absl::Status BeginBlock(UnderWay block, const ResolvedRows& known_rows);
  absl::Status EndBlock();  // the one that was begun first
  absl::Status EndBlocks();
  absl::Status ReportIfDue();
  // Says where keys are found in the first pass, and begins that.
  absl::Status StartKeys();
  void ChangeLanes(std::optional<Tuner::Change> change);
  // At the end of a pass: lanes are judged on validation rows where there are some and passes to come; else one is left.
  absl::Status JudgeLanes(int pass);
  absl::Status SpoolFiles(const DataFiles& files, RowSpool* spool);
  absl::StatusOr<Metrics> EvaluateFiles(const DataFiles& files);
  absl::Status ReportLine();
  void SayNews();  // of how rows are learnt
  // Makes the state that is to be the model the only one.
  absl::Status ChooseModel();
  // Optimizer newton_cg.
  absl::Status Solve();
  // Of a tuned job: solves what validation rows may prefer to the model that the race has left. True: it is the model now.
  bool MaySolveBeside();
  // Steps are told from now on, but not too often.
  void TellSteps(const std::string& who, NewtonFit* fit);
  absl::StatusOr<bool> SolveBeside(int raced, double raced_loss);
  // Keeps the best state; true when patience has run out.
  absl::StatusOr<bool> EarlyStop(int pass);

  const PreparedJob& job_;
  const std::atomic<bool>& stop_;
  const std::unique_ptr<RowParser> parser_;
  const std::unique_ptr<Tuner> tuner_;  // null: the job gives the optimiser's settings
  DenseModel model_;
  const std::unique_ptr<IdGroups> groups_;  // null: nothing is solved
  const std::unique_ptr<NewtonFit> fit_;    // null: rows are learnt as they come
  const RowSplit split_;
  HeldOutScores scores_;
  PassLog log_;
  RowSpool rows_, valid_, test_;
  std::deque<UnderWay> under_way_;
  std::vector<UnderWay> spare_;  // for their memory
  std::vector<float> margins_;
  JobResult result_;

  std::optional<Metrics> last_valid_;
  double best_logloss_ = INFINITY;
  int passes_since_best_ = 0;
  std::vector<float> best_state_;
  int best_lane_ = 0;                // its number, of a tuner
  std::uint64_t ids_since_decision_ = 0;  // of a tuner: learnt, padding too
  std::uint64_t lines_ = 0;          // of the first pass, read so far
  std::uint64_t kept_ids_ = 0;       // of rows_, padding too
};

}  // namespace ps
