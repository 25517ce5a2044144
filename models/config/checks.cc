#include "models/config/checks.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "models/config/job_checks.h"
#include "models/config/model_keys.h"
#include "ps/base/file.h"

namespace ps {
namespace {

class JobChecker : private JobChecks {
 public:
  using JobChecks::JobChecks;

  void Check() {
    CheckPlaces();
    // A search is no job, but several, which are checked one by one (search_space.h).
    if (config_.tune && config_.tune->search) return;
    CheckParts();
    CheckFormatKeys();
    CheckColumnNames();
    CheckColumns();
    CheckFeatures(config_, given_, errors_);
    CheckTrain();
    CheckCluster();
    CheckCheckpoint();
    CheckModel();
    CheckTuning(config_, given_, errors_);
  }

 private:
  void CheckParts() {
    const DataConfig& data = config_.data;
    if (!data.train.set()) Add("data.train.files", "required: name at least one training file");
    CheckFiles("data.train.files", data.train);
    CheckFiles("data.valid.files", data.valid);
    CheckFiles("data.test.files", data.test);
    if (data.valid.set() && data.split.valid > 0) {
      Add("data.split.valid", "data.valid.files already names the validation rows; give one");
    }
    if (data.test.set() && data.split.test > 0) {
      Add("data.split.test", "data.test.files already names the test rows; give one");
    }
    if (data.split.valid + data.split.test >= 1) {
      Add("data.split",
          absl::StrFormat("valid and test take %g of the rows; none are left to train",
                          data.split.valid + data.split.test));
    }
  }

  void CheckFiles(const std::string& path, const DataPart& part) {
    for (const std::string& file : part.files) {
      if (file.empty()) Add(path, "an empty file name");
    }
    if (IsGiven(path) && !part.set() && path != "data.train.files") Add(path, "an empty list");
  }

  // A key that the format ignores is a mistake about the format.
  void CheckFormatKeys() {
    const DataConfig& data = config_.data;
    if (!IsDelimited()) {
      if (data.header) Add("data.header", "only csv and tsv files have a header");
      for (const char* key : {"data.columns", "data.label.column", "data.weight"}) {
        if (IsGiven(key)) Add(key, "only for format csv or tsv");
      }
    }
    if (IsGiven("data.quote") && data.format != DataFormat::kCsv) {
      Add("data.quote", "only for format csv");
    }
    if (IsGiven("data.missing") && !IsDelimited() && data.format != DataFormat::kCriteo) {
      Add("data.missing", "only for format csv, tsv or criteo");
    }
    if (IsGiven("data.index_base") && data.format != DataFormat::kLibsvm) {
      Add("data.index_base", "only for format libsvm");
    }
    if (data.quote.size() > 1 || data.quote == "," || data.quote == "\n" || data.quote == "\r") {
      Add("data.quote",
          "expected one character other than a comma or a line end, or an empty text");
    }
  }

  void CheckColumnNames() {
    const DataConfig& data = config_.data;
    if (data.header && !data.columns.empty()) {
      Add("data.columns", "the header already names the columns; give one");
    }
    std::set<std::string> seen;
    for (const std::string& name : data.columns) {
      if (name.empty()) Add("data.columns", "an empty name");
      if (!seen.insert(name).second) Add("data.columns", absl::StrCat("\"", name, "\" twice"));
    }
  }

  void CheckColumns() {
    const DataConfig& data = config_.data;
    CheckColumn("data.label.column", data.label.column);
    CheckColumn("data.weight", data.weight);
    if (data.weight.set() && data.weight == data.label.column) {
      Add("data.weight", "the same column as the label");
    }
  }

  void CheckTrain() {
    const bool has_validation = config_.data.valid.set() || config_.data.split.valid > 0;
    if (config_.train.early_stopping && !has_validation) {
      Add("train.early_stopping",
          "needs validation rows: set data.valid.files or data.split.valid");
    }
  }

  void CheckPlaces() {
    if (config_.output.dir.empty()) return Add("output.dir", "an empty name");
    for (const auto& [key, place] : {std::pair{"checkpoint.dir", config_.checkpoint.dir}, {"data.cache", config_.data.cache},
                                     {"cluster.state", config_.cluster.state}}) {
      if (LiesIn(place, config_.output.dir))
        Add(key, "lies in output.dir, which the model replaces; name a place beside it");
    }
  }

  void CheckCluster() {
    const ClusterConfig& cluster = config_.cluster;
    if ((cluster.servers > 0) != (cluster.workers > 0)) {
      Add(cluster.servers > 0 ? "cluster.workers" : "cluster.servers",
          "servers and workers come together: set both, or neither to train in this process");
    }
    if (cluster.replicas > 1 && config_.train.staleness == 0) {
      Add("cluster.replicas",
          "goes with train.staleness above 0 only: with staleness 0 a lost server's part is learnt "
          "again, with the same bytes; set 1");
    }
    if (cluster.scale) CheckScale(*cluster.scale);
  }

