// Vowpal Wabbit text to rows:
//   label [importance [base]] ['tag]|namespace[:weight] feature[:value] ... |namespace ...
//
// Labels are 1, 0 and -1 (0 and -1 are the negative class); an example without a label is a bad
// row. The importance becomes the row's weight. A base (an initial prediction) other than 0 is a
// bad row, since it could not be honoured. A token that touches the first bar is a tag, with or
// without its apostrophe, as in Vowpal Wabbit. A feature's key is CategoryKey(FieldSeed(namespace),
// name), its value is multiplied by the namespace's weight, values of zero are dropped, and a
// feature that occurs twice in a row has its values summed. Empty lines hold no row. Immutable: any
// number of threads may call it.
#pragma once

#include <string_view>

#include "models/data/row_parser.h"

namespace ps {

class VwParser final : public RowParser {
 public:
  void Parse(std::string_view text, TextOrigin origin, RowBlock* block) const override;
};

}  // namespace ps
