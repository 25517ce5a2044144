// The columns that a job names, and what becomes of them.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "models/config/job_checks.h"

namespace ps {
namespace {

std::string Shown(const ColumnRef& column) {
  return column.index >= 0 ? absl::StrCat(column.index) : column.name;
}

class FeatureChecker : private JobChecks {
 public:
  using JobChecks::JobChecks;

  void Check() {
    const DataFormat format = config_.data.format;
    if (IsGiven("features") && format == DataFormat::kVw) {
      Add("features", "rows of format vw name their own features; leave this out");
    }
    for (std::size_t i = 0; i < config_.features.size(); ++i) CheckFeature(i);
  }

 private:
  static bool IsOfRow(FeatureOp op) {
    return op == FeatureOp::kRest || op == FeatureOp::kTreeLeaves;
  }

  void CheckFeature(std::size_t index) {
    const FeatureConfig& feature = config_.features[index];
    const std::string path = absl::StrCat("features[", index, "]");
    if (!IsGiven(path + ".op")) {
      Add(path + ".op",
          "required: numeric, bucket, log, raw, hash, cross, ignore, rest or tree_leaves");
      return;
    }
    if (config_.data.format == DataFormat::kLibsvm && !IsOfRow(feature.op)) {
      Add(path + ".op", "rows of format libsvm have no columns: rest or tree_leaves");
    }
    CheckColumns(path, feature);
    CheckTrees(path, feature);
    if (IsGiven(path + ".buckets") && feature.op != FeatureOp::kBucket) {
      Add(path + ".buckets", "only for op: bucket");
    }
    for (std::size_t other = 0; other < index; ++other) {
      const FeatureConfig& before = config_.features[other];
      if (before.op == feature.op && before.column == feature.column && before.of == feature.of) {
        Add(path, feature.op == FeatureOp::kTreeLeaves
                      ? "the leaves of one model only in this version"
                      : absl::StrCat("the same as features[", other, "]"));
      }
    }
  }

  void CheckColumns(const std::string& path, const FeatureConfig& feature) {
    const bool cross = feature.op == FeatureOp::kCross;
    if (cross) {
      if (feature.column.set()) Add(path + ".column", "a cross names its columns in of");
      if (feature.of.size() < 2) Add(path + ".of", "a cross needs two or more columns");
    } else if (IsOfRow(feature.op)) {
      if (feature.column.set()) Add(path + ".column", "rest and tree_leaves name no column");
    } else if (!feature.column.set()) {
      Add(path + ".column", "required, except for op: cross, rest and tree_leaves");
    }
    if (!cross && IsGiven(path + ".of")) Add(path + ".of", "only for op: cross");
    if (feature.op != FeatureOp::kIgnore) CheckInput(path + ".column", feature.column);
    for (std::size_t i = 0; i < feature.of.size(); ++i) {
      CheckInput(path + ".of", feature.of[i]);
      const auto at = feature.of.begin() + static_cast<std::ptrdiff_t>(i);
      if (std::count(feature.of.begin(), at, feature.of[i]) > 0) {
        Add(path + ".of", absl::StrCat("column ", Shown(feature.of[i]), " twice"));
      }
    }
  }

  void CheckTrees(const std::string& path, const FeatureConfig& feature) {
    if (feature.op != FeatureOp::kTreeLeaves) {
      if (IsGiven(path + ".model")) Add(path + ".model", "only for op: tree_leaves");
      return;
    }
    if (feature.model.empty())
      Add(path + ".model", "required for op: tree_leaves: the directory of a model of trees");
    if (config_.model.type != "lr") Add(path + ".op", "tree_leaves is only for model.type lr");
  }
};

}  // namespace

// The place of a key, or of the nearest section above it that the file has.
Place JobChecks::PlaceOf(std::string path) const {
  for (;;) {
    const auto found = given_.find(path);
    if (found != given_.end()) return found->second;
    const std::size_t dot = path.rfind('.');
    if (dot == std::string::npos) return {};
    path.resize(dot);
  }
}

void JobChecks::Add(const std::string& path, const std::string& what) {
  errors_->Add(PlaceOf(path), absl::StrCat(path, ": ", what));
}

void JobChecks::CheckColumn(const std::string& path, const ColumnRef& column) {
  const DataConfig& data = config_.data;
  if (!column.set() || !IsDelimited() || data.header) return;
  if (data.columns.empty()) {
    if (column.index < 0) {
      Add(path, absl::StrCat("\"", column.name,
                             "\" is a name, but the files have no header: set "
                             "data.header or data.columns, or give the position"));
    }
  } else if (column.index >= 0 && column.index >= static_cast<int>(data.columns.size())) {
    Add(path, absl::StrCat("column ", column.index, " of ", data.columns.size(),
                           "; positions count from 0"));
  } else if (column.index < 0 && std::find(data.columns.begin(), data.columns.end(),
                                           column.name) == data.columns.end()) {
    Add(path, absl::StrCat("no column \"", column.name, "\"; data.columns has ",
                           absl::StrJoin(data.columns, ", ")));
  }
}

void JobChecks::CheckInput(const std::string& path, const ColumnRef& column) {
  CheckColumn(path, column);
  if (column.set() && column == config_.data.label.column) {
    Add(path, absl::StrCat("column ", Shown(column), " is the label"));
  }
}

void CheckFeatures(const JobConfig& config, const GivenKeys& given, ConfigErrors* errors) {
  FeatureChecker(config, given, errors).Check();
}

}  // namespace ps
