// What ValueRow does, on 64-byte vectors: the bytes of four features come into place with one
// permutation, and masks cost little. AVX-512 with VBMI and VBMI2: only where WideRow::Supported().
#pragma once

#include <cstddef>
#include <cstdint>

#include "ps/base/key.h"

namespace ps {

// Where features begin and end, from the row's begin on. Feature i is [stop[i - 1] + 1, stop[i]),
// with a colon at colon[i]; stop[-1] is ~0.
struct RowPlaces {
  std::uint32_t* colon;
  std::uint32_t* stop;
};

// Belongs to one thread.
class WideRow {
 public:
  static bool Supported();

  // Notes colons and stops up to the newline, while there are `most` of each at most and 64 bytes
  // are in front of `end`. Writes up to 80 of each beyond. Their numbers are *colons and *stops.
  static void FindPlaces(const char* begin, const char* end, std::size_t most, RowPlaces places,
                         std::size_t* colons, std::size_t* stops);

  enum class Result : std::uint8_t {
    kRead,
    kTooWide,  // four features take more than 126 bytes: to be read otherwise
    kUnusual,  // something is no number, or too long
  };
  struct Features {
    Result result = Result::kUnusual;
    bool ascending = false;  // strictly, from *last_index on
    bool has_zero = false;   // among the values
  };

  // Bytes that must be readable from the last feature's end on.
  static constexpr std::ptrdiff_t kReadableBehind = 128;

  // Reads the values from `first` up to `last`, of any kind. False: something is no number.
  using OddValueReader = bool (*)(const char* begin, const char* end, RowPlaces places,
                                  std::size_t first, std::size_t last, float* values);

  // Reads `count` features, kMostFeatures at most. colon[count] to colon[count + 3] are colon[count
  // - 1], and stop likewise. Writes up to eight keys and values beyond the last. *last_index
  // changes when all was read.
  static constexpr std::size_t kMostFeatures = 512;
  Features Read(const char* begin, const char* end, std::size_t count, RowPlaces places,
                OddValueReader read_odd_values, std::int64_t* last_index, Key* keys, float* values);

 private:
  template <bool kExponents>
  Result ReadDigits(const char* begin, std::size_t count, RowPlaces places, Key* keys);
  template <bool kExponents>
  bool ReadValues(const char* begin, const char* end, std::size_t count, RowPlaces places,
                  OddValueReader read_odd_values, float* values, bool* has_zero);

  // Of each value, between the two steps. A mask has sixteen bits for a value, one for each byte in
  // front of its end.
  static constexpr std::size_t kRoom = kMostFeatures + 8;
  std::int64_t mantissa_[kRoom];
  std::int32_t exponent_[kRoom];
  std::uint16_t inside_[kRoom];
  std::uint16_t first_[kRoom];
  std::uint16_t minus_[kRoom];  // where it is the first
  std::uint16_t point_[kRoom];
  std::uint16_t digit_[kRoom];
  bool exponents_ = false;  // values have had them
};

}  // namespace ps
