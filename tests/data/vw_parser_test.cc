#include "models/data/vw_parser.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ps {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Key Feature(std::string_view name_space, std::string_view name) {
  return CategoryKey(FieldSeed(name_space), name);
}

RowBlock ParseText(const std::string& text, std::uint64_t offset = 0) {
  const std::vector<char> exact(text.begin(), text.end());
  RowBlock block;
  VwParser().Parse({exact.data(), exact.size()}, {1, offset}, &block);
  EXPECT_EQ(block.row_begin.size(), block.rows() + 1);
  EXPECT_EQ(block.row_begin.back(), block.features());
  EXPECT_EQ(block.row_offset.size(), block.rows());
  EXPECT_TRUE(block.value.empty() || block.value.size() == block.features());
  EXPECT_TRUE(block.weight.empty() || block.weight.size() == block.rows());
  return block;
}

std::string OnlyError(const std::string& line) {
  const RowBlock block = ParseText("1 |a b\n" + line + "\n-1 |a c\n");
  EXPECT_EQ(block.rows(), 2) << line;
  EXPECT_EQ(block.bad_rows, 1) << line;
  EXPECT_THAT(block.key, ElementsAre(Feature("a", "b"), Feature("a", "c")));
  EXPECT_THAT(block.weight, IsEmpty());
  EXPECT_THAT(block.value, IsEmpty());
  if (block.bad.empty()) return "";
  EXPECT_EQ(block.bad[0].offset, 7);
  EXPECT_EQ(block.bad[0].text, line);
  return std::to_string(block.bad[0].column) + ": " + block.bad[0].what;
}

TEST(VwParserTest, AByteOrderMarkAtTheFrontOfAFileIsNoPartOfARow) {
  const RowBlock block = ParseText("\xef\xbb\xbf" "1 |a b\n-1 |a c\n");
  EXPECT_EQ(block.bad_rows, 0);
  EXPECT_THAT(block.label, ElementsAre(1, 0));
  EXPECT_THAT(block.row_offset, ElementsAre(3, 10));
  EXPECT_EQ(ParseText("\xef\xbb\xbf" "1 |a b\n", 50).bad_rows, 1);
}

TEST(VwParserTest, LabelsNamespacesAndValues) {
  const RowBlock block =
      ParseText("1 |user u7 age:0.5 |ad 123 u7\n-1 | x |:2 y:3\r\n\n0 |f:0.5 a:2 b |g\n+1 |f", 50);
  EXPECT_EQ(block.bad_rows, 0);
  EXPECT_EQ(block.lines, 5);
  EXPECT_THAT(block.label, ElementsAre(1, 0, 0, 1));
  EXPECT_THAT(block.row_offset, ElementsAre(50, 80, 97, 115));
  EXPECT_THAT(block.row_begin, ElementsAre(0, 4, 6, 8, 8));
  EXPECT_THAT(block.key, ElementsAre(Feature("user", "u7"), Feature("user", "age"),
                                     Feature("ad", "123"), Feature("ad", "u7"), Feature("", "x"),
                                     Feature("", "y"), Feature("f", "a"), Feature("f", "b")));
  EXPECT_THAT(block.value, ElementsAre(1, 0.5, 1, 1, 1, 6, 1, 0.5));
  EXPECT_THAT(block.weight, IsEmpty());
}

TEST(VwParserTest, ImportanceAndTags) {
  const RowBlock block = ParseText(
      "1 |f a\n1 2.5 |f a\n-1 0.5 0 |f a\n1 'tag |f a\n1 3 'tag|f a\n1 word|f a\n-1 2 7|f a\n");
  EXPECT_EQ(block.bad_rows, 0);
  EXPECT_THAT(block.label, ElementsAre(1, 1, 0, 1, 1, 1, 0));
  EXPECT_THAT(block.weight, ElementsAre(1, 2.5, 0.5, 1, 3, 1, 2));
}

TEST(VwParserTest, ZerosAreDroppedAndRepeatsSummed) {
  const RowBlock block = ParseText("1 |f a:0 b c:2 b |g b |f c:-2 b:0.25\n");
  EXPECT_THAT(block.key, ElementsAre(Feature("f", "b"), Feature("g", "b")));
  EXPECT_THAT(block.value, ElementsAre(2.25, 1));
}

