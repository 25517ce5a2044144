#include "bench/datagen/row_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace ps {
namespace {

// No line is longer: 39 features of at most 15 digits, a separator and ":1" each.
constexpr std::size_t kMaxLineBytes = kCriteoColumns * 20 + 16;

// "0000" .. "9999"
struct DigitTable {
  char digits[10000][4];
  constexpr DigitTable() : digits() {
    for (int i = 0; i < 10000; ++i) {
      digits[i][0] = static_cast<char>('0' + i / 1000);
      digits[i][1] = static_cast<char>('0' + i / 100 % 10);
      digits[i][2] = static_cast<char>('0' + i / 10 % 10);
      digits[i][3] = static_cast<char>('0' + i % 10);
    }
  }
};
constexpr DigitTable kDigits;

// May write up to eight bytes past the number's end.
char* WriteNumber(std::uint64_t number, char* out) {
  if (number >= 100'000'000) return std::to_chars(out, out + 20, number).ptr;
  const std::uint32_t small = static_cast<std::uint32_t>(number);
  char padded[8];
  std::memcpy(padded, kDigits.digits[small / 10000], 4);
  std::memcpy(padded + 4, kDigits.digits[small % 10000], 4);
  std::uint64_t word;
  std::memcpy(&word, padded, 8);
  // Leading zeros are the low bytes; the last digit always stays.
  const std::uint64_t nonzero = (word ^ 0x3030303030303030u) | (std::uint64_t{1} << 56);
  const int zeros = __builtin_ctzll(nonzero) / 8;
  word >>= zeros * 8;
  std::memcpy(out, &word, 8);
  return out + 8 - zeros;
}

char* WriteHex8(std::uint32_t value, char* out) {
  // One nibble a byte, most significant first, then '0'..'9', 'a'..'f'.
  std::uint64_t x = __builtin_bswap32(value);
  x = (x | x << 16) & 0x0000ffff0000ffffu;
  x = (x | x << 8) & 0x00ff00ff00ff00ffu;
  x = ((x >> 4) & 0x000f000f000f000fu) | ((x & 0x000f000f000f000fu) << 8);
  const std::uint64_t letters = ((x + 0x0606060606060606u) >> 4) & 0x0101010101010101u;
  x += 0x3030303030303030u + letters * ('a' - '0' - 10);
  std::memcpy(out, &x, 8);
  return out + 8;
}

// Sorts by counting, for each element, how many are smaller: no branches, whole vectors. Elements
// are distinct.
void SortDistinct(std::array<std::int32_t, 40>& values) {
  std::array<std::int32_t, 40> sorted;
  for (int i = 0; i < 40; ++i) {
    const std::int32_t value = values[i];
    std::int32_t smaller = 0;
#pragma GCC unroll 1
    for (int j = 0; j < 40; ++j) smaller += values[j] < value;
    sorted[smaller] = value;
  }
  values = sorted;
}

}  // namespace

std::optional<RowFormat> ParseRowFormat(std::string_view name) {
  if (name == "libsvm") return RowFormat::kLibsvm;
  if (name == "vw") return RowFormat::kVw;
  if (name == "criteo") return RowFormat::kCriteo;
  if (name == "csv") return RowFormat::kCsv;
  return std::nullopt;
}

int HashedFeatures(const CriteoRow& row, int hash_bits, std::uint64_t* ids) {
  static_assert(kCriteoColumns == 39);
  for (int c = 0; c < kCountColumns; ++c) {
    ids[c] = HashedFeature(c, CountBucket(row.count[c]), hash_bits);
  }
  for (int c = 0; c < kCategoryColumns; ++c) {
    ids[kCountColumns + c] = HashedFeature(kCountColumns + c, row.category[c], hash_bits);
  }
  if (hash_bits > 24) {
    std::sort(ids, ids + kCriteoColumns);
    return static_cast<int>(std::unique(ids, ids + kCriteoColumns) - ids);
  }
  // The column in the low bits makes equal ids distinct for the sort.
  std::array<std::int32_t, 40> tagged;
  for (int i = 0; i < kCriteoColumns; ++i) {
    tagged[i] = static_cast<std::int32_t>((ids[i] - 1) << 6) | i;
  }
  tagged[kCriteoColumns] = INT32_MAX;
  SortDistinct(tagged);
  int count = 0;
  std::int32_t previous = -1;
  for (int i = 0; i < kCriteoColumns; ++i) {
    const std::int32_t id = tagged[i] >> 6;
    ids[count] = id + 1;
    count += id != previous;
    previous = id;
  }
  return count;
}

std::string RowWriter::Header() const {
  if (format_ != RowFormat::kCsv) return "";
  std::string header = "label";
  for (int c = 1; c <= kCountColumns; ++c) header += ",I" + std::to_string(c);
  for (int c = 1; c <= kCategoryColumns; ++c) header += ",C" + std::to_string(c);
  return header + "\n";
}

char* RowWriter::WriteHashed(const CriteoRow& row, char* out) const {
  const bool vw = format_ == RowFormat::kVw;
  if (vw) {
    std::memcpy(out, row.label ? "1 |" : "-1 |", 4);
    out += row.label ? 3 : 4;
  } else {
    *out++ = static_cast<char>('0' + row.label);
  }
  std::uint64_t ids[kCriteoColumns];
  const int count = HashedFeatures(row, hash_bits_, ids);
  for (int i = 0; i < count; ++i) {
    *out++ = ' ';
    out = WriteNumber(ids[i], out);
    std::memcpy(out, ":1", 2);
    out += vw ? 0 : 2;
  }
  return out;
}

char* RowWriter::WriteColumns(const CriteoRow& row, char separator, char* out) const {
  *out++ = static_cast<char>('0' + row.label);
  for (std::int32_t count : row.count) {
    *out++ = separator;
    if (count != kMissingCount) out = WriteNumber(count, out);
  }
  for (int c = 0; c < kCategoryColumns; ++c) {
    *out++ = separator;
    if (!row.category_missing[c]) out = WriteHex8(row.category[c], out);
  }
  return out;
}

void RowWriter::Append(const CriteoRow& row, std::string* text) const {
  char line[kMaxLineBytes];
  const bool hashed = format_ == RowFormat::kLibsvm || format_ == RowFormat::kVw;
  char* end = hashed ? WriteHashed(row, line)
                     : WriteColumns(row, format_ == RowFormat::kCsv ? ',' : '\t', line);
  *end++ = '\n';
  text->append(line, end - line);
}

}  // namespace ps
