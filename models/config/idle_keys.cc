#include "models/config/idle_keys.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "models/config/model_keys.h"

namespace ps {
namespace {

class Idle {
 public:
  Idle(const JobConfig& config, bool on_cluster)
      : config_(config), model_(config.model), train_(config.train), on_cluster_(on_cluster) {}

  std::vector<std::string> Find() {
    OfOneProcess();
    if (model_.type == "gbdt") {
      OfTrees();
    } else {
      OfLinearModels();
    }
    return std::move(lines_);
  }

 private:
  void Add(bool idle, const std::string& key, const std::string& why) {
    if (idle) lines_.push_back(absl::StrCat(key, " has no effect here: ", why));
  }

  // Of what only processes of a cluster have.
  void OfOneProcess() {
    if (on_cluster_) return;
    const ClusterConfig& cluster = config_.cluster;
    const auto add = [this](bool given, const char* key) {
      Add(given, key, "the job runs in one process; give cluster.servers and cluster.workers, or --local");
    };
    add(train_.staleness.value_or(0) != 0, "train.staleness");
    add(model_.gbdt.distribution != "auto", "model.gbdt.distribution");
    add(cluster.replicas > 1, "cluster.replicas");
    add(cluster.ack_primary, "cluster.ack");
    add(cluster.failure_timeout > 0, "cluster.failure_timeout");
    add(!cluster.curve_key_file.empty(), "cluster.curve_key_file");
    if (train_.staleness == 0) return;  // servers and workers as threads
    add(cluster.slot_bits != ClusterConfig().slot_bits, "cluster.slot_bits");
    add(cluster.values != ClusterConfig().values, "cluster.values");
    add(model_.tune && cluster.lanes != ClusterConfig().lanes, "cluster.lanes");
  }

  void OfLinearModels() {
    const bool has_valid = config_.data.valid.set() || config_.data.split.valid > 0;
    const bool judged = train_.passes > 1 && has_valid;
    Add(!model_.tune && !model_.tune_all_rows, "model.tune_all_rows", "it is for model.tune: auto");
    Add(model_.tune && !model_.tune_all_rows && !judged, "model.tune_all_rows",
        "all rows are learnt in any case; it is for several passes judged by validation rows");
    Add(!model_.tune && config_.cluster.lanes != ClusterConfig().lanes, "cluster.lanes", "it is for model.tune: auto");
    Add(train_.staleness != 0 && train_.chunks_per_round != TrainConfig().chunks_per_round, "train.chunks_per_round",
        "it is for train.staleness: 0");
    Add(on_cluster_ && config_.cluster.ack_primary && config_.cluster.replicas == 1, "cluster.ack",
        "there are no copies to wait for (cluster.replicas: 1)");
    Add(!train_.row_cache.empty() && (on_cluster_ || train_.staleness == 0), "train.row_cache",
        "workers of a cluster read the text in every pass");
    const bool solves = !model_.tune && model_.optimizer.type == OptimizerType::kNewtonCg;
    const bool keeps_rows = (train_.passes > 1 && !solves) || has_valid || config_.data.split.test > 0;
    Add(!train_.row_cache.empty() && !on_cluster_ && !keeps_rows, "train.row_cache",
        "it is for later passes (train.passes) and for rows that are held out");
    if (!model_.tune) OfOptimizer();
    if (solves) return;
    Add(train_.early_stopping.has_value() && train_.passes == 1, "train.early_stopping",
        "there is one pass (train.passes: 1)");
  }

  void OfOptimizer() {
    const OptimizerConfig &optimizer = model_.optimizer, usual;
    constexpr char kFtrl[] = "it is for model.optimizer.type: ftrl";
    constexpr char kAtOnce[] = "newton_cg learns all rows at once, until it has converged";
    const struct {
      bool given;
      const char *key, *why;
    } keys[] = {
        {optimizer.l2_evidence, "model.optimizer.l2_evidence", "it is for model.optimizer.type: newton_cg"},
        {optimizer.l1 != usual.l1, "model.optimizer.l1", kFtrl},
        {optimizer.newton != usual.newton, "model.optimizer.newton", kFtrl},
        {optimizer.beta != usual.beta, "model.optimizer.beta", "it is for model.optimizer.type: ftrl and adagrad"},
        {optimizer.alpha != usual.alpha, "model.optimizer.alpha", kAtOnce},
        {train_.passes > 1, "train.passes", kAtOnce},
        {train_.early_stopping.has_value(), "train.early_stopping", kAtOnce},
        {train_.batch_rows > 0, "train.batch_rows", kAtOnce},
    };
    for (const auto& [given, key, why] : keys) Add(given && !KeyAppliesToOptimizer(optimizer.type, key), key, why);
  }

  void OfTrees() {
    const GbdtConfig& gbdt = model_.gbdt;
    const bool targets = gbdt.target_encoding || !gbdt.target_columns.empty();
    Add(!targets && gbdt.target_smooth != GbdtConfig().target_smooth, "model.gbdt.target_smooth",
        "no column becomes the mean label of its texts (model.gbdt.target_encoding, model.gbdt.target_columns)");
    if (!gbdt.refit) return;
    const GbdtConfig usual;
    const auto add = [this](bool given, const char* key) {
      Add(given, key, "model.gbdt.refit keeps the splits that there are");
    };
    add(gbdt.level_wise, "model.gbdt.growth");
    add(gbdt.max_leaves != usual.max_leaves, "model.gbdt.max_leaves");
    add(gbdt.max_depth != usual.max_depth, "model.gbdt.max_depth");
    add(gbdt.min_gain != usual.min_gain, "model.gbdt.min_gain");
    add(gbdt.column_sample != usual.column_sample, "model.gbdt.column_sample");
  }

  const JobConfig& config_;
  const ModelConfig& model_;
  const TrainConfig& train_;
  const bool on_cluster_;
  std::vector<std::string> lines_;
};

}  // namespace

std::vector<std::string> IdleKeys(const JobConfig& config, bool on_cluster) {
  return Idle(config, on_cluster).Find();
}

}  // namespace ps
