// Reads the rest of a row `13:0.25 5678123:-1.5e-03 ...` at once, whatever the values: the places
// of all colons and blanks first, sixty-four bytes at a time; then four indices, and value by
// value, without a branch that lengths decide. Says no where anything is out of the ordinary (the
// caller then reads feature by feature). Belongs to one thread. AVX2, and AVX-512 where there is
// (value_row_avx512.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "models/data/value_row_avx512.h"
#include "ps/base/key.h"

namespace ps {

class ValueRow {
 public:
  enum class Simd { kBest, kAvx2 };  // kBest: AVX-512 where the processor has it
  explicit ValueRow(Simd simd = Simd::kBest);

  static constexpr std::size_t kMostFeatures = WideRow::kMostFeatures;
  static constexpr std::size_t kRoom = kMostFeatures + 8;

  struct Result {
    std::size_t count = 0;  // features with a value other than zero; `found` counts all
    std::size_t found = 0;
    bool ascending = true;  // strictly, from the index before on
  };
  // Reads the features from *p on, of which the first begins there, up to the newline; or, of a
  // long row, the first ones. Writes at most kRoom keys. found is 0 when the row has to be read
  // otherwise: nothing has changed then. Else *p is behind the last feature, and *last_index (-1:
  // none before) its index. Sixteen bytes in front of *p are readable.
  Result Read(const char** p, const char* end, std::int64_t* last_index, Key* keys, float* values);

 private:
  std::size_t FindPlaces(const char* begin, const char* end);
  bool ReadFeatures(const char* begin, const char* end, std::size_t count, Key* keys, float* values,
                    Result* result, bool* has_zero, std::int64_t* last_index);
  bool ReadKeys(const char* begin, std::size_t count, Key* keys, Result* result,
                std::int64_t* last_index);
  bool ReadValues(const char* begin, const char* end, std::size_t count, float* values,
                  bool* has_zero);

  static constexpr std::size_t kPlaces = kMostFeatures + 80;
  const bool wide_;
  WideRow wide_row_;
  std::uint32_t colon_[kPlaces];
  std::uint32_t stop_storage_[1 + kPlaces];
  std::uint32_t* const stop_ = stop_storage_ + 1;  // of what ends the value; stop_[-1] is ~0
  std::uint32_t digits_[kPlaces];
  bool exponents_ = false;  // values have had them
};

}  // namespace ps
