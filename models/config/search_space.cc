#include "models/config/search_space.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "models/config/config_errors.h"
#include "models/config/model_keys.h"
#include "models/config/overrides.h"
#include "models/config/schema.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr char kTypeKey[] = "model.type", kOptimizerKey[] = "model.optimizer.type";
constexpr std::size_t kLongestShown = 40;  // of a value
constexpr std::size_t kMostValues = 1000;  // of all keys together

void Remove(const std::string& path, YamlNode* node) {
  const std::size_t dot = path.find('.');
  if (dot != std::string::npos) {
    if (YamlNode* below = node->Find(path.substr(0, dot))) Remove(path.substr(dot + 1), below);
    return;
  }
  std::erase_if(node->entries, [&](const YamlEntry& entry) { return entry.key == path; });
}

bool IsEmpty(const YamlNode* node) { return node != nullptr && node->entries.empty() && node->items.empty(); }

// Trees find crosses themselves, and other trees' leaves are nothing to them.
bool IsOfLinearModels(const YamlNode& feature) {
  const YamlNode* op = feature.Find("op");
  return op != nullptr && (op->text == "cross" || op->text == "tree_leaves");
}

// What jobs of the type refuse.
void RemoveWhatIsNotFor(const std::string& type, YamlNode* root) {
  std::vector<std::string> keys = LinearModelKeys();
  keys.insert(keys.end(), {"model.tune", "model.gbdt", "data.label.classes", "data.cache", "tune"});
  for (const std::string& key : keys) {
    if (!KeyAppliesTo(type, key)) Remove(key, root);
  }
  if (type == "gbdt") Remove("checkpoint", root);  // trials of trees begin anew, and may be tuned, which takes none
  YamlNode* features = root->Find("features");
  if (type == "gbdt" && features != nullptr) std::erase_if(features->items, IsOfLinearModels);
}

// The same for all jobs that are the same: without a feature, all columns that are not ignored are features.
JobConfig Meaning(JobConfig config) {
  std::vector<FeatureConfig>& features = config.features;
  const auto ignored = [](const FeatureConfig& one) { return one.op == FeatureOp::kIgnore; };
  if (std::all_of(features.begin(), features.end(), ignored)) features.push_back({.op = FeatureOp::kRest});
  return config;
}

void AddBundles(const JobConfig& config, std::set<std::string>* bundles) {
  const auto add = [bundles](const std::string& path) {
    if (!path.empty()) bundles->insert(path);
  };
  add(config.model.warm_start);
  add(config.model.gbdt.base_model);
  for (const FeatureConfig& feature : config.features) add(feature.model);
}

// Lines of a trial's job are in no file that anybody has: what is wrong is said by the keys alone.
absl::Status WithoutLines(const absl::Status& status, const std::string& name) {
  std::string text, rest(status.message());
  for (std::size_t at; (at = rest.find(name + ":")) != std::string::npos;) {
    at += name.size();
    text += rest.substr(0, at);
    const std::size_t digits = rest.find_first_not_of("0123456789", at + 1);
    rest.erase(0, digits != std::string::npos && digits > at + 1 ? digits : at);
  }
  return absl::Status(status.code(), absl::StrReplaceAll(text + rest, {{"--set ", "tune.search.vary: "}}));
}

std::optional<OptimizerType> OptimizerNamed(const std::string& word) {
  for (const auto& [name, type] : FindSchemaRow(kOptimizerKey)->words) {
    if (word == name) return static_cast<OptimizerType>(type);
  }
  return std::nullopt;
}

// Why trials could not be compared where that key varies, or nothing.
std::string WhyFixed(const std::string& key) {
  static constexpr const char* kFixed[] = {"train.seed", "train.threads", "train.row_cache", "model.gbdt.objective"};
  for (const char* fixed : kFixed) {
    if (key == fixed) return "must be the same in all trials";
  }
  for (const char* below : {"features.", "model.", "train."}) {
    if (absl::StartsWith(key, below)) return "";
  }
  for (const char* free : {"features", "data.missing", "data.keep_negatives"}) {
    if (key == free) return "";
  }
  return "must be the same in all trials: features, keys of model and train, data.missing and data.keep_negatives may "
         "vary";
}

}  // namespace

SearchSpace::SearchSpace(const JobConfig& job, YamlNode base)
    : search_(*job.tune->search),
      model_type_(job.model.type),
      optimizer_(job.model.optimizer.type),
      base_(std::move(base)) {}

