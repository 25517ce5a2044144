#include "trainer/progress/json_log.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>

#include "tests/trainer/json_reader.h"

namespace ps {
namespace {

JsonValue ParseJson(const std::string& text) {
  const std::optional<JsonValue> value = JsonReader::Read(text);
  EXPECT_TRUE(value) << text;
  return value.value_or(JsonValue());
}

// The reader must be strict, or the tests below show nothing.
TEST(JsonTest, TheReaderOfTheseTestsRefusesWhatIsNotJson) {
  for (const char* bad : {"",
                          "{",
                          "{}}",
                          "{'a':1}",
                          "{a:1}",
                          "{\"a\":1,}",
                          "[1,]",
                          "01",
                          "1.",
                          ".5",
                          "+1",
                          "nan",
                          "Infinity",
                          "1e",
                          "\"\n\"",
                          "\"\\x\"",
                          "\"a",
                          "tru",
                          "{\"a\":1,\"a\":2}",
                          "{\"a\" 1}",
                          "1 2"}) {
    EXPECT_FALSE(JsonReader::Read(bad)) << bad;
  }
  for (const char* good : {"{}", "[]", "-0.5e+3", "null", "[1, {\"a\": true}]", "\"\\u0041\""}) {
    EXPECT_TRUE(JsonReader::Read(good)) << good;
  }
}

TEST(JsonTest, TextsOfAnyBytesStayWellFormed) {
  EXPECT_EQ(JsonString("a\"b\\c\n\t\r\x01\x7f"), R"("a\"b\\c\n\t\u000d\u0001\u007f")");
  EXPECT_EQ(JsonString(std::string("\0", 1)), R"("\u0000")");
  EXPECT_EQ(JsonString("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80"),
            "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80\"");
  const std::string replacement = "\xef\xbf\xbd";
  for (const char* bad : {"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xe0\x80\x80",
                          "\xf4\x90\x80\x80", "\xf0\x8f\xbf\xbf", "\x80"}) {
    std::string expected;
    for (const char* c = bad; *c != '\0'; ++c) expected += replacement;
    EXPECT_EQ(JsonString(bad), "\"" + expected + "\"");
  }
}

TEST(JsonTest, RandomTextsAreReadBack) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 2000; ++round) {
    std::string text(random() % 20, '\0');
    for (char& c : text) c = static_cast<char>(random() % 128);
    const JsonValue json = ParseJson(JsonObject().Add("t", text).ToString());
    ASSERT_EQ(json.members.at("t").text, text);
    for (char& c : text) c = static_cast<char>(random());
    ParseJson(JsonObject().Add("t", text).ToString());
  }
}

TEST(JsonTest, NumbersReadBackTheSame) {
  std::mt19937_64 random(4);
  for (int round = 0; round < 2000; ++round) {
    const std::uint64_t bits = random();
    double number;
    std::memcpy(&number, &bits, sizeof number);
    if (!std::isfinite(number)) continue;
    ASSERT_EQ(std::strtod(JsonNumber(number).c_str(), nullptr), number);
    ASSERT_EQ(ParseJson(JsonNumber(number)).number, number);
  }
  EXPECT_EQ(JsonNumber(std::nan("")), "null");
  EXPECT_EQ(JsonNumber(-std::numeric_limits<double>::infinity()), "null");
  EXPECT_EQ(JsonObject().Add("max", ~std::uint64_t{0}).ToString(),
            R"({"max":18446744073709551615})");
}

TEST(JsonTest, ObjectsNestAndKeepTheirOrder) {
  JsonObject inner;
  inner.Add("auc", 0.5);
  EXPECT_EQ(JsonObject().Add("b", true).Add("a", inner).Add("c", -1).Add("d", "x").ToString(),
            R"({"b":true,"a":{"auc":0.5},"c":-1,"d":"x"})");
  EXPECT_EQ(JsonObject().ToString(), "{}");
}

}  // namespace
}  // namespace ps
