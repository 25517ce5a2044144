// What the keys of a table's rows stand for, in words: the way from a field to its keys (RowProgram) gone once more,
// slowly, with names. Immutable after construction: any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "models/features/extractor.pb.h"
#include "models/features/split_row.h"
#include "ps/base/key.h"

namespace ps {

class TableKeys {
 public:
  // `plan` has been validated and is of a table. Keys of trees in it are none of these.
  explicit TableKeys(const features::Plan& plan);

  // Called with each key; `name` says what it stands for and costs more than the key: "city=Paris", "age in [18, 30)",
  // "age missing", "city=Paris x age < 18", and of a column that several features read "zip (hash)=75001" and "zip (log)
  // missing". Names of different keys of a plan differ, and are UTF-8 without control characters: what could be taken for
  // another part of a name is escaped as in C.
  using Visit = std::function<void(Key key, const std::function<std::string()>& name)>;

  // Keys that need no row: buckets, missing values and standardised numbers.
  void OfPlan(const Visit& visit) const;
  // Keys of a row of the plan's columns that its parser takes for a good one.
  void OfRow(const SplitRow& row, const Visit& visit) const;

 private:
  struct Level {
    std::uint64_t seed = 0;
    std::vector<std::uint32_t> first_leaf;  // of each bucket
    std::string suffix;                     // of its names, where there are several
  };
  struct Source {  // a feature
    features::Feature::Op op = features::Feature::UNKNOWN;
    std::uint32_t column = 0;
    std::string name;  // of the column, and of the operation where the column alone does not tell the feature
    std::uint64_t seed = 0, text_seed = 0;
    Key missing_key = 0;
    std::vector<double> cuts;
    std::vector<Level> levels;
    double scale = 1;
    std::vector<Source> members;  // of a cross
  };

  // `say_op`: the column has other features. Members of a cross have one operation for each column.
  static Source Compile(const features::Plan& plan, const features::Feature& feature, bool say_op);
  bool IsMissing(std::string_view text) const;
  void OfField(const Source& source, std::string_view text, const Visit& visit) const;
  void OfCross(const Source& source, const SplitRow& row, const Visit& visit) const;

  std::vector<std::string> missing_;
  std::vector<Source> sources_;
};

}  // namespace ps
