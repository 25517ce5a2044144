#include "models/gbdt/grower.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace ps {

struct TreeGrower::Node {
  NodeRows::Node rows;
  WideSum total = 0;
  ValueBounds bounds;
  HugeArray<WideSum> histogram;  // empty: not kept
};

TreeGrower::TreeGrower(const BinnedRows* rows, const std::vector<BinColumn>* columns,
                       GrowParams params, NodeRows* node_rows, Crew* crew)
    : rows_(*rows),
      columns_(*columns),
      params_(params),
      node_rows_(*node_rows),
      crew_(*crew),
      builder_(columns, params) {
  source_ = rows->sparse ? MakeSparseSource(rows, columns, node_rows, crew)
                         : MakeDenseSource(rows, columns, node_rows, crew);
  for (std::vector<SplitChoice>& best : best_)
    best.resize(static_cast<std::size_t>(crew->threads()));
}

TreeGrower::~TreeGrower() = default;

void TreeGrower::Examine(const Node& node, const ColumnStretch& stretch, SplitChoice* best) const {
  for (std::uint32_t c = stretch.first; c < stretch.end; ++c) {
    if (!chosen_.empty() && chosen_[c] == 0) continue;
    const ColumnHistogram column = source_->Column(node.histogram.data(), c, node.total);
    ImproveSplit(column, c, columns_[c], rules_, node.bounds, best);
  }
}

void TreeGrower::FindSplits(const Node* a, const Node* b, const ColumnStretch& stretch) {
  const auto thread = static_cast<std::size_t>(stretch.thread);
  if (a != nullptr) Examine(*a, stretch, &best_[0][thread]);
  if (b != nullptr) Examine(*b, stretch, &best_[1][thread]);
}

void TreeGrower::TakeChoices(std::size_t leaf, int side) {
  SplitChoice of_all;
  for (SplitChoice& best : best_[side]) {
    if (best.score >= 0 && best.BetterThan(of_all)) of_all = best;
    best = SplitChoice();
  }
  builder_.SetBest(leaf, of_all);
}

HugeArray<WideSum> TreeGrower::TakeHistogram() {
  ++histograms_;
  if (spare_.empty()) return HugeArray<WideSum>(source_->cells());
  HugeArray<WideSum> histogram = std::move(spare_.back());
  spare_.pop_back();
  return histogram;
}

void TreeGrower::GiveBack(HugeArray<WideSum>* histogram) {
  if (histogram->size() == 0) return;
  --histograms_;
  spare_.push_back(std::move(*histogram));
  *histogram = HugeArray<WideSum>();
}

void TreeGrower::SumChildren(HugeArray<WideSum>* parent, std::size_t small_leaf,
                             std::size_t large_leaf) {
  Node* const small = &open_[small_leaf];
  Node* const large = &open_[large_leaf];
  small->histogram = TakeHistogram();
  if (parent->size() > 0) {
    large->histogram = std::move(*parent);
    *parent = HugeArray<WideSum>();
    source_->Collect(small->histogram.data(), [&](const ColumnStretch& stretch) {
      WideSum* const rest = large->histogram.data();
      const WideSum* const taken = small->histogram.data();
      const std::size_t end = source_->first_cell(stretch.end);
      for (std::size_t i = source_->first_cell(stretch.first); i < end; ++i) rest[i] -= taken[i];
      FindSplits(small, large, stretch);
    });
  } else {
    source_->Collect(small->histogram.data(),
                     [&](const ColumnStretch& s) { FindSplits(small, nullptr, s); });
    source_->Sum(large->rows);
    large->histogram = TakeHistogram();
    source_->Collect(large->histogram.data(),
                     [&](const ColumnStretch& s) { FindSplits(nullptr, large, s); });
  }
  TakeChoices(small_leaf, 0);
  TakeChoices(large_leaf, 1);
  // Kept while there is room for it; without it both children of a node are summed from their rows.
  const std::size_t room =
      std::max<std::size_t>(3, params_.memory_bytes / (source_->cells() * sizeof(WideSum)));
  for (const std::size_t leaf : {small_leaf, large_leaf}) {
    if (builder_.leaves()[leaf].gain < 0 || histograms_ > room) GiveBack(&open_[leaf].histogram);
  }
}

void TreeGrower::SplitLeaf(std::size_t index) {
  Node parent = std::move(open_[index]);
  const SplitChoice choice = builder_.leaves()[index].best;
  const bool grow = !builder_.IsLastSplit() && builder_.ChildrenMayGrow(index);
  const bool left_is_small = TreeBuilder::LeftIsSmall(parent.total, choice.left);
  const std::size_t last = open_.size();
  open_.emplace_back();
  Node& left = open_[index] = Node();
  Node& right = open_[last];
  left.total = choice.left;
  right.total = parent.total - choice.left;
  // Their rows stay where they are: the source remembers which it will be asked for.
  source_->Split({&choice, &parent.rows, &left.rows, &right.rows, grow && left_is_small,
                  grow && !left_is_small});
  builder_.SplitNext();
  left.bounds = builder_.leaves()[index].bounds;
  right.bounds = builder_.leaves()[last].bounds;
  if (grow)
    SumChildren(&parent.histogram, left_is_small ? index : last, left_is_small ? last : index);
  GiveBack(&parent.histogram);
}

Tree TreeGrower::Grow(const GradientScale& scale, std::uint64_t key) {
  rules_ = RulesOf(params_, scale, rows_.sparse);
  chosen_ = SampleColumns(columns_.size(), params_.column_sample, key);
  open_.clear();
  Node& root = open_.emplace_back();
  root.rows = node_rows_.Root();
  root.histogram = TakeHistogram();
  root.total = node_rows_.SumOfAll(&crew_);
  builder_.Begin(scale, root.total);
  source_->BeginTree(root.rows);
  source_->Collect(root.histogram.data(),
                   [&](const ColumnStretch& s) { FindSplits(&root, nullptr, s); });
  TakeChoices(0, 0);
  for (std::size_t next = builder_.NextToSplit(); next != TreeBuilder::kNone;
       next = builder_.NextToSplit()) {
    SplitLeaf(next);
  }
  leaf_rows_.clear();
  for (Node& node : open_) {
    GiveBack(&node.histogram);
    leaf_rows_.push_back(std::move(node.rows));
  }
  return builder_.Finish(node_rows_.SumLeaves(leaf_rows_, &crew_));
}

}  // namespace ps