  void CheckCheckpoint() {
    const CheckpointConfig& checkpoint = config_.checkpoint;
    if (IsGiven("checkpoint") && checkpoint.dir.empty()) {
      Add("checkpoint.dir", "required: a directory, or s3://BUCKET/PREFIX");
    }
    const bool s3 = checkpoint.dir.rfind("s3://", 0) == 0;
    if (!s3 && checkpoint.dir.find("://") != std::string::npos) {
      Add("checkpoint.dir", "expected a directory, or s3://BUCKET/PREFIX");
    }
    if (!checkpoint.endpoint.empty() && !s3) Add("checkpoint.endpoint", "only for s3://BUCKET/PREFIX");
  }

  void CheckScale(const ScaleConfig& scale) {
    if (scale.memory_per_server_gib == 0 && scale.rows_per_s == 0) {
      Add("cluster.scale", "give memory_per_server_gib, rows_per_s or both");
    }
    const auto check = [&](double target, const char* target_key, const std::string& nodes, int min, int max) {
      if (target == 0) return;
      const std::string key = absl::StrCat("cluster.scale.max_", nodes);
      if (max == 0) Add(key, absl::StrCat("required with ", target_key));
      if (max > 0 && max < min) Add(key, absl::StrCat(max, " is below min_", nodes, " ", min));
    };
    check(scale.memory_per_server_gib, "memory_per_server_gib", "servers", scale.min_servers, scale.max_servers);
    check(scale.rows_per_s, "rows_per_s", "workers", scale.min_workers, scale.max_workers);
    if (scale.memory_per_server_gib == 0) return;
    if (config_.train.staleness == 0) {
      Add("cluster.scale.memory_per_server_gib",
          "goes with train.staleness above 0 only: with staleness 0 the number of servers is fixed");
    }
    if (scale.min_servers < config_.cluster.replicas) {
      Add("cluster.scale.min_servers",
          absl::StrCat("cluster.replicas: ", config_.cluster.replicas, " needs as many servers"));
    }
    if (config_.cluster.slot_bits < 12 && scale.max_servers > (1 << config_.cluster.slot_bits)) {
      Add("cluster.scale.max_servers", "more than there are slots (cluster.slot_bits)");
    }
  }

  // Settings of the other kind of model are a mistake about the kind.
  void CheckModel() {
    const bool trees = config_.model.type == "gbdt";
    if (!trees) {
      if (config_.model.optimizer.type == OptimizerType::kNewtonCg) CheckNewton();
      if (IsGiven("data.label.classes")) Add("data.label.classes", "only for model.type gbdt with objective softmax");
      if (IsGiven("model.gbdt")) Add("model.gbdt", "only for model.type gbdt");
      if (IsGiven("data.cache")) Add("data.cache", "only for model.type gbdt; later passes of lr have train.row_cache");
      return;
    }
    for (const std::string& key : LinearModelKeys()) {
      if (IsGiven(key)) Add(key, "not for model.type gbdt");
    }
    if (IsGiven("model.tune")) Add("model.tune", "only for model.type lr; trees are tuned by the section tune, as in tune: {budget: 15m}");
    if (config_.cluster.replicas > 1) Add("cluster.replicas", "not for model.type gbdt, which begins a tree anew when a server is lost");
    if (config_.data.format == DataFormat::kVw) Add("data.format", "model.type gbdt reads libsvm, csv, tsv and criteo");
    CheckStartTrees();
    if (IsGiven("checkpoint") && config_.tune && !config_.tune->search) Add("checkpoint", "not with tune, whose trainings begin from nothing; remove one of the two");
    if (IsGiven("checkpoint") && config_.model.gbdt.refit) Add("checkpoint", "not with model.gbdt.refit, which grows no trees");
    if (!config_.model.gbdt.base_model.empty()) CheckBaseModel();
    if (config_.model.gbdt.distribution == "columns") {
      if (config_.device == "cuda") Add("device", "cuda grows trees where workers share the rows; set model.gbdt.distribution: rows or auto, or device: auto");
      for (const char* key : {"cluster.state", "checkpoint.dir", "model.warm_start", "model.gbdt.base_model"}) {
        if (IsGiven(key)) Add("model.gbdt.distribution", absl::StrCat("columns does not go with ", key, " in this version; set rows or auto"));
      }
    }
    const bool squared = config_.model.gbdt.objective == "squared";
    if (squared && !IsDelimited()) Add("model.gbdt.objective", "squared needs labels that csv and tsv files have");
    if (squared && IsGiven("data.label.positive")) Add("data.label.positive", "only for classes");
    if (squared && config_.data.keep_negatives < 1) Add("data.keep_negatives", "only for classes");
    if (config_.model.gbdt.objective == "softmax") {
      CheckSoftmax();
    } else if (IsGiven("data.label.classes")) {
      Add("data.label.classes", "only for model.gbdt.objective softmax");
    }
    if (IsGiven("model.gbdt.absent") && config_.data.format != DataFormat::kLibsvm) {
      Add("model.gbdt.absent", "only for format libsvm; data.missing says what is missing in a table");
    }
    CheckTargets();
    for (const ColumnRef& column : config_.model.gbdt.increasing) CheckInput("model.gbdt.monotone.increasing", column);
    for (const ColumnRef& column : config_.model.gbdt.decreasing) CheckInput("model.gbdt.monotone.decreasing", column);
    for (std::size_t i = 0; i < config_.features.size(); ++i) {
      if (config_.features[i].op != FeatureOp::kCross) continue;
      Add(absl::StrCat("features[", i, "].op"), "trees find crosses themselves; remove it");
    }
  }

