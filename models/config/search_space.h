// The jobs that a search (tune.search) can run: the job's file with one value of each varied key.
//
// What a type of model refuses is left out of its jobs: keys that only the other type has, crosses
// for trees. So several points may be one job; the canonical one has each key at the first of the
// values that give the same job.
//
// Immutable after Make; any thread.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "models/config/load.h"
#include "models/config/yaml_tree.h"

namespace ps {

class SearchSpace {
 public:
  using Point = std::vector<int>;  // of each varied key, which of its values

  // InvalidArgument, with all that is wrong, where a key may not vary, or a value is one that no job
  // can have.
  static absl::StatusOr<SearchSpace> Make(const LoadedJob& job);

  const std::vector<VariedKey>& vary() const { return search_.vary; }
  const SearchConfig& search() const { return search_; }
  int keys() const { return static_cast<int>(search_.vary.size()); }
  int values(int key) const { return static_cast<int>(search_.vary[key].values.size()); }
  double points() const;  // canonical or not

  std::string TypeOf(const Point& point) const;  // of its model
  // Whether the key changes anything there: trials that differ by other keys alone are one.
  bool Applies(int key, const Point& point) const;
  Point Canonical(Point point) const;
  // What says whether trials of two searches can be compared: all but how many there shall be.
  std::string Identity() const;
  // Directories of the bundles that jobs of it read.
  const std::set<std::string>& bundles() const { return bundles_; }
  // "model.type: gbdt, model.gbdt.max_leaves: 31, features: value 2 of 3": the keys that apply.
  std::string Describe(const Point& point) const;

  // InvalidArgument: values that do not go together.
  absl::StatusOr<LoadedJob> JobOf(const Point& point, const Overrides& overrides = {}) const;

 private:
  SearchSpace(const JobConfig& job, YamlNode base);
  absl::Status CheckKeys() const;
  absl::Status CheckValues() const;
  void CompareJobs();
  int NumberOf(const char* key) const;  // among those that vary; -1: it does not
  std::optional<OptimizerType> OptimizerOf(const Point& point) const;  // nothing: it is not to be told
  // Changes the optimiser of the point, and with `any_type` its type of model, until the key applies, where it does with any.
  bool MakeApply(int key, bool any_type, Point* point) const;

  SearchConfig search_;
  std::string model_type_;  // of the job without model.type varied
  OptimizerType optimizer_;  // likewise
  YamlNode base_;           // without the search
  // By type of model, for each value of each key: the first one with which the job is the same.
  std::map<std::string, std::vector<std::vector<int>>> same_;
  std::set<std::string> bundles_;
};

}  // namespace ps
