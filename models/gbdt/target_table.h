// Target statistics of a categorical column (target encoding): a category becomes the mean label of
// its training rows, drawn towards the mean of all rows, (sum + smooth * mean) / (rows + smooth).
//
// A training row must not see its own label. Rows have folds, by a hash of their place in the files;
// a row gets the mean over the rows of the other folds. Rows that are no training rows get that over
// all of them. Sums are integers: they are the same in whatever order rows are added and tables
// merged.
//
// Categories are known by a 64-bit hash. Adding and merging: one thread; else any.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "models/gbdt/columns.h"
#include "models/gbdt/trees.pb.h"

namespace ps {

inline constexpr std::uint32_t kTargetFolds = 5;
inline constexpr std::size_t kMostTargetCategories = std::size_t{1} << 24;  // of a column
// About what a table needs for each in memory, with those of its folds.
inline constexpr std::size_t kTargetCategoryBytes = 200;

// Of a category's text; 0 is no category: a missing value.
std::uint64_t TargetKey(std::string_view text);
std::uint32_t TargetFold(std::uint64_t seed, std::uint32_t file, std::uint64_t offset);

// The unit in which labels are added up: 1 for labels 0 and 1; of numbers up to `largest` in magnitude
// a power of two such that those are at most 2^29 of it. Others count as 2^30 units at most.
double TargetUnit(bool numbers, float largest);

class TargetTable {
 public:
  struct Sums {
    std::int64_t label = 0;  // in units
    std::uint64_t rows = 0;
    void operator+=(const Sums& other) {
      label += other.label;
      rows += other.rows;
    }
  };

  TargetTable(double unit, double smooth) : unit_(unit), smooth_(smooth) {}

  void Add(std::uint64_t key, std::uint32_t fold, float label);
  void Merge(const TargetTable& other);

  std::size_t categories() const { return of_category_.size(); }
  std::uint64_t rows() const { return all_.rows; }
  std::uint64_t RowsOfCategories() const;  // less those whose value is missing
  // NaN of a missing value, the mean of all rows of a category that is not known.
  float Mean(std::uint64_t key) const;
  // Of a training row of this fold.
  float MeanOutOfFold(std::uint64_t key, std::uint32_t fold) const;
  // What the training rows get, ascending; a table without folds has one value a category.
  std::vector<WeightedValue> Values() const;

  // `folds`: with what training rows need. Equal tables are equal bytes.
  void Write(bool folds, trees::Target* to) const;
  // Nothing: no writer would have written it.
  static std::optional<TargetTable> Read(const trees::Target& from);

 private:
  struct FoldOfCategory {
    std::uint64_t key;
    std::uint32_t fold;
    bool operator==(const FoldOfCategory&) const = default;
    template <typename H>
    friend H AbslHashValue(H h, const FoldOfCategory& of) {
      return H::combine(std::move(h), of.key, of.fold);
    }
  };

  float MeanOf(const Sums& sums) const;

  double unit_, smooth_;
  Sums all_;  // rows with a missing value too
  absl::flat_hash_map<std::uint64_t, Sums> of_category_;
  absl::flat_hash_map<FoldOfCategory, Sums> of_fold_;
};

}  // namespace ps
