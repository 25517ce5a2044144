// Boosting: trees one after the other, each grown on the gradients that the ones before it leave.
// Holds the margins of the training rows, which begin with those that the rows have, else with the
// base score. One caller at a time; it works on the crew.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "models/gbdt/binned_rows.h"
#include "models/gbdt/gradient_rows.h"
#include "models/gbdt/grower.h"

namespace ps {

class Booster {
 public:
  Booster(const BinnedRows* rows, const std::vector<BinColumn>* columns, BoostParams params,
          Crew* crew);

  // The constants that the trees add to (LabelSums::BaseScores), and the only one where there is one.
  const std::vector<double>& base_scores() const { return base_scores_; }
  double base_score() const { return base_scores_[0]; }
  // Before the first: these were grown before, of the same rows and parameters.
  void GoOnAfter(const std::vector<Tree>& trees);
  // Of softmax, trees of a round are those of one class after the other.
  Tree GrowNext();
  // Margins with all trees so far, as StartMargins lays them out.
  const std::vector<float>& Margins() { return gradients_.Margins(); }

 private:
  const BinnedRows& rows_;
  Crew& crew_;
  const BoostParams params_;
  const LabelSums sums_;
  const std::vector<double> base_scores_;
  NodeRows node_rows_;
  GradientRows gradients_;
  TreeGrower grower_;
  std::uint64_t trees_;
};

// Where a row ends, by the bins that the tree's nodes ask for.
std::uint32_t LeafOfRow(const Tree& tree, const BinnedRows& rows, std::size_t row);

// Adds a tree's values to margins of other rows with the same columns: to margin `output` of each.
void AddTree(const Tree& tree, const BinnedRows& rows, Crew* crew, std::vector<float>* margins,
             std::size_t output = 0);

}  // namespace ps
