#include "models/gbdt/device_booster.h"

#include <utility>

#include "models/gbdt/device_input.h"
#include "ps/base/status_macros.h"

namespace ps {

DeviceBooster::DeviceBooster(const BinnedRows& rows, const std::vector<BinColumn>* columns,
                             const BoostParams& params)
    : layout_(rows),
      columns_(*columns),
      params_(params),
      sums_(LabelSums::Of(rows, params.classes)),
      base_scores_(sums_.BaseScores(params.objective)),
      trees_(params.first_tree),
      builder_(columns, params.grow) {}

absl::StatusOr<std::unique_ptr<DeviceBooster>> DeviceBooster::Make(
    const BinnedRows* rows, const std::vector<BinColumn>* columns, const BoostParams& params) {
  PS_RETURN_IF_ERROR(CheckForDevice(*rows, *columns));
  const DeviceInput input = DeviceInputOf(*rows, *columns, params);
  auto booster = std::unique_ptr<DeviceBooster>(new DeviceBooster(*rows, columns, params));
  PS_ASSIGN_OR_RETURN(booster->rows_, DeviceTreeRows::Load(input.input));
  PS_RETURN_IF_ERROR(booster->rows_->SetMargins(
      rows->margins.empty() ? StartMargins(booster->base_scores_, rows->rows) : rows->margins));
  return booster;
}

absl::Status DeviceBooster::GoOnAfter(const std::vector<Tree>& trees) {
  std::vector<DeviceTreeNode> nodes;
  // Only of a round that is to be ended here does a tree need what its beginning finds.
  const std::size_t after = trees_ + trees.size(), unfinished = after - after % params_.classes;
  for (const Tree& tree : trees) {
    if (trees_ >= unfinished) PS_RETURN_IF_ERROR(BeginRound());
    DeviceNodesOf(tree, layout_, &nodes);
    PS_RETURN_IF_ERROR(rows_->AddTree(nodes, tree.leaf_value, trees_ % params_.classes));
    ++trees_;
  }
  return absl::OkStatus();
}

SplitChoice DeviceBooster::ChoiceOf(const DeviceColumnSplit& found, const ValueBounds& bounds) const {
  const BinColumn& column = columns_[found.column];
  if (found.category != nullptr) {
    return BestCategorySplit(found.category, column.bins(), found.total, rules_.scan,
                             rules_.smooth_hessian, bounds);
  }
  const ColumnSplit cut{found.score, found.bin, found.missing_left, found.left};
  return rules_.absent_is_zero ? ChoiceOfCutAroundZero(cut, column, found.total)
                               : ChoiceOfCut(cut, found.missing, found.total);
}

void DeviceBooster::SetBest(std::size_t leaf, const DeviceNodeSplits& splits) {
  SplitChoice best;
  for (const DeviceColumnSplit& found : splits) {
    SplitChoice choice = ChoiceOf(found, builder_.leaves()[leaf].bounds);
    choice.column = found.column;
    if (choice.score >= 0 && choice.BetterThan(best)) best = choice;
  }
  builder_.SetBest(leaf, best);
}

absl::Status DeviceBooster::SplitLeaf(std::size_t leaf) {
  DeviceSplit split = DeviceSplitOf(builder_.leaves()[leaf].best);
  split.leaf = static_cast<std::uint32_t>(leaf);
  split.find_splits = !builder_.IsLastSplit() && builder_.ChildrenMayGrow(leaf);
  builder_.SplitNext();
  const std::size_t last = builder_.leaves().size() - 1;
  split.bounds[0] = builder_.leaves()[leaf].bounds;
  split.bounds[1] = builder_.leaves()[last].bounds;
  DeviceNodeSplits left, right;
  PS_RETURN_IF_ERROR(rows_->Split(split, &left, &right));
  if (!split.find_splits) return absl::OkStatus();
  SetBest(leaf, left);
  SetBest(last, right);
  return absl::OkStatus();
}

// Where the next tree is the first of one.
absl::Status DeviceBooster::BeginRound() {
  return trees_ % params_.classes == 0 ? rows_->BeginRound() : absl::OkStatus();
}

absl::StatusOr<Tree> DeviceBooster::GrowNext() {
  PS_RETURN_IF_ERROR(BeginRound());
  float largest = 0;
  if (params_.objective == Objective::kSquared) {
    PS_ASSIGN_OR_RETURN(largest, rows_->LargestGradient());
  }
  const GradientScale scale = ScaleOf(params_.objective, sums_, largest);
  rules_ = RulesOf(params_.grow, scale, layout_.sparse);
  const DeviceTreeRules rules{rules_.scan, SampleColumns(columns_.size(), params_.grow.column_sample,
                                                         TreeKey(params_.seed, trees_))};
  DeviceNodeSplits root;
  PS_ASSIGN_OR_RETURN(const WideSum total,
                      rows_->BeginTree(DeviceGradientsOf(params_, scale, trees_), rules, &root));
  builder_.Begin(scale, total);
  SetBest(0, root);
  for (std::size_t next = builder_.NextToSplit(); next != TreeBuilder::kNone;
       next = builder_.NextToSplit()) {
    PS_RETURN_IF_ERROR(SplitLeaf(next));
  }
  PS_ASSIGN_OR_RETURN(const DeviceLeafSums of_rows, rows_->SumLeaves());
  std::vector<LeafSums> sums;
  for (std::size_t i = 0; i < of_rows.g.size(); ++i) sums.push_back({of_rows.g[i], of_rows.h[i]});
  Tree tree = builder_.Finish(sums);
  PS_RETURN_IF_ERROR(rows_->AddLeafValues(tree.leaf_value, trees_ % params_.classes));
  ++trees_;
  return tree;
}

}  // namespace ps
