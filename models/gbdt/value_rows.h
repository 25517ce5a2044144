// Text to the values that trees are grown and scored on: numbers as they are, categories as numbers
// of bins. Labels, weights, places and malformed rows are those of a RowBlock, whose keys stay
// empty.
//
// Parsers are immutable: any thread. A missing value is NaN; so is a category that has no bin.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "models/data/row_block.h"
#include "models/data/row_parser.h"
#include "models/features/extractor.pb.h"
#include "models/gbdt/class_names.h"
#include "models/gbdt/columns.h"
#include "models/gbdt/target_table.h"

namespace ps {

// Texts in place of numbers that are taken for missing values: how many, and the first one.
struct OddTexts {
  std::uint64_t count = 0;
  std::uint32_t file = 0;
  std::uint64_t offset = 0;  // of its row
  std::string first;

  void Add(const OddTexts& other) {
    if (other.count == 0) return;
    const bool before = count == 0 || other.file < file || (other.file == file && other.offset < offset);
    const std::uint64_t all = count + other.count;
    if (before) *this = other;
    count = all;
  }
};

struct ValueRows {
  RowBlock rows;
  // Tables: a value for each row and column, row by row. libsvm: the values of rows.row_begin's
  // ranges.
  std::vector<float> values;
  std::vector<std::uint32_t>
      index;                      // libsvm: of each value, counted from 0; ascending within a row
  std::vector<TextCounts> texts;  // by column, where a sample of the categories is taken
  std::vector<std::uint64_t> targets;  // TargetKey of each row and column with target statistics, row by row
  std::vector<OddTexts> odd_texts;     // by column; empty: none of any
  TextCounts classes;             // rows by label, where the classes are being looked for
  std::uint64_t skipped = 0;      // rows that the sample leaves out

  void Clear() {
    rows.Clear();
    values.clear();
    index.clear();
    targets.clear();
    odd_texts.clear();
  }
};

// A column of a file that trees know.
struct ValueColumn {
  std::uint32_t source = 0;  // position in the table, or libsvm index counted from 0
  ColumnKind kind = ColumnKind::kNumber;
  std::string name;
  // What a text in a numeric column is: a malformed row where the job declared the column, else
  // missing.
  bool text_is_missing = false;
  const absl::flat_hash_map<std::string, std::uint8_t>* bins =
      nullptr;  // categories; null: while sampling
  // Numbers that are the mean label of the text as a category, as rows that are no training rows have it; NaN
  // while there is no table.
  bool by_target = false;
  std::shared_ptr<const TargetTable> target;
};

enum class LabelRule { kBinary, kNumber, kClass };

// What a label may be, and the number that it becomes.
struct LabelReading {
  LabelRule rule = LabelRule::kBinary;
  // kClass: numbers of the classes, any other is a malformed row; null: what classes there are is being
  // looked for, in rows that the sample leaves out too.
  const ClassNumbers* classes = nullptr;

  bool looks_for_classes() const { return rule == LabelRule::kClass && classes == nullptr; }
};

// Rows of which a sample consists: a hash of the row's place is below the limit.
struct RowSample {
  std::uint64_t seed = 0;
  int halvings = 0;  // one row in 2^halvings
  bool Takes(std::uint32_t file, std::uint64_t offset) const;
};

class ValueParser {
 public:
  virtual ~ValueParser() = default;
  // As RowParser::Parse.
  virtual void Parse(std::string_view text, TextOrigin origin, const RowSample& sample,
                     ValueRows* rows) const = 0;
};

// The columns of a plan that trees use, by declared or inferred type. InvalidArgument: nothing is
// left, or a feature that trees do not have.
absl::StatusOr<std::vector<ValueColumn>> ColumnsOfPlan(const features::Plan& plan);

std::unique_ptr<ValueParser> MakeTableValues(const features::Plan& plan,
                                             std::vector<ValueColumn> columns, LabelReading labels);
// Every index is a column. Labels are classes or binary; classes are whole numbers.
std::unique_ptr<ValueParser> MakeLibsvmValues(int index_base, LabelReading labels);

// libsvm indices that trees take.
inline constexpr std::uint64_t kMostSparseColumns = 1u << 26;

}  // namespace ps
