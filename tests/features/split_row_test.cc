#include "models/features/split_row.h"

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ps {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Fields(const std::string& line, const TextLayout& layout) {
  SplitRow row;
  if (!row.Split(line, layout)) return {"problem", row.problem()};
  std::vector<std::string> fields;
  for (std::size_t i = 0; i < row.fields(); ++i) fields.emplace_back(row.field(i));
  return fields;
}

TEST(SplitRowTest, Plain) {
  const TextLayout tabs;
  EXPECT_THAT(Fields("", tabs), ElementsAre(""));
  EXPECT_THAT(Fields("a\t\t b ", tabs), ElementsAre("a", "", " b "));
  EXPECT_THAT(Fields("\t", tabs), ElementsAre("", ""));
  EXPECT_THAT(Fields("\"a\tb\"", tabs), ElementsAre("\"a", "b\""));
}

TEST(SplitRowTest, QuotesAndSpaces) {
  const TextLayout csv{',', '"', true};
  EXPECT_THAT(Fields(" a , b c,  ,", csv), ElementsAre("a", "b c", "", ""));
  EXPECT_THAT(Fields("\"a,b\",  \" c \" ,\"\"\"\"", csv), ElementsAre("a,b", " c ", "\""));
  EXPECT_THAT(Fields("a\"b,\"\",\"x\"", csv), ElementsAre("a\"b", "", "x"));
  EXPECT_EQ(Fields("a,\"b", csv)[0], "problem");
  EXPECT_EQ(Fields("a,\"b\"\"", csv)[0], "problem");
  EXPECT_EQ(Fields("a,\"b\" c", csv)[0], "problem");
}

// What was written by the rules comes back.
TEST(SplitRowTest, RoundTrip) {
  std::mt19937_64 random(1);
  const std::string alphabet = "ab ,\"x";
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::string> fields(1 + random() % 5);
    std::string line;
    for (std::string& field : fields) {
      for (std::size_t i = random() % 6; i > 0; --i) field += alphabet[random() % alphabet.size()];
      if (&field != &fields[0]) line += ',';
      line += std::string(random() % 2, ' ') + '"';
      for (char c : field) line += c == '"' ? std::string("\"\"") : std::string(1, c);
      line += '"' + std::string(random() % 2, ' ');
    }
    ASSERT_EQ(Fields(line, {',', '"', true}), fields) << line;
  }
}

}  // namespace
}  // namespace ps
