#include "ps/trees/part_grower.h"

#include <algorithm>
#include <utility>

#include "models/gbdt/booster.h"
#include "ps/trees/tree_codec.h"

namespace ps {

PartGrower::PartGrower(BinnedRows rows, std::vector<BinColumn> columns, const BoostParams& params,
                       int threads)
    : rows_(std::move(rows)),
      columns_(std::move(columns)),
      offset_(CellOffsets(columns_, rows_.sparse)),
      crew_(threads),
      node_rows_(rows_.rows),
      gradients_(&rows_, params, &node_rows_, &crew_),
      source_(rows_.sparse ? MakeSparseSource(&rows_, &columns_, &node_rows_, &crew_)
                           : MakeDenseSource(&rows_, &columns_, &node_rows_, &crew_)),
      histogram_(source_->cells()),
      classes_(params.classes),
      first_tree_(params.first_tree) {}

void PartGrower::Start(std::vector<double> base_scores, std::uint64_t first_row) {
  base_scores_ = std::move(base_scores);
  gradients_.SetFirstRow(first_row);
  if (rows_.margins.empty()) {
    gradients_.Start(base_scores_);
  } else {
    gradients_.StartFrom(rows_.margins);
  }
}

void PartGrower::Rewind(std::size_t trees) {
  const std::size_t rounds = trees / classes_ * classes_;
  gradients_.StartFrom(MarginsWith(rounds));
  const std::vector<Tree> begun(trees_.begin() + static_cast<std::ptrdiff_t>(rounds),
                                trees_.begin() + static_cast<std::ptrdiff_t>(trees));
  trees_.resize(rounds);
  nodes_.clear();
  for (const Tree& tree : begun) AddTree(tree, {});
}

void PartGrower::AddTree(Tree tree, const std::vector<std::uint32_t>& leaves) {
  gradients_.BeginRound((first_tree_ + trees_.size()) / classes_);
  if (leaves.empty()) {
    ps::AddTree(tree, rows_, &crew_, gradients_.MutableMargins(), trees_.size() % classes_);
  } else {
    last_leaves_.clear();
    for (const std::uint32_t leaf : leaves) last_leaves_.push_back(nodes_.at(leaf));
    gradients_.SetLeaves(trees_.size(), &last_leaves_, tree.leaf_value);
  }
  trees_.push_back(std::move(tree));
}

std::vector<float> PartGrower::MarginsWith(std::size_t trees) {
  if (trees == trees_.size()) return gradients_.Margins();
  std::vector<float> margins =
      rows_.margins.empty() ? StartMargins(base_scores_, rows_.rows) : rows_.margins;
  for (std::size_t t = 0; t < trees; ++t) ps::AddTree(trees_[t], rows_, &crew_, &margins, t % classes_);
  return margins;
}

WideSum PartGrower::Begin(const GradientScale& scale) {
  gradients_.Prepare(scale, first_tree_ + trees_.size(),
                     [&](int thread, const RowGradient* rows, std::size_t count) {
                       source_->AddRootRows(thread, rows, count);
                     });
  nodes_.clear();
  nodes_[0] = node_rows_.Root();
  source_->BeginTree(nodes_[0]);
  return node_rows_.SumOfAll(&crew_);
}

void PartGrower::Split(std::uint32_t node, std::uint32_t left, const SplitChoice& choice, Sum sum) {
  const NodeRows::Node parent = nodes_.at(node);
  source_->Split(
      {&choice, &parent, &nodes_[left], &nodes_[left + 1], sum == Sum::kLeft, sum == Sum::kRight});
  // The node stays, with its rows in another order: perhaps nothing comes of the split.
}

const WideSum* PartGrower::Collect() {
  source_->Collect(histogram_.data(), [](const ColumnStretch&) {});
  return histogram_.data();
}

std::vector<LeafSums> PartGrower::SumLeaves(const std::vector<std::uint32_t>& leaves) {
  std::vector<NodeRows::Node> rows;
  for (const std::uint32_t leaf : leaves) rows.push_back(nodes_.at(leaf));
  return node_rows_.SumLeaves(rows, &crew_);
}

}  // namespace ps
