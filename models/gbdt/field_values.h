// The fields of a table's row as values of trees: what training, scoring and the leaves of trees as
// features have in common. Immutable: any thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "models/features/extractor.pb.h"
#include "models/features/row_program.h"
#include "models/gbdt/value_rows.h"

namespace ps {

class FieldValues {
 public:
  FieldValues(const features::Plan& plan, std::vector<ValueColumn> columns);

  const std::vector<ValueColumn>& columns() const { return columns_; }
  bool IsMissing(std::string_view text) const;

  // NaN for a missing value; false: the text is neither a number nor missing. `inside`:
  // kFloatReadableBefore bytes before the text are readable.
  bool ReadNumber(std::string_view text, const ValueColumn& column, bool inside,
                  float* value) const;
  // Whether a text that is no number is neither a missing value.
  bool IsOddText(std::string_view text) const;
  // The bin of a column's category, NaN where it has none.
  float ReadCategory(std::string_view text, const ValueColumn& column) const;
  // TargetKey of a text of a column with target statistics; 0: it is missing.
  std::uint64_t ReadTargetKey(std::string_view text) const {
    return IsMissing(text) ? 0 : TargetKey(text);
  }

  // A value for each column; false: the text of column *bad_column had to be a number and is none.
  bool ReadRow(const RowText& row, bool trim, bool inside, float* values,
               std::uint32_t* bad_column) const;

 private:
  const std::vector<std::string> missing_;
  const std::vector<ValueColumn> columns_;
  bool missing_is_number_ = false;
};

// A field without the spaces around it, if `trim`.
std::string_view FieldOf(const RowText& row, std::uint32_t column, bool trim);

}  // namespace ps
