// From parsed rows to margins with a finished model: the one way in which evaluation, prediction
// and the end of training score rows.
//
// margin = (bias + margin offset) + w1 v1 + w2 v2 + ..., added in double precision in the row's
// order and rounded to float at the end, so equal rows have equal margins wherever and in whatever
// block they are. Immutable after construction: any thread.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "models/bundle/bundle.h"
#include "models/data/row_block.h"
#include "models/data/row_parser.h"
#include "models/features/extractor.h"

namespace ps {

class Scorer {
 public:
  // Sets the weight of each key, 0 for unknown ones. Called from every thread that scores.
  using Lookup = std::function<void(absl::Span<const Key> keys, absl::Span<float> weights)>;

  // Takes the bundle over. FailedPrecondition: the bundle's extractor is not the one its manifest
  // names, or it has none; InvalidArgument: this program does not know the extractor.
  static absl::StatusOr<std::unique_ptr<Scorer>> FromBundle(std::unique_ptr<const Bundle> bundle);
  // Of weights that are elsewhere, such as a table at the end of training. `bias` includes the
  // margin offset.
  Scorer(Lookup lookup, double bias) : lookup_(std::move(lookup)), bias_(bias) {}

  // Replaces *margins by one a row.
  void Score(const RowBlock& block, std::vector<float>* margins) const;

  // Of a scorer made from a bundle; null otherwise.
  const RowParser* parser() const { return parser_.get(); }
  const Extractor* extractor() const { return extractor_.get(); }
  const Bundle* bundle() const { return bundle_.get(); }

 private:
  std::unique_ptr<const Bundle> bundle_;
  std::unique_ptr<const Extractor> extractor_;
  std::unique_ptr<const RowParser> parser_;
  Lookup lookup_;
  double bias_ = 0;
};

}  // namespace ps
