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

// Softmax has a margin for each class, and a round of as many trees: tree t is of class t % classes.
enum class Objective { kLogistic, kSquared, kSoftmax };

struct BoostParams {
  Objective objective = Objective::kLogistic;
  std::uint32_t classes = 1;  // of softmax; of others 1: they have one margin
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
  std::vector<ExactSum> of_class;  // softmax: weights of the rows of each class

  // `classes` as of BoostParams. Labels of softmax are below it.
  static LabelSums Of(const BinnedRows& rows, std::uint32_t classes) {
    return Of(rows, 0, rows.rows, classes);
  }
  // Of rows [first, end).
  static LabelSums Of(const BinnedRows& rows, std::size_t first, std::size_t end,
                      std::uint32_t classes);
  void Merge(const LabelSums& other);
  // The constants that the trees add to, one a margin: log odds or mean of the labels, or logarithms of
  // the classes' shares, as weighted.
  std::vector<double> BaseScores(Objective objective) const;
};

// `largest` is the largest magnitude of a gradient; those of classes have a bound of their own.
GradientScale ScaleOf(Objective objective, const LabelSums& sums, float largest);
// Of a tree, counted from 0: decides roundings and samples.
std::uint64_t TreeKey(std::uint64_t seed, std::uint64_t tree);
// Of a tree: decides the rows that it learns from.
std::uint64_t SampleKey(std::uint64_t seed, std::uint64_t tree);
// How the gradients of a tree are rounded.
Quantisation QuantisationOf(const GradientScale& scale, std::uint64_t tree_key);

// Before the first tree: margin m of row r is at [m * rows + r].
std::vector<float> StartMargins(const std::vector<double>& base_scores, std::size_t rows);

class GradientRows {
 public:
  // All must outlive it.
  GradientRows(const BinnedRows* rows, BoostParams params, NodeRows* node_rows, Crew* crew);

  void Start(const std::vector<double>& base_scores);
  void StartFrom(std::vector<float> margins) {  // as StartMargins lays them out
    margins_ = std::move(margins);
    leaf_value_.clear();
  }
  void SetFirstRow(std::uint64_t first) { params_.first_global_row = first; }

  // The tree was grown on these rows: its leaves' values enter the margins when those are needed. The
  // rows of the leaves must stay as they are until then.
  void SetLeaves(std::uint64_t tree, const std::vector<NodeRows::Node>* leaves, std::vector<float> values) {
    leaves_ = leaves;
    leaf_value_ = std::move(values);
    leaf_output_ = tree % params_.classes;
  }
  // To be called before any tree of a round enters the margins: all of its trees have gradients of the
  // margins as they are now. Prepare does so where this was not called.
  void BeginRound(std::uint64_t round);
  // Of margin m of row r at [m * rows + r].
  const std::vector<float>& Margins() { return *MutableMargins(); }
  std::vector<float>* MutableMargins();
  float LargestGradient();

  // Fills the entries of all rows for a tree; every thread hands them over as they come.
  using AddRows = std::function<void(int thread, const RowGradient* rows, std::size_t count)>;
  void Prepare(const GradientScale& scale, std::uint64_t tree, const AddRows& add);

 private:
  void TakeOverTree(std::size_t block);
  void FindNorms(std::size_t block);
  void Gradients(std::size_t row, std::size_t count, std::uint64_t tree, float* gradient, float* hessian) const;
  void PrepareBlock(int thread, std::size_t block, const Quantisation& q, std::uint64_t tree,
                    const AddRows& add);
  void DropRows(std::uint64_t tree_key, std::uint64_t first_row, std::size_t count,
                RowGradient* rows);

  const BinnedRows& rows_;
  BoostParams params_;
  NodeRows& node_rows_;
  Crew& crew_;
  std::vector<float> margins_;
  // Softmax: what makes probabilities of the margins at the begin of a round. A class's own margins do
  // not change before its tree of the round is grown.
  std::vector<float> largest_, inverse_;
  std::uint64_t round_ = ~std::uint64_t{0};
  const std::vector<NodeRows::Node>* leaves_ = nullptr;
  std::vector<float> leaf_value_;  // of the last tree, until its rows' margins have them
  std::size_t leaf_output_ = 0;    // which margins those are
};

}  // namespace ps
