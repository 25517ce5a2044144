#include "models/data/libsvm_parser.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ps {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

RowBlock ParseText(const std::string& text, int index_base = 1, std::uint64_t offset = 0) {
  // An exact heap copy, so that a sanitizer sees a read beyond the text.
  const std::vector<char> exact(text.begin(), text.end());
  RowBlock block;
  LibsvmParser(index_base).Parse({exact.data(), exact.size()}, {3, offset}, &block);
  EXPECT_EQ(block.row_begin.size(), block.rows() + 1);
  EXPECT_EQ(block.row_begin.back(), block.features());
  EXPECT_EQ(block.row_offset.size(), block.rows());
  EXPECT_TRUE(block.value.empty() || block.value.size() == block.features());
  EXPECT_EQ(block.bad.size(), std::min<std::uint64_t>(block.bad_rows, RowBlock::kMaxQuoted));
  EXPECT_EQ(block.file, 3);
  return block;
}

std::string OnlyError(const std::string& line, int index_base = 1) {
  const RowBlock block = ParseText("1 1:1\n" + line + "\n0 2:1\n", index_base);
  EXPECT_EQ(block.rows(), 2) << line;
  EXPECT_THAT(block.key, ElementsAre(IndexKey(1), IndexKey(2))) << line;
  EXPECT_THAT(block.value, IsEmpty());
  EXPECT_EQ(block.bad_rows, 1) << line;
  if (block.bad.empty()) return "";
  EXPECT_EQ(block.bad[0].offset, 6);
  EXPECT_EQ(block.bad[0].text, line.substr(0, 120));
  return std::to_string(block.bad[0].column) + ": " + block.bad[0].what;
}

TEST(LibsvmParserTest, RowsLabelsAndOffsets) {
  const RowBlock block =
      ParseText("1 1:1 7:1\n-1 3:1\n+1\n0 4:1\n1.0 5:1\n-1.0 6:1\n0.0\n", 1, 100);
  EXPECT_THAT(block.label, ElementsAre(1, 0, 1, 0, 1, 0, 0));
  EXPECT_THAT(block.row_offset, ElementsAre(100, 110, 117, 120, 126, 134, 143));
  EXPECT_THAT(block.row_begin, ElementsAre(0, 2, 3, 3, 4, 5, 6, 6));
  EXPECT_THAT(block.key, ElementsAre(IndexKey(1), IndexKey(7), IndexKey(3), IndexKey(4),
                                     IndexKey(5), IndexKey(6)));
  EXPECT_THAT(block.value, IsEmpty());
  EXPECT_THAT(block.weight, IsEmpty());
  EXPECT_EQ(block.lines, 7);
}

TEST(LibsvmParserTest, AByteOrderMarkAtTheFrontOfAFileIsNoPartOfARow) {
  const std::string mark = "\xef\xbb\xbf";
  for (const char* rows : {"1 1:1\n0 2:1\n", "1 1:1\n0 2:1"}) {
    const RowBlock block = ParseText(mark + rows);
    EXPECT_EQ(block.bad_rows, 0);
    EXPECT_THAT(block.label, ElementsAre(1, 0));
    EXPECT_THAT(block.row_offset, ElementsAre(3, 9));
    EXPECT_THAT(block.key, ElementsAre(IndexKey(1), IndexKey(2)));
  }
  EXPECT_THAT(ParseText(mark + "1 1:1").row_offset, ElementsAre(3));
  EXPECT_EQ(ParseText(mark).rows(), 0);
  EXPECT_EQ(ParseText(mark).bad_rows, 0);
  // Within a file, and twice, it is text.
  EXPECT_EQ(ParseText(mark + "1 1:1\n", 1, 100).bad_rows, 1);
  EXPECT_EQ(ParseText(mark + mark + "1 1:1\n").bad_rows, 1);
}

