// The parts of a RowProgram, for the two files that define it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "models/features/field_lanes.h"
#include "models/features/leaf_table.h"
#include "models/features/plan.h"
#include "models/features/row_program.h"

namespace ps {

inline constexpr int kStride = 4;  // keys a leaf has room for: one 32-byte copy moves them all
static_assert(kMaxLevels <= kStride && kStride <= RowProgram::kSlack);

inline bool IsBucketed(features::Feature::Op op) {
  return op == features::Feature::BUCKET || op == features::Feature::NUMERIC;
}

struct RowProgram::Numbers {
  LeafTable leaves;
  std::vector<Key> keys;  // kStride of each leaf, then those of an empty text
};

// What the loop over categories reads: small, so that all of a row's columns stay in the cache.
struct RowProgram::Category {
  std::uint64_t seed;
  std::uint64_t empty;    // the finaliser makes the key of an empty text of it,
  std::uint64_t missing;  // and of a missing one of this
  std::uint32_t column;
};

struct RowProgram::Operation {
  features::Feature::Op op = features::Feature::UNKNOWN;
  std::uint32_t column = 0;
  std::uint64_t seed = 0;
  std::uint64_t text_seed = 0;  // numbers: keys of texts that are values
  std::uint32_t levels = 1;     // keys a number makes
  bool empty_is_key = false;    // an empty text makes empty_key
  bool text_is_value = false;
  Key missing_key = 0;
  Category category = {};
  Key empty_key = 0;
  std::shared_ptr<const Numbers> numbers;  // shared: operations are copied while compiling
  double mean = 0;
  double inverse_deviation = 1;
  double inverse_scale = 1;
  std::vector<Operation> members;  // of a cross
  std::uint32_t first_lanes = 0;   // of such a member, if it is a number
};

// What the loops over numbers in buckets and in logarithmic cells read.
struct RowProgram::Number {
  LeafTable::View leaves;
  const Key* keys;        // kStride of each leaf, then those of an empty text
  const Operation* rare;  // for texts that are no short integers
  std::uint32_t empty_leaf;
  std::uint32_t column;
  std::uint32_t levels;
  bool empty_is_key;
  // LOG: the grid, what the finaliser makes keys of, and the key of an empty text.
  double inverse_scale;
  std::uint64_t seed;
  std::uint64_t empty;
};

// Four of them side by side.
struct alignas(32) RowProgram::CategoryLanes {
  std::uint64_t seed[4];
  std::uint64_t empty[4];
  FieldLanes fields;
};

// What a vector of four searches reads (LeafTable::View, Number).
struct alignas(32) RowProgram::NumberLanes {
  double origin[4];
  std::int64_t first[4];
  std::int64_t last[4];
  std::uint64_t shift[4];
  const std::uint16_t* cells[4];
  const double* cuts[4];
  const Key* keys[4];
  std::uint64_t empty_leaf[4];
  std::uint64_t levels[4];
  std::uint64_t empty_is_key[4];  // all ones or zero
  double inverse_scale[4];        // LOG, and so are the next two
  std::uint64_t seed[4];
  std::uint64_t empty[4];
  FieldLanes fields;
  std::uint32_t crowded;  // bit i: more than two cuts in a cell, lane i is searched by itself
};

// Numbers are read first and looked up afterwards: two short loops overlap more of their latencies
// than one long one.
struct RowProgram::Parsed {
  static constexpr std::uint32_t kCapacity = 16;
  alignas(32) double number[kCapacity];
  // All ones where the text is empty, which is a key.
  alignas(32) std::uint64_t empty[kCapacity];
  // Of texts that are keys; kStride of them are copied at once.
  Key key[kCapacity + kStride];
  std::uint32_t keyed;  // which are these
};

struct RowProgram::Batch {
  features::Feature::Op op;
  std::uint32_t begin, end;      // operations
  std::uint32_t first_category;  // HASH: the same operations among the categories
  std::uint32_t first_number;    // BUCKET, NUMERIC, LOG: among the numbers
  std::uint32_t first_lanes;     // of the category or number lanes
};

}  // namespace ps
