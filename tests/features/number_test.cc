#include "models/features/number.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "models/features/distinct_count.h"
#include "models/features/mix_keys.h"
#include "models/features/plan.h"
#include "models/features/short_integers.h"
#include "models/features/sort_numbers.h"

namespace ps {
namespace {

double Parsed(const std::string& text) {
  double number = std::nan("");
  return ParseNumber(text, &number) ? number : std::nan("");
}

TEST(NumberTest, DecimalTexts) {
  EXPECT_EQ(Parsed("0"), 0);
  EXPECT_EQ(Parsed("+12.5"), 12.5);
  EXPECT_EQ(Parsed("-.5e1"), -5);
  EXPECT_EQ(Parsed("1e-400"), 0);
  EXPECT_EQ(Parsed("0." + std::string(500, '0') + "1"), 0);
  EXPECT_FALSE(std::signbit(Parsed("-0")));
  for (const char* text :
       {"",    "-",        "+",    "+-1",   "abc",     "1x",    " 1",  "1 ",  "nan", "inf", "-inf",
        "NaN", "infinity", "0x10", "1e999", "1e99999", "1e-9x", "1,5", "--1", ".",   "e5"}) {
    EXPECT_TRUE(std::isnan(Parsed(text))) << text;
  }
}

TEST(NumberTest, LettersAreNoPartOfNumbers) {
  std::mt19937_64 random(8);
  for (int i = 0; i < 200'000; ++i) {
    std::string text(8, '\0');
    // Mostly what numbers are made of; bytes above 127 and zeros among the others.
    for (char& c : text) {
      c = random() % 16 == 0 ? static_cast<char>(random()) : "0123456789eE+-.\0"[random() % 16];
    }
    bool letters = false;
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      letters |= (byte & 0xc0) != 0 && (byte | 0x20) != 'e';
    }
    ASSERT_EQ(HasLetters(Load8(text.data())), letters);
  }
}

TEST(NumberTest, SortedAsByComparison) {
  std::mt19937_64 random(9);
  for (const std::size_t size : {0, 1, 511, 512, 3000, 20'000}) {
    for (int kind = 0; kind < 3; ++kind) {
      std::vector<double> numbers(size);
      for (double& x : numbers) {
        x = static_cast<double>(random() % 1000) - 300;  // integers, many of them equal
        if (kind == 1) x = std::ldexp(x, static_cast<int>(random() % 200) - 100);
        if (kind == 2) x = 7;
        x += 0.0;
      }
      std::vector<double> expected = numbers;
      std::sort(expected.begin(), expected.end());
      SortNumbers(&numbers);
      ASSERT_EQ(numbers, expected);
    }
  }
}

TEST(NumberTest, DistinctValuesAreCounted) {
  std::mt19937_64 random(10);
  DistinctCount count;
  for (const std::uint64_t range : {1, 2, 300, 100'000}) {
    for (const int shift : {0, 40}) {
      std::vector<std::uint64_t> values(30'000);
      for (std::uint64_t& value : values) value = random() % range << shift;
      ASSERT_EQ(count.Of(values), std::set<std::uint64_t>(values.begin(), values.end()).size());
    }
  }
  EXPECT_EQ(count.Of({}), 0);
}

TEST(NumberTest, ShortIntegersAgreeWithAnyNumber) {
  std::mt19937_64 random(7);
  const std::string alphabet = "0123456789-+. e/:";
  int integers = 0;
  for (int i = 0; i < 400'000; ++i) {
    std::string text;
    const std::size_t size = random() % 11;
    // Mostly digits, or hardly any text of eight bytes would be a number.
    while (text.size() < size)
      text += alphabet[random() % (random() % 8 == 0 ? alphabet.size() : 10)];
    if (random() % 3 == 0 && !text.empty()) text[0] = '-';
    // The text in one of four places, among others.
    const std::string padded = text + "5678901234567890";
    const std::size_t place = random() % 4;
    const char* texts[4] = {"12345678", "x2345678", "-2345678", "12345678"};
    std::uint64_t sizes[4] = {3, 8, 8, 0};
    const std::uint32_t others = 0b1010 & ~(1u << place);
    texts[place] = padded.data();
    sizes[place] = text.size();
    double numbers[4];
    long long heads[4];
    for (int j = 0; j < 4; ++j) heads[j] = static_cast<long long>(Load8(texts[j]));
    const std::uint32_t wrong =
        ParseShortIntegers(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(heads)),
                           _mm256_loadu_si256(reinterpret_cast<const __m256i*>(sizes)), numbers);
    ASSERT_EQ(wrong & ~(1u << place), others);
    ASSERT_EQ(place == 0 ? 123 : numbers[0], 123);
    ASSERT_EQ(place == 2 ? -2345678 : numbers[2], -2345678);
    const double number = numbers[place];
    const bool is_short = (wrong >> place & 1) == 0;
    ASSERT_TRUE(std::isfinite(number));
    const bool digits = !text.empty() && text != "-" && text.size() <= 8 &&
                        text.find_first_not_of("0123456789", text[0] == '-') == std::string::npos;
    ASSERT_EQ(is_short, digits) << text;
    double alone = 0;
    ASSERT_EQ(ParseShortInteger({padded.data(), text.size()}, &alone), digits) << text;
    if (digits) {
      ASSERT_EQ(std::bit_cast<std::uint64_t>(alone), std::bit_cast<std::uint64_t>(number));
    }
    if (!is_short) continue;
    ++integers;
    ASSERT_EQ(number, Parsed(text)) << text;
    ASSERT_FALSE(number == 0 && std::signbit(number));
  }
  EXPECT_GT(integers, 100'000);
}

TEST(NumberTest, LogCells) {
  for (int i = 0; i < 16; ++i) EXPECT_LT(LogCell(i), LogCell(i + 1)) << i;
  EXPECT_EQ(LogCell(16), LogCell(17));
  EXPECT_NE(LogCell(16), LogCell(18));
  EXPECT_NE(LogCell(-3), LogCell(3));
  EXPECT_EQ(LogCell(1000), LogCell(1010));
}

TEST(NumberTest, MixedKeysAreThoseOfOneAtATime) {
  std::mt19937_64 random(3);
  for (std::size_t count = 0; count < 40; ++count) {
    std::vector<Key> keys(count + kMixSlack);
    for (Key& key : keys) key = random();
    if (count > 2) keys[count - 2] = UnmixKey64(0);  // would become key 0
    std::vector<Key> expected;
    for (std::size_t i = 0; i < count; ++i) expected.push_back(NonZeroKey(Mix64(keys[i])));
    std::vector<Key> by_avx2 = keys;
    MixKeys(keys.data(), count);
    keys.resize(count);
    EXPECT_EQ(keys, expected);
    MixKeysAvx2(by_avx2.data(), count);
    by_avx2.resize(count);
    EXPECT_EQ(by_avx2, expected);
  }
}

}  // namespace
}  // namespace ps