TEST(LibsvmParserTest, BlankLinesCommentsQueryIdsAndLineEnds) {
  const RowBlock block = ParseText(
      "\n  \n# only a comment\n1 qid:7 2:1 # 3:1 and words\r\n\r\n0\t4:1\t5:1 \r\n1 6:1#x\n1 8:1");
  EXPECT_EQ(block.bad_rows, 0);
  EXPECT_EQ(block.lines, 8);
  EXPECT_THAT(block.label, ElementsAre(1, 0, 1, 1));
  EXPECT_THAT(block.row_begin, ElementsAre(0, 1, 3, 4, 5));
  EXPECT_THAT(block.key,
              ElementsAre(IndexKey(2), IndexKey(4), IndexKey(5), IndexKey(6), IndexKey(8)));
}

TEST(LibsvmParserTest, ValuesAreFilledFromTheFirstOneThatIsNotOne) {
  const RowBlock block = ParseText("1 1:1 2:1\n0 1:1 2:0.5 3:1\n1 9:1\n");
  EXPECT_THAT(block.value, ElementsAre(1, 1, 1, 0.5, 1, 1));
}

TEST(LibsvmParserTest, AppendsToABlock) {
  RowBlock block;
  const LibsvmParser parser(1);
  parser.Parse("1 1:1\n", {0, 0}, &block);
  parser.Parse("0 2:3\n", {0, 6}, &block);
  parser.Parse("1 4:1 5:1\nx\n", {0, 12}, &block);
  EXPECT_THAT(block.value, ElementsAre(1, 3, 1, 1));
  EXPECT_THAT(block.row_begin, ElementsAre(0, 1, 2, 4));
  EXPECT_THAT(block.row_offset, ElementsAre(0, 6, 12));
  EXPECT_EQ(block.bad_rows, 1);
  EXPECT_EQ(block.bad[0].offset, 22);
}

TEST(LibsvmParserTest, ZeroIsAbsentAndDoublesAreSummed) {
  const RowBlock block = ParseText("1 1:0 2:0.0 3:1 4:-0\n0 5:1 5:1 3:2 5:0.5\n1 7:1 7:-1 8:1\n");
  EXPECT_EQ(block.bad_rows, 0);
  EXPECT_THAT(block.row_begin, ElementsAre(0, 1, 3, 4));
  EXPECT_THAT(block.key, ElementsAre(IndexKey(3), IndexKey(5), IndexKey(3), IndexKey(8)));
  EXPECT_THAT(block.value, ElementsAre(1, 2.5, 2, 1));
}

TEST(LibsvmParserTest, IndexBaseZeroAndTheWholeRangeOf64Bits) {
  const RowBlock block =
      ParseText("1 0:1 18446744073709551615:1 12345678901234567:1 1234567890123456:1 9:1 0:1\n", 0);
  EXPECT_EQ(block.bad_rows, 0);
  EXPECT_THAT(block.key,
              ElementsAre(IndexKey(0), IndexKey(18446744073709551615u),
                          IndexKey(12345678901234567u), IndexKey(1234567890123456u), IndexKey(9)));
  EXPECT_THAT(block.value, ElementsAre(2, 1, 1, 1, 1));
}

