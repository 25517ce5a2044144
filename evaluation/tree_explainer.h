// Explains the rows of a model of trees: Shapley values of its columns, of several classes for each
// of them; and where trees add to a linear model, weight times value of its features beside them.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "evaluation/explained_rows.h"
#include "models/bundle/bundle.h"

namespace ps {

// Unimplemented: the format cannot say a name; ResourceExhausted: a tree is too deep; otherwise as
// of TreeScorer.
absl::StatusOr<std::unique_ptr<RowExplainer>> ExplainerOfTrees(std::unique_ptr<const Bundle> bundle,
                                                               ExplanationFormat format);

}  // namespace ps
