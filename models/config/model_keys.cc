#include "models/config/model_keys.h"

#include <algorithm>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace ps {
namespace {

bool IsOrIsBelow(const std::string& path, const std::string& key) {
  return path == key || absl::StartsWith(path, absl::StrCat(key, "."));
}

}  // namespace

const std::vector<std::string>& LinearModelKeys() {
  static const std::vector<std::string> keys = {
      "model.optimizer", "model.tune_all_rows", "model.bias",    "model.min_count", "train.passes",   "train.batch_rows",  "train.staleness", "train.row_cache",
      "train.chunks_per_round", "cluster.scale", "cluster.ack", "cluster.lanes", "cluster.values", "cluster.slot_bits", "checkpoint.full_every", "checkpoint.keep"};
  return keys;
}

bool KeyAppliesTo(const std::string& model_type, const std::string& path) {
  const auto below = [&path](const std::string& key) { return IsOrIsBelow(path, key); };
  if (model_type != "gbdt") return !below("model.gbdt") && !below("data.label.classes") && !below("data.cache") &&
           !below("tune");
  return !below("model.tune") && std::none_of(LinearModelKeys().begin(), LinearModelKeys().end(), below);
}

bool KeyAppliesToOptimizer(OptimizerType type, const std::string& path) {
  static const std::map<OptimizerType, std::vector<const char*>> idle = {
      {OptimizerType::kFtrl, {"model.optimizer.l2_evidence"}},
      {OptimizerType::kAdaGrad, {"model.optimizer.l2_evidence", "model.optimizer.l1", "model.optimizer.newton"}},
      {OptimizerType::kSgd,
       {"model.optimizer.l2_evidence", "model.optimizer.l1", "model.optimizer.newton", "model.optimizer.beta"}},
      {OptimizerType::kNewtonCg,
       {"model.optimizer.alpha", "model.optimizer.l1", "model.optimizer.newton", "model.optimizer.beta", "train.passes",
        "train.early_stopping", "train.batch_rows"}}};
  const std::vector<const char*>& keys = idle.at(type);
  return std::none_of(keys.begin(), keys.end(), [&path](const char* key) { return IsOrIsBelow(path, key); });
}

}  // namespace ps
