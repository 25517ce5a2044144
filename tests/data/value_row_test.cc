// Rows that are read at once give what the same rows give one by one: a row alone is too near its
// text's end for ValueRow, so it is read feature by feature, which libsvm_parser_test and
// float_text_test hold to std::from_chars.
#include "models/data/value_row.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "models/data/libsvm_parser.h"
#include "models/data/row_block.h"

namespace ps {
namespace {

std::string Value(std::mt19937_64* random) {
  auto& r = *random;
  char text[64];
  const double x = static_cast<double>(static_cast<std::int64_t>(r())) * 1e-18;
  const char* const formats[] = {"%.4g",  "%.7e",  "%.1f", "%.9g", "%.15g",
                                 "%.17g", "%+.3f", "%.0f", "%.2e"};
  std::snprintf(text, sizeof(text), formats[r() % 9], r() % 4 == 0 ? x * 1e-20 : x);
  const char* const rare[] = {"1",
                              "0",
                              "-0",
                              "0.0",
                              ".5",
                              "5.",
                              "1e5",
                              "1E-7",
                              "-.25",
                              "1e-50",
                              "007",
                              "16777217",
                              "0.000000059604644775390625",
                              "1e22",
                              "9007199254740993"};
  return r() % 3 == 0 ? rare[r() % 15] : text;
}

// Below 96 bytes.
std::string Row(std::mt19937_64* random) {
  auto& r = *random;
  std::string row = r() % 2 ? "1" : "-1";
  std::uint64_t index = 0;
  for (int i = static_cast<int>(r() % 5); i >= 0; --i) {
    index = r() % 8 == 0 ? r() % 1000 : index + 1 + r() % (r() % 4 == 0 ? 1'000'000'000 : 100);
    const std::string feature = " " + std::to_string(index) + ":" + Value(random);
    if (row.size() + feature.size() < 80) row += feature;
  }
  if (r() % 10 == 0) {
    constexpr char kBytes[] = "0159:. \t-+eE#x\r,";
    row[r() % row.size()] = kBytes[r() % (sizeof(kBytes) - 1)];
  }
  return row;
}

std::vector<std::uint32_t> Bits(const RowBlock& block) {
  std::vector<std::uint32_t> bits;
  for (std::size_t i = 0; i < block.features(); ++i) {
    const float value = block.value.empty() ? 1.0f : block.value[i];
    bits.emplace_back();
    std::memcpy(&bits.back(), &value, sizeof(value));
  }
  return bits;
}

TEST(ValueRow, RowsTogetherAreTheRowsAlone) {
  std::uint64_t bad_rows = 0;
  std::size_t features = 0;
  for (unsigned seed = 0; seed < 400; ++seed) {
    std::mt19937_64 random(seed);
    const LibsvmParser parser(static_cast<int>(seed % 2));
    std::string text;
    RowBlock alone, together;
    for (int row = 0; row < 100; ++row) {
      const std::string line = Row(&random) + "\n";
      ASSERT_LT(line.size(), 96u);
      parser.Parse(line, {0, text.size()}, &alone);
      text += line;
    }
    parser.Parse(text, {}, &together);
    ASSERT_EQ(together.bad_rows, alone.bad_rows) << seed;
    ASSERT_EQ(together.label, alone.label) << seed;
    ASSERT_EQ(together.row_begin, alone.row_begin) << seed;
    ASSERT_EQ(together.key, alone.key) << seed;
    ASSERT_EQ(Bits(together), Bits(alone)) << seed;
    for (std::size_t i = 0; i < together.bad.size(); ++i) {
      EXPECT_EQ(together.bad[i].what, alone.bad[i].what);
      EXPECT_EQ(together.bad[i].column, alone.bad[i].column);
      EXPECT_EQ(together.bad[i].offset, alone.bad[i].offset);
    }
    bad_rows += together.bad_rows;
    features += together.features();
  }
  EXPECT_GT(bad_rows, 500u);
  EXPECT_GT(features, 50'000u);
}

TEST(ValueRow, ReadsARowAtOnceAndALongRowInParts) {
  ValueRow row;
  std::vector<Key> keys(ValueRow::kRoom);
  std::vector<float> values(ValueRow::kRoom);
  std::string text(16, ' ');
  for (int i = 1; i <= 2000; ++i) text += std::to_string(i) + ":" + std::to_string(i) + ".5 ";
  text.back() = '\n';
  const char* p = text.data() + 16;
  const std::size_t row_bytes = text.size();
  text.append(200, '\n');
  p = text.data() + 16;
  std::int64_t last = 0;
  std::int64_t read = 0;
  while (*p != '\n') {
    while (*p == ' ') ++p;
    const ValueRow::Result part =
        row.Read(&p, text.data() + text.size(), &last, keys.data(), values.data());
    ASSERT_GT(part.found, 0u);
    ASSERT_LE(part.count, ValueRow::kMostFeatures);
    EXPECT_TRUE(part.ascending);
    for (std::size_t i = 0; i < part.count; ++i) {
      ++read;
      ASSERT_EQ(keys[i], IndexKey(static_cast<std::uint64_t>(read)));
      ASSERT_EQ(values[i], static_cast<float>(read) + .5f);
    }
    ASSERT_EQ(last, read);
  }
  EXPECT_EQ(read, 2000);
  EXPECT_EQ(p, text.data() + row_bytes - 1);
}

struct Read {
  ValueRow::Result result;
  std::int64_t last_index;
  std::ptrdiff_t bytes;
  std::vector<Key> keys;
  std::vector<std::uint32_t> values;
};

// `text` has room in front of `at`.
Read ReadWith(ValueRow* row, const std::string& text, std::size_t at) {
  std::vector<Key> keys(ValueRow::kRoom);
  std::vector<float> values(ValueRow::kRoom);
  Read read;
  read.last_index = 0;
  const char* p = text.data() + at;
  read.result =
      row->Read(&p, text.data() + text.size(), &read.last_index, keys.data(), values.data());
  read.bytes = p - text.data();
  read.keys.assign(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(read.result.count));
  read.values.resize(read.result.count);
  if (!read.values.empty()) std::memcpy(read.values.data(), values.data(), 4 * read.values.size());
  return read;
}

TEST(ValueRow, VectorsOfEitherWidthReadTheSame) {
  ValueRow best(ValueRow::Simd::kBest), avx2(ValueRow::Simd::kAvx2);
  std::size_t both = 0, features = 0;
  for (unsigned seed = 0; seed < 20'000; ++seed) {
    std::mt19937_64 random(seed);
    // Exponents come and go.
    const bool plain = seed / 50 % 2 == 0;
    std::string text(16, ' ');
    std::uint64_t index = 0;
    for (int i = static_cast<int>(random() % 60); i >= 0; --i) {
      index += 1 + random() % (random() % 9 == 0 ? 1'000'000'000'000 : 3000);
      text += std::to_string(random() % 50 == 0 ? random() % 100 : index) + ":";
      const std::string number = std::to_string(random() % 100'000);
      text += plain && random() % 40 != 0
                  ? (random() % 3 == 0 ? "-" : "") + number.substr(0, random() % 4) + "." + number
                  : Value(&random);
      text += ' ';
    }
    if (random() % 8 == 0) {
      constexpr char kBytes[] = "0159:. \t-+eE#x\r,";
      text[16 + random() % (text.size() - 16)] = kBytes[random() % (sizeof(kBytes) - 1)];
    }
    text.back() = '\n';
    text.append(200, '\n');
    const Read a = ReadWith(&best, text, 16), b = ReadWith(&avx2, text, 16);
    if (a.result.found == 0 || b.result.found == 0) continue;
    ++both;
    features += a.result.count;
    ASSERT_EQ(a.result.found, b.result.found) << text;
    ASSERT_EQ(a.result.ascending, b.result.ascending) << text;
    ASSERT_EQ(a.last_index, b.last_index) << text;
    ASSERT_EQ(a.bytes, b.bytes) << text;
    ASSERT_EQ(a.keys, b.keys) << text;
    ASSERT_EQ(a.values, b.values) << text;
  }
  EXPECT_GT(both, 12'000u);
  EXPECT_GT(features, 200'000u);
}

// Digits, points and signs at every place of the sixteen bytes, each beside numbers of other
// shapes.
TEST(ValueRow, NumbersOfEveryShapeAreRead) {
  std::vector<std::string> shapes;
  for (int digits = 1; digits <= 17; ++digits) {
    const std::string number = std::string("12345678901234567").substr(0, digits);
    for (int point = 0; point <= digits; ++point) {
      const std::string with_point = number.substr(0, point) + "." + number.substr(point);
      for (const char* sign : {"", "-", "+"}) {
        shapes.push_back(sign + with_point);
        shapes.push_back(sign + number);
        for (const char* exponent : {"e+03", "E-07", "e-22", "e+2", "e15", "e-30"}) {
          shapes.push_back(sign + with_point + exponent);
        }
      }
    }
  }
  std::mt19937_64 random(7);
  ValueRow row;
  for (int round = 0; round < 40; ++round) {
    std::shuffle(shapes.begin(), shapes.end(), random);
    for (std::size_t i = 0; i + 7 < shapes.size(); i += 7) {
      std::string text(16, ' ');
      for (int j = 0; j < 7; ++j)
        text += std::to_string(j + 1) + ":" + shapes[i + j] + (j < 6 ? " " : "\n");
      const std::string line = text.substr(16, text.size() - 17);
      text.append(200, '\n');
      const Read read = ReadWith(&row, text, 16);
      ASSERT_EQ(read.result.count, 7u) << line;
      for (int j = 0; j < 7; ++j) {
        const float expected = std::strtof(shapes[i + j].c_str(), nullptr);
        float value;
        std::memcpy(&value, &read.values[j], sizeof value);
        ASSERT_EQ(value, expected) << shapes[i + j] << " of " << line;
      }
    }
  }
}

}  // namespace
}  // namespace ps