absl::StatusOr<SearchSpace> SearchSpace::Make(const LoadedJob& job) {
  PS_ASSIGN_OR_RETURN(YamlNode base, ParseYaml(job.effective_yaml, "job.yaml"));
  Remove("tune.search", &base);
  if (IsEmpty(base.Find("tune"))) Remove("tune", &base);
  SearchSpace space(job.config, std::move(base));
  const auto wrong = [](const char* what) { return absl::InvalidArgumentError(absl::StrCat("tune.search", what)); };
  if (space.keys() == 0) return wrong(".vary: required: keys, each with the list of its values");
  if (space.search_.trials == 0 && space.search_.budget_seconds == 0) {
    return wrong(": give trials, as in trials: 20, or budget, as in budget: 15m, or both");
  }
  const JobConfig& config = job.config;
  if (!config.data.valid.set() && config.data.split.valid == 0) {
    return wrong(": needs validation rows: set data.valid.files or data.split.valid");
  }
  const std::string& metric = space.search_.metric;
  const bool numbers = config.model.gbdt.objective == "squared", classes = config.model.gbdt.objective == "softmax";
  if (numbers ? !metric.empty() && metric != "rmse" : metric == "rmse") {
    return wrong(".metric: rmse is for model.gbdt.objective squared, and for that the only one");
  }
  if (classes && metric == "auc") return wrong(".metric: log_loss only with model.gbdt.objective softmax");
  PS_RETURN_IF_ERROR(space.CheckKeys());
  space.CompareJobs();
  PS_RETURN_IF_ERROR(space.CheckValues());
  return space;
}

absl::Status SearchSpace::CheckKeys() const {
  std::vector<std::string> wrong;
  std::size_t values = 0;
  for (const VariedKey& varied : vary()) {
    const auto add = [&](const std::string& what) { wrong.push_back(absl::StrCat(varied.key, ": ", what)); };
    values += varied.values.size();
    const bool known = FindSchemaRow(varied.key) != nullptr || IsSchemaSection(varied.key) ||
                       IsSchemaSection(varied.key + "[]") || absl::StartsWith(varied.key, "features.");
    if (!known) {
      const std::string nearest = NearestKey(varied.key);
      add(nearest.empty() ? "unknown key" : absl::StrCat("unknown key, did you mean ", nearest, "?"));
    } else if (const std::string why = WhyFixed(varied.key); !why.empty()) {
      add(why);
    }
    for (const VariedKey& other : vary()) {
      if (absl::StartsWith(other.key, varied.key + ".")) add(absl::StrCat(other.key, " is a part of it: vary one of the two"));
    }
    if (std::set<std::string>(varied.values.begin(), varied.values.end()).size() < varied.values.size()) {
      add("a value twice");
    }
  }
  if (values > kMostValues) wrong.push_back(absl::StrCat("more than ", kMostValues, " values"));
  if (wrong.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("tune.search.vary: ", absl::StrJoin(wrong, "\n  ")));
}

absl::Status SearchSpace::CheckValues() const {
  const Point first(vary().size(), 0);
  if (const auto job = JobOf(Canonical(first)); !job.ok()) return job.status();
  std::vector<std::string> wrong;
  for (int key = 0; key < keys(); ++key) {
    for (int value = 0; value < values(key); ++value) {
      Point point = first;
      point[key] = value;
      if (!MakeApply(key, true, &point)) {
        const bool of_type = KeyAppliesTo(TypeOf(point), vary()[key].key);
        wrong.push_back(absl::StrCat("tune.search.vary: ", vary()[key].key, ": means nothing to ",
                                     of_type ? "the job's model.optimizer.type" : absl::StrCat(kTypeKey, " ", TypeOf(point))));
        break;
      }
      if (const auto job = JobOf(point); !job.ok()) wrong.emplace_back(job.status().message());
    }
  }
  if (wrong.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(wrong, "\n"));
}

void SearchSpace::CompareJobs() {
  const int type = NumberOf(kTypeKey);
  const int types = type < 0 ? 1 : values(type);
  for (int i = 0; i < types; ++i) {
    Point first(vary().size(), 0);
    if (type >= 0) first[type] = i;
    std::vector<std::vector<int>>& same = same_[TypeOf(first)];
    if (!same.empty()) continue;  // one type, written in two ways
    for (int key = 0; key < keys(); ++key) {
      std::vector<int>& of_key = same.emplace_back();
      std::vector<std::optional<JobConfig>> jobs;  // none: CheckValues says what is wrong
      for (int value = 0; value < values(key); ++value) {
        Point point = first;
        point[key] = value;
        MakeApply(key, false, &point);
        absl::StatusOr<LoadedJob> job = JobOf(point);
        if (job.ok()) AddBundles(job->config, &bundles_);
        jobs.push_back(job.ok() ? std::optional(Meaning(std::move(job->config))) : std::nullopt);
        const auto first_of_it = job.ok() ? std::find(jobs.begin(), jobs.end(), jobs.back()) : jobs.end() - 1;
        of_key.push_back(static_cast<int>(first_of_it - jobs.begin()));
      }
    }
  }
}

