// The settings of tuning by whole trainings, apart from the others for their number.
#include "models/config/schema.h"

namespace ps {
namespace {

TuneConfig& Tune(JobConfig* config) {
  if (!config->tune) config->tune.emplace();
  return *config->tune;
}

SearchConfig& Search(JobConfig* config) {
  TuneConfig& tune = Tune(config);
  if (!tune.search) tune.search.emplace();
  return *tune.search;
}

}  // namespace

std::vector<SchemaRow> TuneRows() {
  return {
      {"tune", ValueType::kSection, nullptr,
       "For type gbdt: find the settings of trees by short trainings, judged on the validation rows, and train with the best "
       "(docs/tuning.md): learning_rate, max_leaves, max_depth, min_hessian, l1, l2, row_sample and column_sample, "
       "of which none is given then. Give trainings or budget. For both types: search.",
       [](JobConfig* c, const Value&) { Tune(c); }},
      {"tune.trainings", ValueType::kInteger, nullptr,
       "What it may cost, in trainings of model.gbdt.trees trees, the last one included. Decides the same for the "
       "same data and seed.",
       [](JobConfig* c, const Value& v) { Tune(c).trainings = static_cast<int>(v.integer); },
       Between(3, 1000)},
      {"tune.budget", ValueType::kDuration, nullptr,
       "What it may cost, as time after the data has been read. What is decided depends on how fast the machine is.",
       [](JobConfig* c, const Value& v) { Tune(c).budget_seconds = v.real; }, Between(0.1, 1e7)},
      {"tune.search", ValueType::kSection, nullptr,
       "Run the job several times, each with other values of some keys, and keep the best by the validation rows "
       "(docs/tuning.md). For lr and gbdt. Give trials, budget or both.",
       [](JobConfig* c, const Value&) { Search(c); }},
      {"tune.search.vary", ValueType::kChoices, nullptr,
       "Keys (features, those of model and train, data.missing, data.keep_negatives), each with the list of its "
       "values, as in {model.type: [lr, gbdt], model.gbdt.max_leaves: [15, 31, 63]}. The first of each make the first "
       "trial. A key means nothing to trials of a type of model that does not have it.",
       [](JobConfig* c, const Value& v) { Search(c).vary = v.choices; }},
      {"tune.search.trials", ValueType::kInteger, nullptr, "How many jobs are run at most.",
       [](JobConfig* c, const Value& v) { Search(c).trials = static_cast<int>(v.integer); }, Between(1, 100000)},
      {"tune.search.budget", ValueType::kDuration, nullptr,
       "Time for all trials. When it is over, trials under way are given up, unless none has ended yet.",
       [](JobConfig* c, const Value& v) { Search(c).budget_seconds = v.real; }, Between(0.1, 1e7)},
      {"tune.search.parallel", ValueType::kInteger, nullptr,
       "Trials at once, 1 if left out. They are chosen together, so more of them are chosen with less known. Where "
       "train.threads is auto, each has its part of the processors.",
       [](JobConfig* c, const Value& v) { Search(c).parallel = static_cast<int>(v.integer); }, Between(1, 256)},
      {"tune.search.halving", ValueType::kFlag, nullptr,
       "Trials begin on a ninth of the training rows, the best third of them goes on to a third of the rows, and the best "
       "third of those to all. The first trial always does, and only trials on all rows can be chosen. Left out: false.",
       [](JobConfig* c, const Value& v) { Search(c).halving = v.flag; }},
      {"tune.search.metric", ValueType::kWord, nullptr,
       "Of the validation rows: what is best. Left out: log_loss, or rmse where model.gbdt.objective is squared.",
       [](JobConfig* c, const Value& v) {
         static constexpr const char* kNames[] = {"log_loss", "auc", "rmse"};
         Search(c).metric = kNames[v.integer];
       },
       {},
       {{"log_loss", 0}, {"auc", 1}, {"rmse", 2}}},
  };
}

}  // namespace ps
