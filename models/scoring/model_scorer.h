// A finished model of any type, opened to score rows of text: with the feature plan that it was trained
// with, the weights or trees, and what its margins mean. Evaluation, predictions and serving begin here.
// Immutable after construction: any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "models/bundle/bundle.h"
#include "models/bundle/scorer.h"
#include "models/features/extractor.pb.h"
#include "models/gbdt/tree_scorer.h"

namespace ps {

class ModelScorer {
 public:
  // Takes the bundle over. Errors as of Scorer and TreeScorer.
  static absl::StatusOr<std::unique_ptr<ModelScorer>> FromBundle(std::unique_ptr<const Bundle> bundle);

  // Appends the rows of whole lines (labels, weights, malformed ones) to *rows, which is empty, and
  // replaces *margins: outputs() of the model for each row, row by row.
  void ScoreText(std::string_view text, TextOrigin origin, RowBlock* rows, std::vector<float>* margins) const;

  const Bundle& bundle() const;
  const features::Plan& plan() const { return plan_; }
  // Of the linear model that trees add to, on the same columns; without columns where there is none.
  const features::Plan& base_plan() const { return base_plan_; }
  // Positions of the columns, of a table, that some part of the model makes features of.
  std::vector<std::uint32_t> FeatureColumns() const;
  // Those of them that some part reads as texts, even where they look like numbers: 7 and 7.0 are two.
  std::vector<std::uint32_t> TextColumns() const;

  bool predicts_numbers() const { return numbers_; }                   // margins are predictions
  const std::vector<std::string>& classes() const { return classes_; }  // empty: there are two
  std::size_t outputs() const { return classes_.empty() ? 1 : classes_.size(); }

 private:
  ModelScorer() = default;

  std::unique_ptr<Scorer> weights_;    // one of the two
  std::unique_ptr<TreeScorer> trees_;
  features::Plan plan_;
  features::Plan base_plan_;
  bool numbers_ = false;
  std::vector<std::string> classes_;
};

}  // namespace ps