TEST(VwParserTest, BadRowsSayWhatAndWhere) {
  EXPECT_EQ(OnlyError("|f a"), "1: the example has no label");
  EXPECT_EQ(OnlyError("'tag |f a"), "6: the example has no label");
  EXPECT_EQ(OnlyError("1|f a"), "2: the example has no label");
  EXPECT_EQ(OnlyError("1"), "2: expected '|', found the end of the line");
  EXPECT_EQ(OnlyError("1 'tag x|f a"), "8: expected '|' behind the tag, found 'x|f'");
  EXPECT_EQ(OnlyError("2 |f a"), "1: a label must be 0, 1 or -1, found '2'");
  EXPECT_EQ(OnlyError("yes |f a"), "1: expected a label, found 'yes'");
  EXPECT_EQ(OnlyError("1 x |f a"), "3: expected a number, found 'x'");
  EXPECT_EQ(OnlyError("1 -2 |f a"), "3: an importance must not be negative, found '-2'");
  EXPECT_EQ(OnlyError("1 1 0.5 |f a"),
            "5: a base (initial prediction) is not supported, found '0.5'");
  EXPECT_EQ(OnlyError("1 1 0 1 |f a"), "7: expected '|' or a tag, found '1'");
  EXPECT_EQ(OnlyError("1 |f a:"), "8: expected a number, found ''");
  EXPECT_EQ(OnlyError("1 |f a:b"), "8: expected a number, found 'b'");
  EXPECT_EQ(OnlyError("1 |f a:1:2"), "8: expected a number, found '1:2'");
  EXPECT_EQ(OnlyError("1 |f a:nan"), "8: expected a number, found 'nan'");
  EXPECT_EQ(OnlyError("1 |f a:1e50"), "8: number out of range, found '1e50'");
  EXPECT_EQ(OnlyError("1 |f:x a"), "6: expected a number, found 'x'");
  EXPECT_EQ(OnlyError("1 |f:1e30 a:1e30"),
            "11: value times weight is out of range, found 'a:1e30'");
  EXPECT_EQ(OnlyError("1 |f :5"), "6: expected feature[:value], found ':5'");
  EXPECT_EQ(OnlyError("1 |f a:3e38 a:3e38"),
            "1: the values of a feature that occurs more than once add up to no finite number");
}

TEST(VwParserTest, MutatedTextIsAccountedFor) {
  std::mt19937_64 random(3);
  const std::string valid =
      "1 2.5 'tag|user age:0.5 u7 |ad:2 123:1e-3 word\n-1 | x |:2 y:3\r\n0 |f:0.5 a:2 b |g\n"
      "1 0.5 0 |aaaaaaaa bbbbbbbbbbbbbbbbb:6.2699720e-02 cc:1\n";
  const std::string alphabet = "01234|||:::''  .-e\n\n\r\tabz\xff";
  for (int round = 0; round < 200000; ++round) {
    std::string text = valid;
    for (int edits = static_cast<int>(1 + random() % 4); edits > 0 && !text.empty(); --edits) {
      const std::size_t at = random() % text.size();
      switch (random() % 4) {
        case 0:
          text[at] = alphabet[random() % alphabet.size()];
          break;
        case 1:
          text.insert(at, 1, alphabet[random() % alphabet.size()]);
          break;
        case 2:
          text.erase(at, 1 + random() % 5);
          break;
        default:
          text.resize(at);
          break;
      }
    }
    const RowBlock block = ParseText(text);
    const auto newlines = std::count(text.begin(), text.end(), '\n');
    ASSERT_EQ(block.lines, newlines + (!text.empty() && text.back() != '\n'));
    ASSERT_LE(block.rows() + block.bad_rows, block.lines);
    for (std::size_t row = 0; row < block.rows(); ++row) {
      std::vector<Key> keys(block.key.begin() + block.row_begin[row],
                            block.key.begin() + block.row_begin[row + 1]);
      std::sort(keys.begin(), keys.end());
      ASSERT_EQ(std::adjacent_find(keys.begin(), keys.end()), keys.end()) << text;
    }
  }
}

}  // namespace
}  // namespace ps