TEST(LibsvmParserTest, BadRowsSayWhatAndWhere) {
  EXPECT_EQ(OnlyError("1 0:1"), "3: index 0 in a file declared 1-based: set data.index_base: 0");
  EXPECT_EQ(OnlyError("1 0:2.5"), "3: index 0 in a file declared 1-based: set data.index_base: 0");
  std::string many = "1";
  for (int i = 1; i < 30; ++i) many += " " + std::to_string(i) + ":1";
  EXPECT_EQ(OnlyError(many + " 0:1 9:1 9999:1 9999:1 9999:1 9999:1 9999:1 9999:1 9999:1 9999:1"),
            std::to_string(many.size() + 2) +
                ": index 0 in a file declared 1-based: set data.index_base: 0");
  EXPECT_EQ(OnlyError("abc 1:1"), "1: expected a label, found 'abc'");
  EXPECT_EQ(OnlyError("1:1 2:1"), "1: expected a label, found '1:1'");
  EXPECT_EQ(OnlyError("2 1:1"), "1: a label must be 0, 1 or -1, found '2'");
  EXPECT_EQ(OnlyError("inf 1:1"), "1: a label must be 0, 1 or -1, found 'inf'");
  EXPECT_EQ(OnlyError("nan 1:1"), "1: expected a label, found 'nan'");
  EXPECT_EQ(OnlyError("1 5:1 x:1"), "7: expected index:value, found 'x:1'");
  EXPECT_EQ(OnlyError("1 5:1 6"), "7: expected index:value, found '6'");
  EXPECT_EQ(OnlyError("1 5:1 -6:1"), "7: expected index:value, found '-6:1'");
  EXPECT_EQ(OnlyError("1 5:1 :1"), "7: expected index:value, found ':1'");
  EXPECT_EQ(OnlyError("1 5:1 6:"), "9: expected a number, found ''");
  EXPECT_EQ(OnlyError("1 5:1 6:abc"), "9: expected a number, found 'abc'");
  EXPECT_EQ(OnlyError("1 5:1 6:1:1"), "9: expected a number, found '1:1'");
  EXPECT_EQ(OnlyError("1 5:1 6:1,2"), "9: expected a number, found '1,2'");
  EXPECT_EQ(OnlyError("1 5:1 6:nan"), "9: expected a number, found 'nan'");
  EXPECT_EQ(OnlyError("1 5:1 6:-inf"), "9: number out of range: '-inf'");
  EXPECT_EQ(OnlyError("1 5:1 6:1e39"), "9: number out of range: '1e39'");
  EXPECT_EQ(OnlyError("1 5:1 6:0x10"), "9: expected a number, found '0x10'");
  EXPECT_EQ(OnlyError("1 18446744073709551616:1"),
            "3: index above 2^64 - 1: '18446744073709551616:1'");
  EXPECT_EQ(OnlyError("1 5:3e38 5:3e38"),
            "1: the values of an index that occurs more than once add up to no finite number");
  EXPECT_EQ(OnlyError("1 5:1 " + std::string(300, 'y')),
            "7: expected index:value, found '" + std::string(40, 'y') + "'");
}

TEST(LibsvmParserTest, QuotesAreCappedAndCountsAreNot) {
  std::string text;
  for (int i = 0; i < 25; ++i) text += "bad\n";
  const RowBlock block = ParseText(text + "1 1:1\n");
  EXPECT_EQ(block.bad_rows, 25);
  EXPECT_EQ(block.bad.size(), RowBlock::kMaxQuoted);
  EXPECT_EQ(block.rows(), 1);
  EXPECT_EQ(block.lines, 26);
}

// What a straightforward parser would make of valid text.
struct NaiveRow {
  float label = 0;
  std::vector<std::pair<std::uint64_t, float>> features;
};

std::string RandomNumber(std::mt19937_64* random, bool ones) {
  auto& r = *random;
  if (ones) return "1";
  switch (r() % 8) {
    case 0:
      return "1";
    case 1:
      return std::to_string(r() % 100);
    case 2:
      return std::to_string(r() >> (r() % 64));
    case 3:
      return "-" + std::to_string(r() % 1000) + "." + std::to_string(r() % 1000);
    case 4:
      return "0." + std::to_string(r() % 100000000);
    case 5:
      return std::to_string(r() % 1000) + "e" + std::to_string(static_cast<int>(r() % 30) - 15);
    case 6:
      return "." + std::to_string(r() % 10000);
    default: {
      char text[40];
      std::snprintf(text, sizeof(text), "%.*g", static_cast<int>(1 + r() % 17),
                    std::ldexp(static_cast<double>(r()), -static_cast<int>(r() % 100)));
      return text;
    }
  }
}

