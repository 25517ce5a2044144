// Four numbers at once against one at a time, on ordinary texts and on broken ones.
#include "models/data/four_floats.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "models/data/float_text.h"

namespace ps {
namespace {

// ":text" for each of four, with room to read in front of the first.
struct FourTexts {
  explicit FourTexts(const std::vector<std::string>& texts) : line(16, ' ') {
    for (const std::string& text : texts) {
      line += "12345";
      colon.push_back(static_cast<std::uint32_t>(line.size()));
      line += ":" + text;
      stop.push_back(static_cast<std::uint32_t>(line.size()));
      line += " ";
    }
    line.append(64, '\n');
  }
  std::string line;
  std::vector<std::uint32_t> colon, stop;
};

std::uint32_t Bits(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

// What was read is what ParseFloat says of the whole text, to the bit. True when it was read.
template <bool kExponents>
bool Agrees(const std::vector<std::string>& texts) {
  const FourTexts four(texts);
  float values[4];
  if (!ReadFourFloats<kExponents>(four.line.data(), four.colon.data(), four.stop.data(), values)) {
    return false;
  }
  for (int i = 0; i < 4; ++i) {
    const char* const text = four.line.data() + four.colon[i] + 1;
    const ParsedFloat parsed = ParseFloat(text, four.line.data() + four.stop[i]);
    EXPECT_EQ(parsed.result, FloatText::kOk) << "'" << texts[i] << "'";
    EXPECT_EQ(parsed.end, four.line.data() + four.stop[i]) << "'" << texts[i] << "'";
    EXPECT_EQ(Bits(parsed.value), Bits(values[i])) << "'" << texts[i] << "'";
  }
  return true;
}

std::string RandomText(std::mt19937_64& random) {
  char text[64];
  const double value = std::ldexp(static_cast<double>(random() >> 11), -static_cast<int>(random() % 80)) *
                       (random() % 3 == 0 ? -1 : 1);
  switch (random() % 6) {
    case 0: std::snprintf(text, sizeof text, "%d", static_cast<int>(random() % 100000) - 50000); break;
    case 1: std::snprintf(text, sizeof text, "%.*f", static_cast<int>(random() % 9), std::fmod(value, 1e5)); break;
    case 2: std::snprintf(text, sizeof text, "%.*g", 1 + static_cast<int>(random() % 17), value); break;
    case 3: std::snprintf(text, sizeof text, "%.*e", static_cast<int>(random() % 12), value); break;
    case 4: std::snprintf(text, sizeof text, ".%llu", static_cast<unsigned long long>(random() % 1000000)); break;
    default: std::snprintf(text, sizeof text, "%llu.", static_cast<unsigned long long>(random() % 1000000));
  }
  return text;
}

std::string Broken(std::string text, std::mt19937_64& random) {
  constexpr char kBytes[] = "0123456789.-+eE: x\t\x80/";
  const std::size_t at = random() % text.size();
  switch (random() % 3) {
    case 0: text[at] = kBytes[random() % (sizeof kBytes - 1)]; break;
    case 1: text.insert(at, 1, kBytes[random() % (sizeof kBytes - 1)]); break;
    default: text.erase(at, 1);
  }
  return text.empty() ? "0" : text;
}

TEST(FourFloats, OrdinaryNumbersAreRead) {
  EXPECT_TRUE(Agrees<false>({"0", "1", "-1", "0.25"}));
  EXPECT_TRUE(Agrees<false>({"-0", "00012", "5.", ".5"}));
  EXPECT_TRUE(Agrees<false>({"123456789012345", "-12345678901234", "0.0000000000001", "-.5"}));
  EXPECT_TRUE(Agrees<true>({"1e+00", "-2.5e-03", "1.25E+10", "7"}));
  EXPECT_TRUE(Agrees<true>({"1.2345678e-15", "-1e-22", "9.999999e+16", "0e+00"}));
}

TEST(FourFloats, WhateverElseIsLeftToOthers) {
  const std::string odd[] = {".",     "-",    "-.",    "--1",  "1-",   "+1",      "1..2",   "1.2.3",
                             "e+01",  "1e5",  "1e+5",  "1e+",  "1e+1x", "1e*10",  "1e+99",  "1e-40",
                             "nan",   "inf",  "0x10",  "1 ",   "1:2",  "1234567890123456",
                             "1234567890123456789", "0.1234567890123456", ".e+01", "-e-02", "1/2"};
  for (const std::string& text : odd) {
    for (int place = 0; place < 4; ++place) {
      std::vector<std::string> texts = {"1", "2.5", "-3", "0.125"};
      texts[place] = text;
      EXPECT_FALSE(Agrees<false>(texts)) << text;
      EXPECT_FALSE(Agrees<true>(texts)) << text;
    }
  }
}

// Exactly between two floats: rounding twice would be wrong.
TEST(FourFloats, NumbersBetweenTwoFloatsAreLeftToOthers) {
  EXPECT_FALSE(Agrees<false>({"1", "1", "16777217", "1"}));
  EXPECT_FALSE(Agrees<false>({"1.0000000596046", "8388608.5", "1", "1"}));
}

TEST(FourFloats, AgreeWithOneAtATime) {
  std::mt19937_64 random(5);
  int read = 0;
  for (int round = 0; round < 200000; ++round) {
    std::vector<std::string> texts;
    for (int i = 0; i < 4; ++i) {
      texts.push_back(RandomText(random));
      if (random() % 16 == 0) texts.back() = Broken(texts.back(), random);
    }
    read += Agrees<false>(texts);
    read += Agrees<true>(texts);
  }
  EXPECT_GT(read, 10000);
}

}  // namespace
}  // namespace ps
