// Boosting: trees one after the other, each grown on the gradients that the ones before it leave.
// Holds the margins of the training rows. One caller at a time; it works on the crew.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "models/gbdt/binned_rows.h"
#include "models/gbdt/grower.h"

namespace ps {

enum class Objective { kLogistic, kSquared };

struct BoostParams {
  Objective objective = Objective::kLogistic;
  GrowParams grow;
  double row_sample = 1;  // of each tree
  std::uint64_t seed = 1;
  std::uint64_t first_global_row =
      0;  // of the first row here: roundings and samples follow global rows
};

class Booster {
 public:
  Booster(const BinnedRows* rows, const std::vector<BinColumn>* columns, BoostParams params,
          Crew* crew);

  // The constant that the trees add to: log odds or mean of the labels, as weighted.
  double base_score() const { return base_score_; }
  Tree GrowNext();
  // Margins with all trees so far.
  const std::vector<float>& Margins();

 private:
  void TakeOverTree(std::size_t block);
  void LargestGradient();
  void SetScale();
  void PrepareBlock(int thread, std::size_t block, const Quantisation& q);
  void DropRows(std::uint64_t tree_key, std::uint64_t first_row, std::size_t count,
                RowGradient* rows);

  const BinnedRows& rows_;
  const BoostParams params_;
  Crew& crew_;
  NodeRows node_rows_;
  TreeGrower grower_;
  double base_score_ = 0;
  std::vector<float> margins_;
  std::vector<float> leaf_value_;  // of the last tree, until its rows' margins have them
  float gradient_bound_ = 1, hessian_bound_ = 0.25f;
  GradientScale scale_;
  std::uint64_t trees_ = 0;
};

// Adds a tree's values to margins of other rows with the same columns.
void AddTree(const Tree& tree, const BinnedRows& rows, Crew* crew, std::vector<float>* margins);

}  // namespace ps
