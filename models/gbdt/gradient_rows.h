// The margins of rows, and the quantised gradients that the next tree is grown on. The rows may be
// a part of the job's: all that depends on more than them is told. One caller at a time; it works
// on the crew.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "models/gbdt/binned_rows.h"
#include "models/gbdt/exact_sum.h"
#include "models/gbdt/node_rows.h"
#include "models/gbdt/tree_builder.h"

namespace ps {

enum class Objective { kLogistic, kSquared };

struct BoostParams {
  Objective objective = Objective::kLogistic;
  GrowParams grow;
  double row_sample = 1;  // of each tree
  std::uint64_t seed = 1;
  std::uint64_t first_tree = 0;  // trees that there are already: roundings and samples go on
  std::uint64_t first_global_row =
      0;  // of the first row here: roundings and samples follow global rows
};

// What has to be known of all rows before the first tree. Parts merge to the same, however the rows
// are parted.
struct LabelSums {
  std::uint64_t rows = 0;
  ExactSum labels, weights;  // weighted labels
  float heaviest = 0;
  float lowest = 0, highest = 0;  // labels; of rows 0 both are 0

  static LabelSums Of(const BinnedRows& rows);
  void Merge(const LabelSums& other);
  // The constant that the trees add to: log odds or mean of the labels, as weighted.
  double BaseScore(Objective objective) const;
};

// `largest` is the largest magnitude of a gradient; logistic gradients have a bound of their own.
GradientScale ScaleOf(Objective objective, const LabelSums& sums, float largest);
// Of a tree, counted from 0: decides roundings and samples.
std::uint64_t TreeKey(std::uint64_t seed, std::uint64_t tree);
// Of a tree: decides the rows that it learns from.
std::uint64_t SampleKey(std::uint64_t seed, std::uint64_t tree);
// How the gradients of a tree are rounded.
Quantisation QuantisationOf(const GradientScale& scale, std::uint64_t tree_key);

class GradientRows {
 public:
  // All must outlive it.
  GradientRows(const BinnedRows* rows, BoostParams params, NodeRows* node_rows, Crew* crew);

  void Start(double base_score) {
    margins_.assign(rows_.rows, static_cast<float>(base_score));
    leaf_value_.clear();
  }
  void StartFrom(std::vector<float> margins) {  // one a row
    margins_ = std::move(margins);
    leaf_value_.clear();
  }
  void SetFirstRow(std::uint64_t first) { params_.first_global_row = first; }

  // A tree was grown on these rows: its leaves' values enter the margins when those are needed. The
  // rows of the leaves must stay as they are until then.
  void SetLeaves(const std::vector<NodeRows::Node>* leaves, std::vector<float> values) {
    leaves_ = leaves;
    leaf_value_ = std::move(values);
  }
  const std::vector<float>& Margins() { return *MutableMargins(); }
  std::vector<float>* MutableMargins();
  float LargestGradient();

  // Fills the entries of all rows for a tree; every thread hands them over as they come.
  using AddRows = std::function<void(int thread, const RowGradient* rows, std::size_t count)>;
  void Prepare(const GradientScale& scale, std::uint64_t tree, const AddRows& add);

 private:
  void TakeOverTree(std::size_t block);
  void PrepareBlock(int thread, std::size_t block, const Quantisation& q, std::uint64_t tree,
                    const AddRows& add);
  void DropRows(std::uint64_t tree_key, std::uint64_t first_row, std::size_t count,
                RowGradient* rows);

  const BinnedRows& rows_;
  BoostParams params_;
  NodeRows& node_rows_;
  Crew& crew_;
  std::vector<float> margins_;
  const std::vector<NodeRows::Node>* leaves_ = nullptr;
  std::vector<float> leaf_value_;  // of the last tree, until its rows' margins have them
};

}  // namespace ps
