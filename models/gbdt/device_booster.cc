#include "models/gbdt/device_booster.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "models/gbdt/histogram_source.h"
#include "ps/base/key.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

// What sums of a thousand rows in 16 bits take (kernels/cuda/sparse_kernels.h, tree_kernels.cu).
static_assert(kGradientSteps <= 31 && kHessianSteps < 63);

absl::Status CheckColumns(const BinnedRows& rows, const std::vector<BinColumn>& columns) {
  if (rows.rows == 0 || columns.empty())
    return absl::UnimplementedError("there is nothing to split by");
  for (const BinColumn& column : columns) {
    if (column.direction != Direction::kFree) {
      return absl::UnimplementedError(absl::StrCat(
          "model.gbdt.monotone (column ", column.name, ") is not for a device in this version"));
    }
    if (rows.sparse && column.kind == ColumnKind::kCategory)
      return absl::UnimplementedError("categories of sparse rows are not grown on a device yet");
  }
  return absl::OkStatus();
}

}  // namespace

DeviceBooster::DeviceBooster(const BinnedRows& rows, const std::vector<BinColumn>* columns,
                             const BoostParams& params)
    : columns_(*columns),
      sparse_(rows.sparse),
      params_(params),
      sums_(LabelSums::Of(rows, params.classes)),
      base_scores_(sums_.BaseScores(params.objective)),
      builder_(columns, params.grow) {}

absl::StatusOr<std::unique_ptr<DeviceBooster>> DeviceBooster::Make(
    const BinnedRows* rows, const std::vector<BinColumn>* columns, const BoostParams& params) {
  if (params.objective == Objective::kSoftmax)
    return absl::UnimplementedError("several classes are not learnt on a device yet");
  PS_RETURN_IF_ERROR(CheckColumns(*rows, *columns));
  DeviceTreeInput input;
  input.rows = rows->rows;
  input.labels = rows->labels.data();
  input.weights = rows->weights.empty() ? nullptr : rows->weights.data();
  std::vector<std::uint8_t> zero_bins;
  for (const BinColumn& column : *columns) {
    input.bins.push_back(static_cast<std::uint8_t>(column.bins()));
    input.is_category.push_back(column.kind == ColumnKind::kCategory);
    if (params.grow.absent_is_zero) zero_bins.push_back(BinOf(column, 0.0f));
  }
  input.is_sparse = rows->sparse;
  if (rows->sparse) {
    input.sparse = {rows->row_begin.data(), rows->cells.data(), rows->first_cell.data(),
                    params.grow.absent_is_zero ? zero_bins.data() : nullptr};
  } else {
    input.matrix = rows->dense();
  }
  input.max_leaves = params.grow.max_leaves;
  auto booster = std::unique_ptr<DeviceBooster>(new DeviceBooster(*rows, columns, params));
  PS_ASSIGN_OR_RETURN(booster->rows_, DeviceTreeRows::Load(input));
  PS_RETURN_IF_ERROR(booster->rows_->SetMargins(static_cast<float>(booster->base_score())));
  return booster;
}

SplitChoice DeviceBooster::ChoiceOf(const DeviceColumnSplit& found) const {
  const BinColumn& column = columns_[found.column];
  if (found.category != nullptr) {
    return BestCategorySplit(found.category, column.bins(), found.total, rules_.scan,
                             rules_.smooth_hessian);
  }
  const ColumnSplit cut{found.score, found.bin, found.missing_left, found.left};
  return rules_.absent_is_zero ? ChoiceOfCutAroundZero(cut, column, found.total)
                               : ChoiceOfCut(cut, found.missing, found.total);
}

SplitChoice DeviceBooster::BestOf(const DeviceNodeSplits& splits) const {
  SplitChoice best;
  for (const DeviceColumnSplit& found : splits) {
    SplitChoice choice = ChoiceOf(found);
    choice.column = found.column;
    if (choice.score >= 0 && choice.BetterThan(best)) best = choice;
  }
  return best;
}

absl::Status DeviceBooster::SplitLeaf(std::size_t leaf) {
  const SplitChoice choice = builder_.leaves()[leaf].best;
  DeviceSplit split;
  split.leaf = static_cast<std::uint32_t>(leaf);
  split.column = choice.column;
  for (unsigned bin = 0; bin < kBinsPerColumn; ++bin) {
    if (GoesLeft(choice, static_cast<std::uint8_t>(bin)))
      split.goes_left[bin / 32] |= 1u << (bin % 32);
  }
  split.find_splits = !builder_.IsLastSplit() && builder_.ChildrenMayGrow(leaf);
  split.left = choice.left;
  DeviceNodeSplits left, right;
  PS_RETURN_IF_ERROR(rows_->Split(split, &left, &right));
  builder_.SplitNext();
  if (!split.find_splits) return absl::OkStatus();
  builder_.SetBest(leaf, BestOf(left));
  builder_.SetBest(builder_.leaves().size() - 1, BestOf(right));
  return absl::OkStatus();
}

absl::StatusOr<Tree> DeviceBooster::GrowNext() {
  float largest = 0;
  if (params_.objective == Objective::kSquared) {
    PS_ASSIGN_OR_RETURN(largest, rows_->LargestGradient());
  }
  const GradientScale scale = ScaleOf(params_.objective, sums_, largest);
  const std::uint64_t key = TreeKey(params_.seed, trees_);
  rules_ = RulesOf(params_.grow, scale, sparse_);
  DeviceGradients gradients;
  gradients.logistic = params_.objective == Objective::kLogistic;
  gradients.quantisation = QuantisationOf(scale, key);
  gradients.first_global_row = params_.first_global_row;
  gradients.row_sample = params_.row_sample;
  gradients.sample_key = SampleKey(params_.seed, trees_);
  DeviceNodeSplits root;
  PS_ASSIGN_OR_RETURN(
      const WideSum total,
      rows_->BeginTree(
          gradients,
          {rules_.scan, SampleColumns(columns_.size(), params_.grow.column_sample, key)}, &root));
  builder_.Begin(scale, total);
  builder_.SetBest(0, BestOf(root));
  for (std::size_t next = builder_.NextToSplit(); next != TreeBuilder::kNone;
       next = builder_.NextToSplit()) {
    PS_RETURN_IF_ERROR(SplitLeaf(next));
  }
  PS_ASSIGN_OR_RETURN(const DeviceLeafSums of_rows, rows_->SumLeaves());
  std::vector<LeafSums> sums;
  for (std::size_t i = 0; i < of_rows.g.size(); ++i) sums.push_back({of_rows.g[i], of_rows.h[i]});
  Tree tree = builder_.Finish(sums);
  PS_RETURN_IF_ERROR(rows_->AddLeafValues(tree.leaf_value));
  ++trees_;
  return tree;
}

}  // namespace ps
