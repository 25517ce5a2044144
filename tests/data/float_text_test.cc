#include "models/data/float_text.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace ps {
namespace {

ParsedFloat ParseText(const std::string& text, std::size_t* used = nullptr) {
  const std::vector<char> exact(text.begin(), text.end());
  const ParsedFloat parsed = ParseFloat(exact.data(), exact.data() + exact.size());
  if (used != nullptr) *used = static_cast<std::size_t>(parsed.end - exact.data());
  // The fast way gives the same in the middle of a longer text.
  for (const char before : {'7', '.', ' '}) {
    const std::string longer =
        std::string(kFloatReadableBefore, before) + text + " " + std::string(40, '7');
    const char* at = longer.data() + kFloatReadableBefore;
    const ParsedFloat inside = ParseFloatAt(longer.data(), at, longer.data() + longer.size());
    EXPECT_EQ(inside.result, parsed.result) << text;
    EXPECT_EQ(inside.value, parsed.value) << text;
    EXPECT_EQ(std::signbit(inside.value), std::signbit(parsed.value)) << text;
    EXPECT_EQ(inside.end - at, parsed.end - exact.data()) << text;
  }
  return parsed;
}

TEST(FloatTextTest, AgreesWithStrtofToTheBit) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 300000; ++round) {
    char text[64];
    const double sign = random() % 2 ? 1 : -1;
    const double number = sign * std::ldexp(static_cast<double>(random() >> (random() % 64)),
                                            static_cast<int>(random() % 300) - 200);
    switch (random() % 5) {
      case 0:
        std::snprintf(text, sizeof(text), "%.*g", static_cast<int>(random() % 20), number);
        break;
      case 1:
        std::snprintf(text, sizeof(text), "%d.%0*d", static_cast<int>(random() % 10000),
                      static_cast<int>(1 + random() % 6), static_cast<int>(random() % 10));
        break;
      case 2:
        std::snprintf(text, sizeof(text), "%d", static_cast<int>(random() >> (random() % 60)));
        break;
      case 3:
        std::snprintf(text, sizeof(text), "-.%d", static_cast<int>(random() % 10000000));
        break;
      default:
        std::snprintf(text, sizeof(text), "%.7e", std::ldexp(number, -30));
        break;
    }
    const float expected = std::strtof(text, nullptr);
    std::size_t used = 0;
    const ParsedFloat parsed = ParseText(text, &used);
    ASSERT_EQ(used, std::strlen(text)) << text;
    if (std::isinf(expected)) {
      ASSERT_EQ(parsed.result, FloatText::kOutOfRange) << text;
    } else if (std::fabs(expected) < 1.2e-38f) {  // subnormal: may round to zero
      ASSERT_EQ(parsed.result, FloatText::kOk) << text;
      ASSERT_LE(std::fabs(parsed.value), 1.2e-38f) << text;
    } else {
      ASSERT_EQ(parsed.result, FloatText::kOk) << text;
      ASSERT_EQ(parsed.value, expected) << text;
    }
  }
}

TEST(FloatTextTest, StopsWhereTheNumberDoes) {
  const struct {
    const char* text;
    float value;
    std::size_t used;
  } cases[] = {{"1 2", 1, 1},
               {"1.5:3", 1.5, 3},
               {"12345678x", 12345678, 8},
               {"1e", 1, 1},
               {"1e+", 1, 1},
               {"1.2.3", 1.2f, 3},
               {"+5", 5, 2},
               {"+.5", .5, 3},
               {"-0", 0, 2},
               {"5.", 5, 2},
               {"0000000000001", 1, 13},
               {"0x10", 0, 1},
               {"1e-400", 0, 6},
               {"0e99999", 0, 7}};
  for (const auto& c : cases) {
    std::size_t used = 0;
    const ParsedFloat parsed = ParseText(c.text, &used);
    EXPECT_EQ(parsed.result, FloatText::kOk) << c.text;
    EXPECT_EQ(parsed.value, c.value) << c.text;
    EXPECT_EQ(used, c.used) << c.text;
  }
}

TEST(FloatTextTest, RefusesWhatIsNoFiniteNumber) {
  for (const char* text :
       {"", "-", "+", ".", "-.", "e5", "abc", "nan", "-nan", "+-1", "--1", " 1"}) {
    EXPECT_EQ(ParseText(text).result, FloatText::kNotANumber) << text;
  }
  for (const char* text : {"inf", "-inf", "infinity", "1e39", "-1e39", "1e999", "4e38"}) {
    EXPECT_EQ(ParseText(text).result, FloatText::kOutOfRange) << text;
  }
}

}  // namespace
}  // namespace ps
