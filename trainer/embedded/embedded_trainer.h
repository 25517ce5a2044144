// Trains in this one process, exactly row by row in the order of the data: threads parse and resolve ahead,
// learning takes its turn. The model is the same bytes for any number of threads.
//
// Threads: Train is called once and starts its own. `stop` may be set at any time from anywhere (a signal
// handler): the rows read so far are learnt and Train returns with complete = false.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "models/bundle/bundle.h"
#include "models/config/job_config.h"
#include "models/data/data_files.h"
#include "models/features/extractor.h"
#include "trainer/embedded/dense_model.h"
#include "trainer/job_result.h"
#include "trainer/progress/progress_reporter.h"

namespace ps {

// A job ready to run: configuration and its data opened.
struct PreparedJob {
  JobConfig config;
  std::string effective_yaml;
  DataFiles train;
  std::optional<DataFiles> valid, test;
  std::unique_ptr<Extractor> extractor;
  int threads = 1;
};

OptimizerParams ParamsOf(const OptimizerConfig& config);
// What a margin of the model lacks of the true log odds because negatives were sampled: ln r.
double MarginOffset(const DataConfig& data);

class EmbeddedTrainer {
 public:
  // All must outlive the trainer.
  EmbeddedTrainer(const PreparedJob* job, ProgressReporter* reporter, const std::atomic<bool>* stop);
  ~EmbeddedTrainer();

  // OutOfRange: diverged. InvalidArgument, DataLoss: the data. ResourceExhausted: disk or memory.
  absl::StatusOr<JobResult> Train();

  // After Train: appends the weights and fills in what the trainer knows of the bundle.
  absl::Status Export(BundleWriter* writer, BundleInfo* info);

 private:
  class Run;
  std::unique_ptr<Run> run_;
};

}  // namespace ps
