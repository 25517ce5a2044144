// The settings of tuning by whole trainings, apart from the others for their number.
#include "models/config/schema.h"

namespace ps {
namespace {

TuneConfig& Tune(JobConfig* config) {
  if (!config->tune) config->tune.emplace();
  return *config->tune;
}

}  // namespace

std::vector<SchemaRow> TuneRows() {
  return {
      {"tune", ValueType::kSection, nullptr,
       "Find the settings of trees by short trainings, judged on the validation rows, and train with the best "
       "(docs/tuning.md): learning_rate, max_leaves, max_depth, min_hessian, l1, l2, row_sample and column_sample, "
       "of which none is given then. Give trainings or budget.",
       [](JobConfig* c, const Value&) { Tune(c); }},
      {"tune.trainings", ValueType::kInteger, nullptr,
       "What it may cost, in trainings of model.gbdt.trees trees, the last one included. Decides the same for the "
       "same data and seed.",
       [](JobConfig* c, const Value& v) { Tune(c).trainings = static_cast<int>(v.integer); },
       Between(3, 1000)},
      {"tune.budget", ValueType::kDuration, nullptr,
       "What it may cost, as time after the data has been read. What is decided depends on how fast the machine is.",
       [](JobConfig* c, const Value& v) { Tune(c).budget_seconds = v.real; }, Between(0.1, 1e7)},
  };
}

}  // namespace ps
