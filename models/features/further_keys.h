// Keys of a table's row beside those of its plan's columns, made by what ps_features does not know:
// trees. Immutable after construction: any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "models/features/row_program.h"
#include "ps/base/key.h"

namespace ps {

class FurtherKeys {
 public:
  virtual ~FurtherKeys() = default;

  virtual std::size_t max_keys() const = 0;  // of a row
  // As RowProgram::Run; the values of all keys are 1. `inside`: kFloatReadableBefore bytes before
  // each field are readable. `values` is room that one thread reuses from row to row.
  virtual int Run(const RowText& row, bool trim, bool inside, std::vector<float>* values, Key* keys,
                  std::uint32_t* bad_column) const = 0;
};

}  // namespace ps
