// A job ready to run: its configuration, its data opened, its features compiled.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/optimizer.h"
#include "models/config/load.h"
#include "models/data/data_files.h"
#include "models/features/extractor.h"

namespace ps {

struct PreparedJob {
  JobConfig config;
  std::string effective_yaml;
  DataFiles train;
  std::optional<DataFiles> valid, test;
  std::unique_ptr<Extractor> extractor;
  bool start_features = false;  // they are those of model.warm_start
  std::vector<std::string> warnings;  // of what its data look like, for people
  std::vector<std::string> shared_files;  // warnings of files that are of two parts, for people
  int threads = 1;
  std::string valid_losses;  // where the trainer leaves the validation rows' losses (row_losses.h); empty: nowhere
  std::string nodes;  // what it runs on, for people, once that is chosen
};

OptimizerParams ParamsOf(const OptimizerConfig& config);
OptimizerConfig ConfigOf(const OptimizerParams& params);
// As the bundle's manifest has it, for people.
std::string OptimizerText(const OptimizerConfig& config);
// What a margin of the model lacks of the true log odds because negatives were sampled: ln r.
double MarginOffset(const DataConfig& data);

// InvalidArgument: data.valid names files of data.train, of a job that would learn its validation rows in the end (a tuned
// one of several passes): they would count twice.
absl::Status CheckLearntOnce(const PreparedJob& job);

// Of a linear model that declares no features and has model.warm_start, features are those of that model.
absl::StatusOr<PreparedJob> PrepareJob(LoadedJob loaded);

}  // namespace ps