  void CheckNewton() {
    const char* const type = "model.optimizer.type";
    constexpr double kMostL2 = 1e30;  // beyond what single precision holds
    if (config_.model.optimizer.l2 > kMostL2) Add("model.optimizer.l2", "at most 1e30 with newton_cg");
    if (config_.model.optimizer.l2_evidence && config_.model.optimizer.l2 == 0.0) {
      Add("model.optimizer.l2", "a factor of what model.optimizer.l2_evidence finds: above 0");
    }
    if (config_.cluster.servers > 0) Add(type, "newton_cg is for one process; remove cluster.servers and workers, or set ftrl");
    if (config_.train.staleness == 0) Add(type, "newton_cg takes no steps, and train.staleness: 0 is the cluster's way; remove one of the two");
    if (config_.device == "cuda") Add("device", "cuda does not go with newton_cg in this version; set auto or cpu");
    if (!config_.model.warm_start.empty()) {
      Add("model.warm_start", "newton_cg finds the same optimum wherever it begins; remove one of the two, or set ftrl");
    }
  }

  void CheckTargets() {
    if (IsGiven("model.gbdt.target_columns")) {
      if (config_.data.format == DataFormat::kLibsvm)
        Add("model.gbdt.target_columns", "libsvm text has no categories");
      if (config_.model.gbdt.objective == "softmax")
        Add("model.gbdt.target_columns", "not with softmax in this version; remove it");
    }
    for (const ColumnRef& column : config_.model.gbdt.target_columns) CheckInput("model.gbdt.target_columns", column);
  }

  void CheckSoftmax() {
    const std::vector<std::string>& classes = config_.data.label.classes;
    if (config_.data.format == DataFormat::kCriteo)
      Add("model.gbdt.objective", "softmax needs labels that csv, tsv and libsvm files have");
    if (IsGiven("data.label.positive")) Add("data.label.positive", "softmax has no positive class; remove it");
    if (config_.data.keep_negatives < 1) Add("data.keep_negatives", "softmax has no negative class; remove it");
    if (IsGiven("model.gbdt.monotone")) Add("model.gbdt.monotone", "not with softmax in this version; remove it");
    if (!IsGiven("data.label.classes")) return;
    if (classes.size() < 2 || classes.size() > kMostClasses)
      Add("data.label.classes", absl::StrCat("expected 2 to ", kMostClasses, " classes, found ", classes.size()));
    std::set<std::string> seen;
    for (const std::string& name : classes) {
      if (name.empty()) Add("data.label.classes", "an empty text");
      if (!seen.insert(name).second) Add("data.label.classes", absl::StrCat("\"", name, "\" twice"));
      std::int64_t number = 0;
      if (config_.data.format == DataFormat::kLibsvm && (!absl::SimpleAtoi(name, &number) || absl::StrCat(number) != name))
        Add("data.label.classes", absl::StrCat("libsvm has whole numbers as classes, found \"", name, "\""));
    }
  }

  void CheckBaseModel() {
    const std::string path = "model.gbdt.base_model";
    if (config_.model.gbdt.objective != "logistic") Add(path, "only with objective logistic");
    if (config_.tune) Add(path, "not with tune in this version; remove one of the two");
    if (!config_.model.warm_start.empty()) Add(path, "not with model.warm_start; remove one of the two");
  }

  void CheckStartTrees() {
    const bool refit = config_.model.gbdt.refit.has_value();
    if (refit && config_.model.warm_start.empty()) Add("model.gbdt.refit", "needs model.warm_start, the model whose leaves are fitted again");
    if (config_.model.warm_start.empty()) return;
    if (config_.tune) Add("model.warm_start", "tune begins from nothing; remove one of the two");
    if (!refit) return;
    if (config_.cluster.servers > 0) Add("model.gbdt.refit", "is for one process in this version; remove cluster.servers and workers");
    for (const char* key : {"model.gbdt.trees", "model.gbdt.monotone", "train.early_stopping"}) {
      if (IsGiven(key)) Add(key, "not with model.gbdt.refit, which grows no trees");
    }
  }
};

}  // namespace

void CheckJob(const JobConfig& config, const GivenKeys& given, ConfigErrors* errors) {
  JobChecker(config, given, errors).Check();
}

}  // namespace ps
