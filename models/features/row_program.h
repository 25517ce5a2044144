// A plan compiled for the hot path: a flat list of operations, run over the field ends of one row
// to make its keys. Immutable after construction; any number of threads may run it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "models/features/extractor.pb.h"
#include "ps/base/key.h"

namespace ps {

// A row as a DelimiterIndex or a SplitRow gives it: field i ends at end[i] and begins after end[i -
// 1] (modulo 2^32). At least 64 bytes behind the last field are readable.
struct RowText {
  const char* text = nullptr;
  const std::uint32_t* end = nullptr;

  std::string_view field(std::size_t i) const {
    const std::uint32_t begin = end[static_cast<std::ptrdiff_t>(i) - 1] + 1;
    return {text + begin, end[i] - begin};
  }
};

class RowProgram {
 public:
  // `plan` has been validated.
  explicit RowProgram(const features::Plan& plan);
  ~RowProgram();

  // No row makes more keys; Run may write up to kSlack keys more.
  std::size_t max_keys() const { return max_keys_; }
  static constexpr std::size_t kSlack = 8;
  // Some keys have values other than 1.
  bool has_values() const { return has_values_; }

  // Writes the row's keys to `keys` and, where has_values(), the values that are not 1 to `values`
  // at the same places. `trim`: spaces around a field are not part of it. Returns the number of
  // keys, or -1 when the text of column *bad_column had to be a number and is none.
  int Run(const RowText& row, bool trim, Key* keys, float* values, std::uint32_t* bad_column) const;

  bool IsMissing(std::string_view text) const;

 private:
  struct Numbers;
  struct Category;
  struct CategoryLanes;
  struct Number;
  struct NumberLanes;
  struct Parsed;
  struct Operation;
  struct Batch;  // neighbouring operations of one kind

  template <bool kTrim>
  int RunRow(const RowText& row, Key* keys, float* values, std::uint32_t* bad_column) const;

  static Number NumberOf(const Operation& op);
  Operation Compile(const features::Plan& plan, const features::Feature& feature);
  template <bool kTrim>
  std::uint64_t Unmixed(const Category& category, const RowText& row) const;
  // `lanes`: the same `count` numbers, four by four.
  template <bool kTrim>
  bool ParseNumbers(const Number* op, const NumberLanes* lanes, std::uint32_t count,
                    const RowText& row, Parsed* parsed, std::uint32_t* bad_column) const;
  static Key* BucketKeys(const Number* op, const NumberLanes* lanes, std::uint32_t count,
                         Parsed* parsed, Key* out);
  static Key* LogKeys(const NumberLanes* lanes, std::uint32_t count, const Parsed& parsed,
                      Key* out);
  template <bool kTrim>
  Key* HashKeys(const Batch& batch, const RowText& row, Key* out) const;
  static void AddLanes(const Number* number, std::uint32_t count, std::uint32_t columns,
                       std::vector<NumberLanes>* lanes);
  void AddBatchLanes(Batch* batch, std::uint32_t columns);
  template <bool kTrim>
  int RawKey(const Operation& op, const RowText& row, Key* out, float* value) const;
  template <bool kTrim>
  int CrossKeys(const Operation& op, const RowText& row, Key* out, std::uint32_t* bad_column) const;
  std::uint64_t RareCategory(const Category& category, std::string_view text) const;
  enum class NumberText { kNumber, kKey, kBad };
  NumberText SlowNumber(const Operation& op, std::string_view text, double* number, Key* key) const;

  std::vector<std::string> missing_;
  std::uint64_t rare_sizes_ = 0;  // bit min(size, 63) of every missing text but the empty one
  bool empty_is_missing_ = false;
  std::uint32_t never_short_ = 0;  // all ones when a missing text would parse as a number
  std::vector<Operation> operations_;
  std::vector<Category> categories_;  // of the HASH operations, in order
  std::vector<Number> numbers_;       // of the BUCKET, NUMERIC and LOG operations, in order
  std::vector<CategoryLanes> category_lanes_;
  std::vector<NumberLanes> number_lanes_;
  std::vector<Batch> batches_;
  std::size_t max_keys_ = 0;
  bool has_values_ = false;
};

}  // namespace ps
