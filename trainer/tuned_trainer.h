// Tunes a linear model and, where validation rows choose (several passes), trains it again on all
// rows, theirs too, with the setting and the number of passes that they chose: the job that tuning
// leaves. Where they are few, a part of the training rows, other folds of that part choose with
// them.
//
// Each of these trainings is one by a trainer of its own, in one process or on a cluster. On a
// cluster each starts its nodes anew, and keeps checkpoints beside the job's: a job that goes on
// after a kill goes through those that had ended, from their last checkpoints, to where it was.
//
// Threads: as the trainers'.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "trainer/prepared_job.h"
#include "trainer/progress/progress_reporter.h"
#include "trainer/race_trainer.h"

namespace ps {

class TunedTrainer : public Trainer {
 public:
  // Whose job outlives it.
  using MakeTrainer = std::function<std::unique_ptr<RaceTrainer>(const PreparedJob*)>;
  // All must outlive the trainer.
  TunedTrainer(const PreparedJob* job, MakeTrainer make, ProgressReporter* reporter,
               const std::atomic<bool>* stop);

  absl::Status Check() override { return model_->trainer->Check(); }
  absl::StatusOr<JobResult> Train() override;
  absl::Status Export(BundleWriter* writer, BundleInfo* info) override;
  absl::Status AfterExport() override;

 private:
  // Tunes with other folds; false: stopped. Replaces what `tuned` says of the choice.
  absl::StatusOr<bool> ChooseOverFolds(JobResult* tuned);
  // One training more.
  struct Stage {
    std::unique_ptr<PreparedJob> job;  // null: that of the whole
    std::unique_ptr<RaceTrainer> trainer;
  };
  // Its model is not wanted any more. Checkpoints are, until the end of the job.
  void Release(Stage* stage);
  absl::StatusOr<Stage*> AddStage(JobConfig config, const std::string& name);

  const PreparedJob& job_;
  const MakeTrainer make_;
  ProgressReporter& reporter_;
  const std::atomic<bool>& stop_;
  std::vector<std::unique_ptr<Stage>> stages_;  // the job's own is the first
  bool stopped_ = false;                        // before all rows were learnt
  Stage* model_ = nullptr;                      // whose the model is
};

}  // namespace ps
