// Fits the leaves of trees again on other rows, whose splits stay as they are: each tree in turn on
// the gradients that the ones before it leave, of softmax those of the rounds before it. Sums are
// exact, in fixed point, so the trees are the same for any number of threads. One caller at a time;
// it works on the crew.
#pragma once

#include <cstdint>
#include <vector>

#include "models/gbdt/binned_rows.h"
#include "models/gbdt/gradient_rows.h"
#include "models/gbdt/node_rows.h"

namespace ps {

class TreeRefitter {
 public:
  // `trees` name bins of the rows' columns. A leaf's value becomes `decay` times its own, and the
  // rest of what its rows say; a leaf without rows keeps its own. Rows must outlive it.
  TreeRefitter(const BinnedRows* rows, BoostParams params, const std::vector<Tree>* trees,
               const std::vector<double>& base_scores, double decay, Crew* crew);

  Tree FitNext();  // there is one
  // Margins with all trees so far, as StartMargins lays them out.
  const std::vector<float>& Margins() { return gradients_.Margins(); }

 private:
  std::vector<LeafSums> SumLeaves(const Tree& tree);

  const BinnedRows& rows_;
  const BoostParams params_;
  const std::vector<Tree>& trees_;
  const double decay_;
  const LabelSums sums_;
  Crew& crew_;
  NodeRows node_rows_;
  GradientRows gradients_;
  std::vector<std::uint32_t> leaf_of_row_;  // in the tree that is fitted
  std::size_t next_ = 0;
};

}  // namespace ps
