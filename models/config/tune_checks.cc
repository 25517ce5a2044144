// What tunes settings, of linear models and of trees, and what it does not go with.
#include <string>

#include "absl/strings/str_cat.h"
#include "models/config/job_checks.h"

namespace ps {
namespace {

class TuningChecker : private JobChecks {
 public:
  using JobChecks::JobChecks;

  void Check() {
    if (config_.model.tune) CheckTune();
    if (config_.tune) CheckTuneTrees(*config_.tune);
  }

 private:
  void CheckTune() {
    for (const char* key : {"type", "alpha", "beta", "newton", "l1", "l2", "l2_evidence"}) {
      const std::string path = absl::StrCat("model.optimizer.", key);
      if (IsGiven(path)) Add(path, "model.tune: auto chooses it; remove one of the two");
    }
    // A batch's values of all settings must fit into a frame: of 16 settings 256 features a row on one server do.
    constexpr int kMostBatchRows = 1 << 14;
    if (config_.train.batch_rows > kMostBatchRows) {
      Add("train.batch_rows", absl::StrCat("at most ", kMostBatchRows, " with model.tune: auto"));
    }
    // Values that share a scale would be of different settings.
    if (config_.cluster.values == "int8") {
      Add("cluster.values", "int8 does not go with model.tune: auto; use bf16 or f32");
    }
  }

  void CheckTuneTrees(const TuneConfig& tune) {
    if (config_.model.type != "gbdt") {
      Add("tune", "only for model.type gbdt; lr is tuned while it trains, by model.tune: auto");
      return;
    }
    if ((tune.trainings > 0) == (tune.budget_seconds > 0)) {
      Add("tune", "give one of budget, as in budget: 15m, and trainings, as in trainings: 10");
    }
    for (const char* key : {"learning_rate", "max_leaves", "max_depth", "min_hessian", "l1", "l2", "row_sample", "column_sample"}) {
      const std::string path = absl::StrCat("model.gbdt.", key);
      if (IsGiven(path)) Add(path, "tune chooses it; remove one of the two");
    }
    if (!config_.data.valid.set() && config_.data.split.valid == 0) {
      Add("tune", "needs validation rows: set data.valid.files or data.split.valid");
    }
    if (config_.cluster.servers > 0) {
      Add("tune", "trains in one process in this version; remove cluster.servers and workers");
    }
  }
};

}  // namespace

void CheckTuning(const JobConfig& config, const GivenKeys& given, ConfigErrors* errors) {
  TuningChecker(config, given, errors).Check();
}

}  // namespace ps
