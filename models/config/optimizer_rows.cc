// The optimiser of linear models.
#include "models/config/schema.h"

namespace ps {
namespace {

using V = Value;

constexpr std::int64_t N(OptimizerType type) { return static_cast<std::int64_t>(type); }

}  // namespace

std::vector<SchemaRow> OptimizerRows() {
  return {
      {"model.optimizer.type",
       ValueType::kWord,
       "ftrl",
       "ftrl, adagrad, sgd: the update rule of a row (or batch). newton_cg: no steps, but the optimum over all rows, which are "
       "kept in memory (docs/tuning.md).",
       [](JobConfig* c, const V& v) {
         c->model.optimizer.type = static_cast<OptimizerType>(v.integer);
       },
       {},
       {{"ftrl", N(OptimizerType::kFtrl)},
        {"adagrad", N(OptimizerType::kAdaGrad)},
        {"sgd", N(OptimizerType::kSgd)},
        {"newton_cg", N(OptimizerType::kNewtonCg)}}},
      {"model.optimizer.alpha", ValueType::kReal, "0.1", "Learning rate.",
       [](JobConfig* c, const V& v) { c->model.optimizer.alpha = v.real; }, Above(0)},
      {"model.optimizer.beta", ValueType::kReal, "0.5",
       "ftrl, adagrad: added to the root of n. n sums squared gradients; ftrl learning row by row "
       "sums the loss's curvature p (1 - p) x^2 instead.",
       [](JobConfig* c, const V& v) { c->model.optimizer.beta = v.real; }, AtLeast(0)},
      {"model.optimizer.newton", ValueType::kReal, "0.2",
       "ftrl: part of Newton's step; the more, the faster the rates of frequent features fall. The "
       "rate of a weight is 1 / ((beta + sqrt(n)) / alpha + newton n + l2).",
       [](JobConfig* c, const V& v) { c->model.optimizer.newton = v.real; }, AtLeast(0)},
      {"model.optimizer.l1", ValueType::kReal, "0",
       "L1 penalty; makes weights exactly zero (ftrl).",
       [](JobConfig* c, const V& v) { c->model.optimizer.l1 = v.real; }, AtLeast(0)},
      {"model.optimizer.l2", ValueType::kReal, nullptr, "L2 penalty. Default: 0; newton_cg: 1.",
       [](JobConfig* c, const V& v) { c->model.optimizer.l2 = v.real; }, AtLeast(0)},
      {"model.optimizer.l2_evidence", ValueType::kFlag, "false",
       "newton_cg: each column of a table (and each resolution of its buckets; of libsvm and vw all features alike) gets the L2 penalty "
       "under which the rows are most likely, times l2.",
       [](JobConfig* c, const V& v) { c->model.optimizer.l2_evidence = v.flag; }},
  };
}

}  // namespace ps
