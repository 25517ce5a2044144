// Trains in this one process, row by row or in batches (batch_steps.h), in the order of the data: threads parse and resolve ahead,
// learning takes its turn. The model is the same bytes for any number of threads.
//
// Threads: Train is called once and starts its own. `stop` may be set at any time from anywhere (a signal
// handler): the rows read so far are learnt and Train returns with complete = false.
#pragma once

#include <atomic>
#include <memory>

#include "trainer/prepared_job.h"
#include "trainer/progress/progress_reporter.h"
#include "trainer/race_trainer.h"

namespace ps {

class EmbeddedTrainer : public RaceTrainer {
 public:
  // All must outlive the trainer.
  EmbeddedTrainer(const PreparedJob* job, ProgressReporter* reporter, const std::atomic<bool>* stop);
  ~EmbeddedTrainer() override;

  absl::Status Check() override;
  absl::StatusOr<JobResult> Train() override;
  absl::Status Export(BundleWriter* writer, BundleInfo* info) override;
  const TuningTrace& trace() const override;

 private:
  class Run;
  std::unique_ptr<Run> run_;
};

}  // namespace ps