std::string RandomText(std::mt19937_64* random, std::vector<NaiveRow>* rows) {
  auto& r = *random;
  std::string text;
  const bool ones = r() % 3 == 0;
  const bool ascending = r() % 2 == 0;
  const int count = static_cast<int>(1 + r() % 20);
  for (int i = 0; i < count; ++i) {
    NaiveRow row;
    const char* labels[] = {"1", "0", "-1", "+1", "1.0", "0.0"};
    const std::string label = labels[r() % 6];
    row.label = std::strtof(label.c_str(), nullptr) > 0 ? 1.0f : 0.0f;
    text += label;
    std::uint64_t index = 0;
    for (int f = static_cast<int>(r() % 50); f > 0; --f) {
      const int bits = static_cast<int>(r() % 64);
      index = ascending ? index + 1 + r() % 1000000 : std::max<std::uint64_t>(r() >> bits, 1);
      const std::string value = RandomNumber(random, ones);
      text += (r() % 50 == 0 ? "  " : " ") + std::to_string(index) + ":" + value;
      const float number = std::strtof(value.c_str(), nullptr);
      auto same = std::find_if(row.features.begin(), row.features.end(),
                               [&](const auto& feature) { return feature.first == index; });
      if (number == 0) continue;
      if (same == row.features.end()) {
        row.features.emplace_back(index, number);
      } else {
        same->second += number;
      }
    }
    std::erase_if(row.features, [](const auto& feature) { return feature.second == 0; });
    if (r() % 10 == 0) text += " ";
    if (r() % 20 == 0) text += " # note 5:5";
    text += r() % 10 == 0 ? "\r\n" : "\n";
    rows->push_back(std::move(row));
  }
  if (r() % 4 == 0) text.pop_back();
  return text;
}

TEST(LibsvmParserTest, AgreesWithANaiveParserOnRandomText) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 3000; ++round) {
    std::vector<NaiveRow> rows;
    const std::string text = RandomText(&random, &rows);
    const RowBlock block = ParseText(text);
    ASSERT_EQ(block.bad_rows, 0) << block.bad[0].what << "\n" << text;
    ASSERT_EQ(block.rows(), rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      ASSERT_EQ(block.label[i], rows[i].label);
      ASSERT_EQ(block.row_begin[i + 1] - block.row_begin[i], rows[i].features.size()) << text;
      for (std::size_t f = 0; f < rows[i].features.size(); ++f) {
        const std::size_t at = block.row_begin[i] + f;
        ASSERT_EQ(block.key[at], IndexKey(rows[i].features[f].first)) << text;
        ASSERT_EQ(block.value.empty() ? 1.0f : block.value[at], rows[i].features[f].second) << text;
      }
    }
  }
}

// Mutated text never crashes, and its lines are all accounted for. Cutting a text at a line end and
// parsing the parts gives the same rows: the fast way and the slow one agree wherever they begin.
TEST(LibsvmParserTest, MutatedText) {
  std::mt19937_64 random(2);
  const std::string alphabet = "0123456789::::  ...--++eE##\n\n\r\tqidnaxf\0\xff";
  for (int round = 0; round < 200000;) {
    std::vector<NaiveRow> rows;
    const std::string valid = RandomText(&random, &rows).substr(0, 1500);
    for (int i = 0; i < 100; ++i, ++round) {
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
      const RowBlock block = ParseText(text, static_cast<int>(round % 2));
      const auto newlines = std::count(text.begin(), text.end(), '\n');
      ASSERT_EQ(block.lines, newlines + (!text.empty() && text.back() != '\n'));
      ASSERT_LE(block.rows() + block.bad_rows, block.lines);
      if (round % 5 != 0) continue;
      RowBlock parts;
      for (std::size_t line = 0; line < text.size();) {
        const std::size_t next = std::min(text.find('\n', line), text.size() - 1) + 1;
        LibsvmParser(static_cast<int>(round % 2))
            .Parse(std::string_view(text).substr(line, next - line), {3, line}, &parts);
        line = next;
      }
      ASSERT_EQ(parts.key, block.key) << text;
      ASSERT_EQ(parts.label, block.label) << text;
      ASSERT_EQ(parts.row_begin, block.row_begin) << text;
      ASSERT_EQ(parts.value, block.value) << text;
      ASSERT_EQ(parts.bad_rows, block.bad_rows) << text;
    }
  }
}

}  // namespace
}  // namespace ps
