// From text to margins with a finished model of trees, and of the linear model that it adds to where
// it has one: what evaluation uses. Immutable after
// construction: any thread.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "models/bundle/bundle.h"
#include "models/data/row_block.h"
#include "models/data/row_parser.h"
#include "models/gbdt/base_model.h"
#include "models/gbdt/predictor.h"
#include "models/gbdt/tree_model.h"
#include "models/gbdt/value_rows.h"

namespace ps {

class TreeScorer {
 public:
  // Takes the bundle over. Errors as of ReadTrees and BaseModel, and FailedPrecondition when the bundle's plan
  // does not fit.
  static absl::StatusOr<std::unique_ptr<TreeScorer>> FromBundle(
      std::unique_ptr<const Bundle> bundle);

  // Appends the rows of whole lines (labels, weights, malformed ones) to *rows, which is empty, and
  // replaces *margins: outputs() of the model for each row. Labels of classes are their numbers, and a row of
  // another class is a malformed one.
  void ScoreText(std::string_view text, TextOrigin origin, RowBlock* rows,
                 std::vector<float>* margins) const;
  // Calls visit(rows, first row, count, values) for stretches of the rows of whole lines, in order,
  // with the values that Margins takes.
  using Visit = std::function<void(const RowBlock& rows, std::size_t first, std::size_t count,
                                   const float* values)>;
  void VisitText(std::string_view text, TextOrigin origin, RowBlock* rows,
                 const Visit& visit) const;
  // Of the trees. `values` has one for each row and column of the model, row by row, as TreePredictor
  // takes them.
  void Margins(const float* values, std::size_t count, float* margins) const;

  const Bundle& bundle() const { return *bundle_; }
  const TreeModel& model() const { return model_; }
  const BaseModel* base() const { return base_.get(); }  // null: there is none

 private:
  TreeScorer(std::unique_ptr<const Bundle> bundle, TreeModel model);
  void VisitText(std::string_view text, TextOrigin origin, RowBlock* rows, const Visit& visit,
                 std::vector<float>* base_margins) const;
  void VisitIndices(const ValueRows& values, const Visit& visit) const;

  std::unique_ptr<const Bundle> bundle_;
  const TreeModel model_;
  const TreePredictor predictor_;
  std::unique_ptr<const BaseModel> base_;
  std::vector<absl::flat_hash_map<std::string, std::uint8_t>> category_bins_;
  ClassNumbers class_numbers_;
  std::unique_ptr<ValueParser> parser_;
  bool libsvm_ = false;
  std::vector<std::uint32_t> column_of_index_;  // libsvm
};

}  // namespace ps
