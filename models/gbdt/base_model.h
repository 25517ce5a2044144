// A linear model whose margins trees begin with (model.gbdt.base_model): trees learn what it leaves,
// and a row's margin is the sum of both. Immutable after construction: any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "models/bundle/bundle.h"
#include "models/bundle/scorer.h"
#include "models/data/row_parser.h"
#include "models/gbdt/value_rows.h"

namespace ps {

class BaseModel {
 public:
  // Of a bundle of type lr, which is taken over. Errors as of Scorer.
  static absl::StatusOr<std::unique_ptr<BaseModel>> FromLinear(std::unique_ptr<const Bundle> bundle);
  // The one that the trees of `bundle` add to; it must outlive the result. Null: they add to none.
  static absl::StatusOr<std::unique_ptr<BaseModel>> OfTrees(const Bundle& bundle);

  // Its margins of the rows that `values` has of the same text. A row that it cannot read is taken
  // out of them as a malformed one. Rows of a table have `columns` values; of libsvm text it is 0.
  void Score(std::string_view text, TextOrigin origin, std::size_t columns, ValueRows* values,
             std::vector<float>* margins) const;

  // The rows of a text as the linear model reads them; replaces *rows.
  void Parse(std::string_view text, TextOrigin origin, RowBlock* rows) const {
    rows->Clear();
    parser_->Parse(text, origin, rows);
  }

  // Of FromLinear: another one for other weights or another feature plan. Empty: the bundle is gone.
  std::string Digest() const;

  const Scorer& scorer() const { return *scorer_; }

 private:
  std::unique_ptr<const Extractor> extractor_;  // OfTrees
  std::unique_ptr<const RowParser> own_parser_;
  std::unique_ptr<const Scorer> scorer_;
  const RowParser* parser_ = nullptr;
};

}  // namespace ps