double SearchSpace::points() const {
  double product = 1;
  for (const VariedKey& varied : vary()) product *= static_cast<double>(varied.values.size());
  return product;
}

std::string SearchSpace::TypeOf(const Point& point) const {
  for (int key = 0; key < keys(); ++key) {
    if (vary()[key].key != kTypeKey) continue;
    const std::string& type = vary()[key].values[point[key]];
    return type == "gbdt" || type == "\"gbdt\"" ? "gbdt" : "lr";
  }
  return model_type_;
}

std::optional<OptimizerType> SearchSpace::OptimizerOf(const Point& point) const {
  if (NumberOf("model.optimizer") >= 0 || NumberOf("model.tune") >= 0) return std::nullopt;
  const int key = NumberOf(kOptimizerKey);
  return key < 0 ? optimizer_ : OptimizerNamed(absl::StrReplaceAll(vary()[key].values[point[key]], {{"\"", ""}}));
}

bool SearchSpace::Applies(int key, const Point& point) const {
  const std::string type = TypeOf(point), &path = vary()[key].key;
  if (!KeyAppliesTo(type, path)) return false;
  const std::optional<OptimizerType> optimizer = type == "gbdt" ? std::nullopt : OptimizerOf(point);
  return !optimizer || KeyAppliesToOptimizer(*optimizer, path);
}

int SearchSpace::NumberOf(const char* key) const {
  const auto found = std::find_if(vary().begin(), vary().end(), [key](const VariedKey& one) { return one.key == key; });
  return found == vary().end() ? -1 : static_cast<int>(found - vary().begin());
}

bool SearchSpace::MakeApply(int key, bool any_type, Point* point) const {
  if (Applies(key, *point)) return true;
  const int type = any_type ? NumberOf(kTypeKey) : -1, optimizer = NumberOf(kOptimizerKey);
  Point tried = *point;
  for (int t = 0; t < (type < 0 ? 1 : values(type)); ++t) {
    for (int o = 0; o < (optimizer < 0 ? 1 : values(optimizer)); ++o) {
      if (type >= 0 && type != key) tried[type] = t;
      if (optimizer >= 0 && optimizer != key) tried[optimizer] = o;
      if (!Applies(key, tried)) continue;
      *point = tried;
      return true;
    }
  }
  return false;
}

SearchSpace::Point SearchSpace::Canonical(Point point) const {
  const std::vector<std::vector<int>>& same = same_.at(TypeOf(point));
  for (int key = 0; key < keys(); ++key) point[key] = Applies(key, point) ? same[key][point[key]] : 0;
  return point;
}

std::string SearchSpace::Identity() const {
  std::string text = absl::StrCat(WriteYaml(base_), "metric: ", search_.metric, "\n", search_.halving ? "halving\n" : "");
  for (const VariedKey& varied : vary()) {
    absl::StrAppend(&text, varied.key, ": ", absl::StrJoin(varied.values, " | "), "\n");
  }
  return text;
}

std::string SearchSpace::Describe(const Point& point) const {
  std::string text;
  for (int key = 0; key < keys(); ++key) {
    if (!Applies(key, point)) continue;
    const std::string& value = vary()[key].values[point[key]];
    absl::StrAppend(&text, text.empty() ? "" : ", ", vary()[key].key, ": ",
                    value.size() <= kLongestShown ? value : absl::StrCat("value ", point[key] + 1, " of ", values(key)));
  }
  return text;
}

absl::StatusOr<LoadedJob> SearchSpace::JobOf(const Point& point, const Overrides& overrides) const {
  YamlNode root = base_;
  Overrides values;
  for (int key = 0; key < keys(); ++key) {
    if (Applies(key, point)) values.push_back(absl::StrCat(vary()[key].key, "=", vary()[key].values[point[key]]));
  }
  const std::string name = absl::StrCat("tune.search, the trial of {", Describe(point), "}");
  ConfigErrors errors(name, values);
  ApplyOverrides(values, &root, &errors);
  if (!errors.empty()) return WithoutLines(errors.ToStatus(), name);
  RemoveWhatIsNotFor(TypeOf(point), &root);
  absl::StatusOr<LoadedJob> job = ParseJob(WriteYaml(root), name, overrides);
  if (!job.ok()) return WithoutLines(job.status(), name);
  return job;
}

}  // namespace ps
