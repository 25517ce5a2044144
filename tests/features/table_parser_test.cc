#include "models/features/table_parser.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/features/plan.h"
#include "tests/features/table_job.h"

namespace ps {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Key Category(const std::string& column, const std::string& text) {
  return CategoryKey(FieldSeed(column), text);
}
Key MissingCategory(const std::string& column) {
  return BucketKey(FieldSeed(column + "\nmissing"), 0);
}

// label,a,b of categories.
std::unique_ptr<RowParser> TwoCategories(DataFormat format, const std::string& positive = "") {
  JobConfig config = TableJob(format, false);
  config.data.columns = {"label", "a", "b"};
  config.data.label.positive = positive;
  config.features = {On("a", FeatureOp::kHash), On("b", FeatureOp::kHash)};
  const std::string row = format == DataFormat::kCsv ? "1,x,y\n" : "1\tx\ty\n";
  auto extractor = CompileText(config, row);
  EXPECT_TRUE(extractor.ok()) << extractor.status();
  return (*extractor)->MakeParser();
}

std::string OnlyError(DataFormat format, const std::string& line,
                      const std::string& positive = "") {
  const std::string good = format == DataFormat::kCsv ? "1,x,y\n" : "1\tx\ty\n";
  const auto parser = TwoCategories(format, format == DataFormat::kCsv ? positive : "");
  const RowBlock block = ParseExact(*parser, good + line + "\n" + good);
  EXPECT_EQ(block.rows(), 2) << line;
  EXPECT_EQ(block.features(), 4) << line;
  EXPECT_EQ(block.bad_rows, 1) << line;
  EXPECT_EQ(block.lines, 3);
  if (block.bad.empty()) return "";
  EXPECT_EQ(block.bad[0].offset, 6);
  EXPECT_EQ(block.bad[0].text, line.substr(0, 120));
  return std::to_string(block.bad[0].column) + ": " + block.bad[0].what;
}

TEST(TableParserTest, RowsOfTsv) {
  const auto parser = TwoCategories(DataFormat::kTsv);
  const RowBlock block = ParseExact(
      *parser, "1\tred\tcircle\n0\tNA\t a\"b\n\n-1\t\tlonger than eight\r\n1.0\t?\tx", 50);
  EXPECT_THAT(block.label, ElementsAre(1, 0, 0, 1));
  EXPECT_THAT(block.row_offset, ElementsAre(50, 63, 74, 97));
  EXPECT_THAT(block.key, ElementsAre(Category("a", "red"), Category("b", "circle"),
                                     MissingCategory("a"), Category("b", " a\"b"),
                                     MissingCategory("a"), Category("b", "longer than eight"),
                                     MissingCategory("a"), Category("b", "x")));
  EXPECT_THAT(block.value, IsEmpty());
  EXPECT_THAT(block.weight, IsEmpty());
  EXPECT_EQ(block.lines, 5);
  EXPECT_EQ(block.bad_rows, 0);
}

TEST(TableParserTest, RowsOfCsv) {
  const auto parser = TwoCategories(DataFormat::kCsv, ">50K");
  const RowBlock block = ParseExact(
      *parser, ">50K, red ,\"a, \"\"b\"\" \"\r\n<=50K,\" ?\",?\n\">50K\" , \"\",x\"y\n>50K,,\n");
  EXPECT_THAT(block.label, ElementsAre(1, 0, 1, 1));
  EXPECT_THAT(block.key,
              ElementsAre(Category("a", "red"), Category("b", "a, \"b\" "), Category("a", " ?"),
                          MissingCategory("b"), MissingCategory("a"), Category("b", "x\"y"),
                          MissingCategory("a"), MissingCategory("b")));
  EXPECT_EQ(block.bad_rows, 0);
}

TEST(TableParserTest, MalformedRows) {
  EXPECT_EQ(OnlyError(DataFormat::kTsv, "1\tx"), "1: expected 3 columns, found 2");
  EXPECT_EQ(OnlyError(DataFormat::kTsv, "1\tx\ty\tz"), "1: expected 3 columns, found 4");
  EXPECT_EQ(OnlyError(DataFormat::kCsv, "1,x,\"y\",z"), "1: expected 3 columns, found 4");
  EXPECT_THAT(OnlyError(DataFormat::kCsv, "1,\"x,y"), HasSubstr("3: a quote is not closed"));
  EXPECT_THAT(OnlyError(DataFormat::kCsv, "1,\"x\"z,y"), HasSubstr("6: text after a closing"));
  EXPECT_THAT(OnlyError(DataFormat::kTsv, "2\tx\ty"), HasSubstr("1: expected a label"));
  EXPECT_THAT(OnlyError(DataFormat::kTsv, "yes\tx\ty"), HasSubstr("found 'yes'"));
  EXPECT_THAT(OnlyError(DataFormat::kTsv, "\tx\ty"), HasSubstr("the label is empty"));
  EXPECT_THAT(OnlyError(DataFormat::kTsv, "nan\tx\ty"), HasSubstr("expected a label"));
}

TEST(TableParserTest, ManyBadRowsAreCountedAndTenQuoted) {
  const auto parser = TwoCategories(DataFormat::kTsv);
  std::string text;
  for (int i = 0; i < 5000; ++i) text += i % 2 == 0 ? "1\tx\ty\n" : "1\tx\n";
  const RowBlock block = ParseExact(*parser, text);
  EXPECT_EQ(block.rows(), 2500);
  EXPECT_EQ(block.bad_rows, 2500);
  EXPECT_EQ(block.bad.size(), 10);
  EXPECT_EQ(block.lines, 5000);
}

TEST(TableParserTest, HeaderAndByteOrderMark) {
  JobConfig config = TableJob(DataFormat::kCsv, true);
  config.features = {On("a", FeatureOp::kHash)};
  auto extractor = CompileText(config, "\xef\xbb\xbflabel, a\n1,x\n");
  ASSERT_TRUE(extractor.ok()) << extractor.status();
  const auto parser = (*extractor)->MakeParser();
  RowBlock block = ParseExact(*parser, "\xef\xbb\xbflabel,\"a\"\r\n1,x\n");
  EXPECT_THAT(block.row_offset, ElementsAre(14));
  EXPECT_EQ(block.bad_rows, 0);
  // Beyond a file's begin the same line is a row like any other.
  EXPECT_EQ(ParseExact(*parser, "label,a\n1,x\n", 100).bad_rows, 1);
  block = ParseExact(*parser, "a,label\n1,x\n");
  EXPECT_EQ(block.rows(), 1);
  ASSERT_EQ(block.bad_rows, 1);
  EXPECT_THAT(block.bad[0].what, HasSubstr("header"));
  EXPECT_EQ(ParseExact(*parser, "label,a").lines, 1);
  EXPECT_EQ(ParseExact(*parser, "").lines, 0);
}

TEST(TableParserTest, Weights) {
  JobConfig config = TableJob(DataFormat::kTsv, false);
  config.data.columns = {"w", "label", "a"};
  config.data.weight.name = "w";
  auto extractor = CompileText(config, "1\t1\tx\n");
  ASSERT_TRUE(extractor.ok()) << extractor.status();
  const RowBlock block =
      ParseExact(*(*extractor)->MakeParser(), "0.5\t1\tx\n-1\t1\tx\n2\t0\ty\nNA\t0\tx\n0\t0\tz\n");
  EXPECT_THAT(block.weight, ElementsAre(0.5f, 2, 0));
  EXPECT_THAT(block.key, ElementsAre(Category("a", "x"), Category("a", "y"), Category("a", "z")));
  EXPECT_EQ(block.bad_rows, 2);
  EXPECT_THAT(block.bad[0].what, HasSubstr("expected a weight of 0 or more, found '-1'"));
}

TEST(TableParserTest, NumbersThatAreNone) {
  JobConfig config = TableJob(DataFormat::kTsv, false);
  std::string text;
  for (int i = 0; i < 300; ++i) text += std::to_string(i % 2) + "\t" + std::to_string(i) + "\n";
  // Declared: another text is an error that says where it stands.
  for (FeatureOp op : {FeatureOp::kBucket, FeatureOp::kNumeric, FeatureOp::kLog, FeatureOp::kRaw}) {
    config.features = {On("c1", op)};
    auto extractor = CompileText(config, text);
    ASSERT_TRUE(extractor.ok()) << extractor.status();
    const RowBlock block = ParseExact(*(*extractor)->MakeParser(), "1\t5\n1\tabc\n1\tNA\n1\t5\n");
    EXPECT_EQ(block.rows(), 3);
    ASSERT_EQ(block.bad_rows, 1);
    EXPECT_EQ(block.bad[0].what, "expected a number in column \"c1\", found 'abc'");
    EXPECT_EQ(block.bad[0].column, 3);
  }
  // Inferred: another text is a value of its own.
  config.features.clear();
  auto extractor = CompileText(config, text);
  ASSERT_TRUE(extractor.ok()) << extractor.status();
  const RowBlock block = ParseExact(*(*extractor)->MakeParser(), "1\tabc\n1\tNA\n");
  EXPECT_THAT(block.key, ElementsAre(CategoryKey(FieldSeed("c1\nnumeric\ntext"), "abc"),
                                     MissingCategory("c1\nnumeric")));
}

TEST(TableParserTest, LinesLongerThanAWindow) {
  const auto parser = TwoCategories(DataFormat::kTsv);
  const std::string value(100'000, 'v');
  const RowBlock block = ParseExact(
      *parser, "1\ta\tb\n1\t" + value + "\tb\n" + std::string(70'000, '\t') + "\n0\ta\tb");
  EXPECT_EQ(block.rows(), 3);
  EXPECT_EQ(block.key[2], Category("a", value));
  ASSERT_EQ(block.bad_rows, 1);
  EXPECT_EQ(block.bad[0].what, "expected 3 columns, found 70001");
}

}  // namespace
}  // namespace ps
