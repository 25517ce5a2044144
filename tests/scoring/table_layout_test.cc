#include "models/scoring/table_layout.h"

#include "gmock/gmock.h"
#include "tests/bundle/scratch_directory.h"
#include "tests/scoring/table_model.h"

namespace ps {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Fields = std::vector<std::string_view>;

constexpr int kFiller = TableLayout::kFiller;

class TableLayoutTest : public ::testing::Test {
 protected:
  std::unique_ptr<ModelScorer> Model(DataFormat format, bool weighted) {
    return TableModel(scratch_ / "model", format, weighted);
  }
  const ScratchDirectory scratch_;
};

TEST_F(TableLayoutTest, ColumnsAreFoundByName) {
  const auto model = Model(DataFormat::kCsv, true);
  const TableLayout layout(*model);
  EXPECT_THAT(layout.names(), ElementsAre("label", "amount", "colour", "text", "weight"));
  const auto sources = layout.ByName({"text", "weight", "other", "amount", "colour"});
  ASSERT_TRUE(sources.ok()) << sources.status();
  EXPECT_THAT(*sources, ElementsAre(kFiller, 3, 4, 0, kFiller));
  EXPECT_THAT(layout.ByName({"text", "amount"}).status().message(),
              HasSubstr("there is no column colour, which the model reads, but text, amount"));
  EXPECT_THAT(layout.ByName({"text", "amount", "colour", "text"}).status().message(),
              HasSubstr("the column text is there twice"));
  EXPECT_TRUE(layout.ByName({"other", "amount", "colour", "other", "text"}).ok()) << "nobody reads it";
}

TEST_F(TableLayoutTest, WithoutNamesTheirNumberTells) {
  const auto model = Model(DataFormat::kTsv, true);
  const TableLayout layout(*model);
  EXPECT_THAT(*layout.ByNumber(5), ElementsAre(kFiller, 1, 2, 3, kFiller));
  EXPECT_THAT(*layout.ByNumber(4), ElementsAre(kFiller, 0, 1, 2, kFiller));
  EXPECT_THAT(*layout.ByNumber(3), ElementsAre(kFiller, 0, 1, 2, kFiller));
  for (const std::size_t fields : {0, 1, 2, 6, 1000}) EXPECT_EQ(layout.ByNumber(fields), nullptr) << fields;
  const auto plain = TableModel(scratch_ / "plain", DataFormat::kTsv, false);
  EXPECT_EQ(TableLayout(*plain).ByNumber(2), nullptr) << "there is no weight to leave out";
}

// What is written is what the model's own splitting reads.
TEST_F(TableLayoutTest, FieldsAreQuotedWhereTheyNeedIt) {
  const auto model = Model(DataFormat::kCsv, true);
  const TableLayout layout(*model);
  for (const Fields& fields : {Fields{"1", "plain", "text"}, Fields{"", "a,b", "c\"d\""}, Fields{" 1", "b ", "\""},
                               Fields{"\"\"", ",", " "}, Fields{"1", "tab\there", "\xc3\xa9"}}) {
    std::string line;
    ASSERT_TRUE(layout.AppendMeanings(*layout.ByNumber(3), fields, &line));
    ASSERT_EQ(line.back(), '\n');
    line.pop_back();
    SplitRow split;
    ASSERT_TRUE(split.Split(line, layout.text())) << line;
    ASSERT_EQ(split.fields(), 5);
    EXPECT_EQ(split.field(0), "0");
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(split.field(i + 1), fields[i]) << line;
    EXPECT_EQ(split.field(4), "1");
  }
  std::string line = "before";
  EXPECT_FALSE(layout.AppendMeanings(*layout.ByNumber(3), {"1", "a\nb", "t"}, &line));
  EXPECT_EQ(line, "before");
}

TEST_F(TableLayoutTest, WhatCannotBeWrittenWithoutQuotesIsRefused) {
  const auto model = Model(DataFormat::kTsv, false);
  const TableLayout layout(*model);
  std::string line;
  EXPECT_FALSE(layout.AppendMeanings(*layout.ByNumber(3), {"1", "a\tb", "t"}, &line));
  EXPECT_EQ(line, "");
  EXPECT_TRUE(layout.AppendMeanings(*layout.ByNumber(3), {"1", "a\"b", " t "}, &line));
  EXPECT_EQ(line, "0\t1\ta\"b\t t \n");
}

}  // namespace
}  // namespace ps
