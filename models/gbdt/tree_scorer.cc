#include "models/gbdt/tree_scorer.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "models/bundle/manifest.h"
#include "models/features/extractor_digest.h"
#include "models/features/plan.h"
#include "models/gbdt/bundle_trees.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr std::uint32_t kNoColumn = 0xffffffffu;

absl::Status Unfit(const Bundle& bundle, const std::string& what) {
  return absl::FailedPreconditionError(absl::StrCat(bundle.dir(), ": ", what));
}

}  // namespace

TreeScorer::TreeScorer(std::unique_ptr<const Bundle> bundle, TreeModel model)
    : bundle_(std::move(bundle)), model_(std::move(model)), predictor_(model_) {}

absl::StatusOr<std::unique_ptr<TreeScorer>> TreeScorer::FromBundle(
    std::unique_ptr<const Bundle> bundle) {
  PS_ASSIGN_OR_RETURN(TreeModel model, ReadTrees(*bundle));
  const absl::StatusOr<std::string> text = bundle->ReadFile(kExtractorName);
  if (absl::IsNotFound(text.status())) {
    return Unfit(*bundle,
                 absl::StrCat("without its ", kExtractorName, " the model cannot read rows"));
  }
  PS_RETURN_IF_ERROR(text.status());
  if (ExtractorDigest(*text) != bundle->info().extractor_digest) {
    return Unfit(*bundle,
                 absl::StrCat(kExtractorName, " is not the one that the model was trained with"));
  }
  features::Plan plan;
  if (!plan.ParseFromString(*text))
    return Unfit(*bundle, absl::StrCat(kExtractorName, " cannot be read"));
  PS_RETURN_IF_ERROR(ValidatePlan(plan));
  std::unique_ptr<TreeScorer> scorer(new TreeScorer(std::move(bundle), std::move(model)));
  const TreeModel& trees = scorer->model_;
  PS_ASSIGN_OR_RETURN(scorer->base_, BaseModel::OfTrees(scorer->bundle()));
  if (scorer->base_ != nullptr && trees.outputs() > 1)
    return Unfit(scorer->bundle(), "a linear model beneath trees of several classes");
  scorer->class_numbers_ = NumberClasses(trees.classes);
  const LabelReading labels{trees.objective == Objective::kSoftmax   ? LabelRule::kClass
                            : trees.objective == Objective::kSquared ? LabelRule::kNumber
                                                                     : LabelRule::kBinary,
                            &scorer->class_numbers_};
  scorer->libsvm_ = plan.format() == "libsvm";
  if (scorer->libsvm_) {
    for (std::size_t c = 0; c < trees.columns.size(); ++c) {
      const std::uint32_t source = trees.columns[c].source;
      if (source >= kMostSparseColumns)
        return Unfit(scorer->bundle(), "a column beyond the largest index");
      if (trees.columns[c].target != nullptr)
        return Unfit(scorer->bundle(), "target statistics of libsvm text");
      std::vector<std::uint32_t>& of_index = scorer->column_of_index_;
      if (source >= of_index.size()) of_index.resize(source + 1, kNoColumn);
      of_index[source] = static_cast<std::uint32_t>(c);
    }
    scorer->parser_ = MakeLibsvmValues(plan.index_base(), labels);
    return scorer;
  }
  scorer->category_bins_.resize(trees.columns.size());
  std::vector<ValueColumn> columns;
  for (std::size_t c = 0; c < trees.columns.size(); ++c) {
    const TreeColumn& column = trees.columns[c];
    if (column.source >= static_cast<std::uint32_t>(plan.column_size())) {
      return Unfit(scorer->bundle(), "a column that the data do not have");
    }
    for (std::size_t i = 0; i < column.categories.size(); ++i) {
      scorer->category_bins_[c].emplace(column.categories[i], static_cast<std::uint8_t>(i + 1));
    }
    columns.push_back({column.source, column.kind, column.name, column.text_is_missing,
                       &scorer->category_bins_[c], column.target != nullptr, column.target});
  }
  scorer->parser_ = MakeTableValues(plan, std::move(columns), labels);
  return scorer;
}

void TreeScorer::ScoreText(std::string_view text, TextOrigin origin, RowBlock* rows,
                           std::vector<float>* margins) const {
  margins->clear();
  std::vector<float> base_margins;
  VisitText(
      text, origin, rows,
      [&](const RowBlock&, std::size_t first, std::size_t count, const float* values) {
        margins->resize((first + count) * predictor_.outputs());
        Margins(values, count, margins->data() + first * predictor_.outputs());
      },
      &base_margins);
  for (std::size_t r = 0; r < base_margins.size(); ++r) (*margins)[r] += base_margins[r];
}

void TreeScorer::Margins(const float* values, std::size_t count, float* margins) const {
  predictor_.Margins(values, count, margins);
  const auto offset = static_cast<float>(bundle_->info().margin_offset);
  if (offset == 0) return;
  for (std::size_t i = 0; i < count * predictor_.outputs(); ++i) margins[i] += offset;
}

void TreeScorer::VisitText(std::string_view text, TextOrigin origin, RowBlock* rows,
                           const Visit& visit) const {
  std::vector<float> base_margins;
  VisitText(text, origin, rows, visit, &base_margins);
}

void TreeScorer::VisitText(std::string_view text, TextOrigin origin, RowBlock* rows,
                           const Visit& visit, std::vector<float>* base_margins) const {
  ValueRows values;
  std::swap(values.rows, *rows);
  parser_->Parse(text, origin, RowSample(), &values);
  if (base_ != nullptr) base_->Score(text, origin, libsvm_ ? 0 : predictor_.columns(), &values, base_margins);
  if (libsvm_) {
    VisitIndices(values, visit);
  } else {
    visit(values.rows, 0, values.rows.rows(), values.values.data());
  }
  std::swap(values.rows, *rows);
}

// Values go to the columns that some tree asks for, a few rows at a time, and away again.
void TreeScorer::VisitIndices(const ValueRows& values, const Visit& visit) const {
  constexpr std::size_t kMostRows = 2 * LeafMasks::kRows, kValuesAtOnce = 32 << 10;
  const float absent = model_.absent_is_zero ? 0.0f : std::numeric_limits<float>::quiet_NaN();
  const std::size_t columns = std::max<std::size_t>(1, predictor_.columns());
  const std::size_t most = std::min(std::clamp<std::size_t>(kValuesAtOnce / columns, LeafMasks::kRows, kMostRows),
                                    std::max<std::size_t>(1, values.rows.rows()));
  std::vector<float> dense(most * columns, absent);
  const std::vector<std::uint32_t>& row_begin = values.rows.row_begin;
  const auto for_each_value = [&](std::size_t first, std::size_t count, const auto& act) {
    for (std::size_t r = 0; r < count; ++r) {
      for (std::uint32_t i = row_begin[first + r]; i < row_begin[first + r + 1]; ++i) {
        const std::uint32_t index = values.index[i];
        const std::uint32_t column =
            index < column_of_index_.size() ? column_of_index_[index] : kNoColumn;
        if (column != kNoColumn) act(&dense[r * predictor_.columns() + column], values.values[i]);
      }
    }
  };
  for (std::size_t first = 0; first < values.rows.rows(); first += most) {
    const std::size_t count = std::min(most, values.rows.rows() - first);
    for_each_value(first, count, [](float* at, float value) { *at = value; });
    visit(values.rows, first, count, dense.data());
    for_each_value(first, count, [absent](float* at, float) { *at = absent; });
  }
}

}  // namespace ps
