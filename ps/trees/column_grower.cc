#include "ps/trees/column_grower.h"

#include <algorithm>
#include <utility>

#include "ps/trees/tree_codec.h"

namespace ps {

ColumnGrower::ColumnGrower(LoadedPart part, std::vector<BinColumn> columns,
                           std::vector<std::uint32_t> share, const BoostParams& params,
                           std::size_t trees, int threads)
    : rows_(std::move(part.rows)),
      columns_(std::move(columns)),
      share_(std::move(share)),
      place_(columns_.size()),
      params_(params),
      crew_(threads),
      node_rows_(rows_.rows),
      gradients_(&rows_, params, &node_rows_, &crew_),
      trees_(trees),
      has_margins_(!rows_.margins.empty()) {
  for (std::size_t i = 0; i < share_.size(); ++i) {
    place_[share_[i]] = static_cast<std::uint32_t>(i);
    own_.push_back(columns_[share_[i]]);
  }
  source_ = rows_.sparse ? MakeSparseSource(&rows_, &own_, &node_rows_, &crew_)
                         : MakeDenseSource(&rows_, &own_, &node_rows_, &crew_);
  for (std::vector<SplitChoice>& best : best_)
    best.resize(static_cast<std::size_t>(crew_.threads()));
  if (!has_margins_) return;
  if (part.round_margins.empty()) {
    gradients_.StartFrom(rows_.margins);
    return;
  }
  // Trees of the round that are left learn from margins as they were at its begin.
  gradients_.StartFrom(std::move(part.round_margins));
  gradients_.BeginRound(trees_ / params_.classes);
  *gradients_.MutableMargins() = rows_.margins;
}

RowStretch ColumnGrower::StretchOf(std::uint32_t part, std::uint32_t parts) const {
  const auto first_row = [&](std::uint64_t p) {
    return std::min<std::size_t>(rows_.rows, node_rows_.first_row(node_rows_.blocks() * p / parts));
  };
  return {first_row(part), first_row(std::uint64_t{part} + 1)};
}

void ColumnGrower::Start(const std::vector<double>& base_scores) { gradients_.Start(base_scores); }

void ColumnGrower::AddTree(const std::vector<float>& values,
                           const std::vector<std::uint32_t>& leaves) {
  gradients_.BeginRound(trees_ / params_.classes);
  last_leaves_.clear();
  for (const std::uint32_t leaf : leaves) last_leaves_.push_back(nodes_.at(leaf));
  gradients_.SetLeaves(trees_, &last_leaves_, values);
  ++trees_;
}

ColumnGrower::Histogram ColumnGrower::TakeHistogram(WideSum total) {
  Histogram histogram;
  histogram.total = total;
  if (spare_.empty()) {
    histogram.cells = HugeArray<WideSum>(source_->cells());
  } else {
    histogram.cells = std::move(spare_.back());
    spare_.pop_back();
  }
  return histogram;
}

void ColumnGrower::Examine(const Histogram& histogram, const ColumnStretch& stretch,
                           SplitChoice* best) const {
  for (std::uint32_t c = stretch.first; c < stretch.end; ++c) {
    const std::uint32_t number = share_[c];
    if (!chosen_.empty() && chosen_[number] == 0) continue;
    const ColumnHistogram column = source_->Column(histogram.cells.data(), c, histogram.total);
    ImproveSplit(column, number, own_[c], rules_, histogram.bounds, best);
  }
}

SplitChoice ColumnGrower::BestOfThreads(std::vector<SplitChoice>* best) const {
  SplitChoice of_all;
  for (SplitChoice& choice : *best) {
    if (choice.score >= 0 && choice.BetterThan(of_all)) of_all = choice;
    choice = SplitChoice();
  }
  return of_all;
}

ColumnGrower::Found ColumnGrower::Begin(const GradientScale& scale, std::uint64_t key) {
  for (auto& [node, histogram] : open_) spare_.push_back(std::move(histogram.cells));
  open_.clear();
  nodes_.clear();
  rules_ = RulesOf(params_.grow, scale, rows_.sparse);
  chosen_ = SampleColumns(columns_.size(), params_.grow.column_sample, key);
  gradients_.Prepare(scale, trees_, [&](int thread, const RowGradient* rows, std::size_t count) {
    source_->AddRootRows(thread, rows, count);
  });
  const NodeRows::Node& root = nodes_[0] = node_rows_.Root();
  source_->BeginTree(root);
  Histogram& histogram = open_[0] = TakeHistogram(node_rows_.SumOfAll(&crew_));
  source_->Collect(histogram.cells.data(), [&](const ColumnStretch& stretch) {
    Examine(histogram, stretch, &best_[0][static_cast<std::size_t>(stretch.thread)]);
  });
  return {histogram.total, BestOfThreads(&best_[0])};
}

PlacedRows ColumnGrower::Place(std::uint32_t node, const SplitChoice& choice) {
  SplitChoice here = choice;
  here.column = place_[choice.column];
  PlacedRows placed;
  source_->Place(here, nodes_.at(node), &placed);
  return placed;
}

std::array<ColumnGrower::Found, 2> ColumnGrower::SplitNode(const Split& split,
                                                           const PlacedRows& placed) {
  NodeRows::Node* const sides[2] = {&nodes_[split.left], &nodes_[split.left + 1]};
  source_->Split({nullptr, &nodes_.at(split.node), sides[0], sides[1], split.left_is_small,
                  !split.left_is_small, &placed});
  const auto parent = open_.find(split.node);
  Histogram large = std::move(parent->second);
  open_.erase(parent);
  const WideSum total = large.total, left = split.choice.left;
  const std::array<ValueBounds, 2> bounds = BoundsOfChildren(
      split.choice, total, large.bounds, columns_[split.choice.column].direction, rules_.scan);
  const std::size_t small_side = split.left_is_small ? 0 : 1, large_side = 1 - small_side;
  Histogram small = TakeHistogram(split.left_is_small ? left : LessSum(total, left));
  large.total = LessSum(total, small.total);
  small.bounds = bounds[small_side];
  large.bounds = bounds[large_side];
  source_->Collect(small.cells.data(), [&](const ColumnStretch& stretch) {
    WideSum* const rest = large.cells.data();
    const WideSum* const taken = small.cells.data();
    const std::size_t end = source_->first_cell(stretch.end);
    for (std::size_t i = source_->first_cell(stretch.first); i < end; ++i) rest[i] -= taken[i];
    const auto thread = static_cast<std::size_t>(stretch.thread);
    Examine(small, stretch, &best_[small_side][thread]);
    Examine(large, stretch, &best_[large_side][thread]);
  });
  std::array<Found, 2> found;
  found[small_side].total = small.total;
  found[large_side].total = large.total;
  for (std::size_t side : {0u, 1u}) found[side].best = BestOfThreads(&best_[side]);
  open_[split.left + static_cast<std::uint32_t>(small_side)] = std::move(small);
  open_[split.left + static_cast<std::uint32_t>(large_side)] = std::move(large);
  return found;
}

void ColumnGrower::PartNode(const Split& split, const PlacedRows& placed) {
  NodeRows::Node* const sides[2] = {&nodes_[split.left], &nodes_[split.left + 1]};
  source_->Split({nullptr, &nodes_.at(split.node), sides[0], sides[1], false, false, &placed});
}

std::vector<LeafSums> ColumnGrower::SumLeaves(const std::vector<std::uint32_t>& leaves,
                                              const RowStretch& of) {
  std::vector<NodeRows::Node> rows;
  for (const std::uint32_t leaf : leaves) {
    NodeRows::Node& node = rows.emplace_back(nodes_.at(leaf));
    for (std::size_t b = 0; b < node.size(); ++b) {
      const std::size_t first = node_rows_.first_row(b);
      if (first < of.first || first >= of.end) node[b] = {};
    }
  }
  return node_rows_.SumLeaves(rows, &crew_);
}

}  // namespace ps
