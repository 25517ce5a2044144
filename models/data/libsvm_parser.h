// libsvm text to rows: `label index:value index:value ... # comment`.
//
// Labels are 0, 1, +1 and -1 (also written as floats); -1 counts as 0. Of kNumbers, they are any number.
// `qid:` is ignored. An index
// is a 64-bit integer not below the declared base; its key is IndexKey(index). A value of zero is
// the same as an absent feature and is dropped. An index that occurs twice in a row has its values
// summed. Empty lines and lines of only a comment hold no row. Immutable, so any number of threads
// may call it.
#pragma once

#include <cstdint>
#include <string_view>

#include "models/data/row_parser.h"

namespace ps {

enum class LibsvmLabels { kBinary, kNumbers };

class LibsvmParser final : public RowParser {
 public:
  // index_base: 0 or 1, the smallest legal index.
  explicit LibsvmParser(int index_base, LibsvmLabels labels = LibsvmLabels::kBinary)
      : index_base_(index_base), labels_(labels) {}

  void Parse(std::string_view text, TextOrigin origin, RowBlock* block) const override;

 private:
  const int index_base_;
  const LibsvmLabels labels_;
};

}  // namespace ps
