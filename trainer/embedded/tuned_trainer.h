// Tunes a linear model and, where validation rows choose (several passes), trains it again on all rows,
// theirs too, with the setting and the number of passes that they chose: the job that tuning leaves. Where
// they are few, a part of the training rows, other folds of that part choose with them.
//
// Threads: as EmbeddedTrainer.
#pragma once

#include <memory>

#include "trainer/embedded/embedded_trainer.h"

namespace ps {

class TunedTrainer : public Trainer {
 public:
  // All must outlive the trainer.
  TunedTrainer(const PreparedJob* job, ProgressReporter* reporter, const std::atomic<bool>* stop);

  absl::StatusOr<JobResult> Train() override;
  absl::Status Export(BundleWriter* writer, BundleInfo* info) override;

 private:
  // Tunes with other folds; false: stopped. Replaces what `tuned` says of the choice.
  absl::StatusOr<bool> ChooseOverFolds(JobResult* tuned);

  const PreparedJob& job_;
  ProgressReporter& reporter_;
  const std::atomic<bool>& stop_;
  std::unique_ptr<EmbeddedTrainer> model_;  // whose the model is
  std::unique_ptr<PreparedJob> all_rows_;
};

}  // namespace ps
