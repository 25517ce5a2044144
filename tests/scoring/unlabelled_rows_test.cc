#include "models/scoring/unlabelled_rows.h"

#include <cstdlib>
#include <random>

#include "gmock/gmock.h"
#include "tests/bundle/libsvm_model.h"
#include "tests/bundle/scratch_directory.h"
#include "tests/scoring/table_model.h"

namespace ps {
namespace {

std::unique_ptr<ModelScorer> Open(const std::string& dir) {
  auto bundle = Bundle::Open(dir);
  EXPECT_TRUE(bundle.ok()) << bundle.status();
  auto model = ModelScorer::FromBundle(*std::move(bundle));
  EXPECT_TRUE(model.ok()) << model.status();
  return *std::move(model);
}

// Any bytes: every line that is not empty is a row or a malformed one, at its own place in the file.
class AnyText : public ::testing::TestWithParam<int> {
 protected:
  void ExpectPlaces(const UnlabelledRows& rows, const std::string& text, std::uint64_t offset, bool blank_lines_are_rows) {
    RowBlock block;
    std::vector<float> margins;
    rows.ScoreText(text, {3, offset}, &block, &margins);
    ASSERT_EQ(margins.size(), block.rows());
    ASSERT_EQ(block.bad.size(), std::min<std::uint64_t>(block.bad_rows, RowBlock::kMaxQuoted));
    std::size_t lines = 0;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.size(), text.find('\n', at));
      lines += end > at && !(end == at + 1 && text[at] == '\r');
      at = end + 1;
    }
    if (blank_lines_are_rows) {
      ASSERT_EQ(block.rows() + block.bad_rows, lines) << text;
    } else {
      ASSERT_LE(block.rows() + block.bad_rows, lines) << text;
    }
    const auto expect_line_begin = [&](std::uint64_t place) {
      ASSERT_GE(place, offset);
      ASSERT_LT(place - offset, text.size());
      ASSERT_TRUE(place == offset || text[place - offset - 1] == '\n') << place;
    };
    for (const std::uint64_t place : block.row_offset) expect_line_begin(place);
    std::uint64_t last = 0;
    for (const BadRow& row : block.bad) {
      expect_line_begin(row.offset);
      ASSERT_GE(row.offset, last) << "in the order of the file";
      last = row.offset;
      ASSERT_EQ(row.file, 3);
      ASSERT_GE(row.column, 1);
      const std::string_view line = std::string_view(text).substr(row.offset - offset);
      ASSERT_LE(row.column, std::min(line.size(), line.find('\n')) + 1) << row.what << ": " << line;
    }
  }

  std::string Draw(std::mt19937_64* random, std::string_view alphabet) {
    std::string text;
    for (std::size_t bytes = (*random)() % 300; bytes > 0; --bytes)
      text.push_back((*random)() % 40 == 0 ? static_cast<char>((*random)()) : alphabet[(*random)() % alphabet.size()]);
    return text;
  }

  const ScratchDirectory scratch_;
};

TEST_P(AnyText, IsRowsOrMalformedRows) {
  WriteLibsvmModel(scratch_ / "svm", 50);
  WriteText(scratch_ / "rows", "");
  const auto files = DataFiles::Open({scratch_ / "rows"});
  ASSERT_TRUE(files.ok());
  struct Case {
    std::unique_ptr<ModelScorer> model;
    std::string_view alphabet;
    bool table;
  };
  std::vector<Case> cases;
  cases.push_back({Open(scratch_ / "svm"), "0123456789:  .-#\n\re", false});
  cases.push_back({TableModel(scratch_ / "csv", DataFormat::kCsv, false, false), "0123.,,,,,,,,\" \n\nab\r", true});
  cases.push_back({TableModel(scratch_ / "tsv", DataFormat::kTsv, true, false), "0123.\t\t\t\t\t\t\t\" \n\nab\r", true});
  std::mt19937_64 random(static_cast<std::uint64_t>(GetParam()));
  for (const Case& of : cases) {
    const auto rows = UnlabelledRows::Open(*of.model, *files);
    ASSERT_TRUE(rows.ok()) << rows.status();
    for (int i = 0; i < 400; ++i) {
      SCOPED_TRACE(i);
      ASSERT_NO_FATAL_FAILURE(ExpectPlaces(**rows, Draw(&random, of.alphabet), 1000 + random() % 100, of.table));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, AnyText, ::testing::Range(1, 5));

TEST(UnlabelledRowsTest, ABeginOfAFileMayHaveAMarkAndAHeader) {
  const ScratchDirectory scratch;
  const auto model = TableModel(scratch / "model", DataFormat::kCsv, false);
  const std::string text = "\xef\xbb\xbftext,amount,colour\r\nt1,3.5,c1\r\nt2,4.5,c2";
  WriteText(scratch / "rows.csv", text);
  const auto files = DataFiles::Open({scratch / "rows.csv"});
  const auto rows = UnlabelledRows::Open(*model, *files);
  ASSERT_TRUE(rows.ok()) << rows.status();
  RowBlock block, labelled;
  std::vector<float> margins, expected;
  (*rows)->ScoreText(text, {}, &block, &margins);
  model->ScoreText("label,amount,colour,text\n0,3.5,c1,t1\n1,4.5,c2,t2\n", {}, &labelled, &expected);
  ASSERT_EQ(labelled.rows(), 2);
  EXPECT_EQ(margins, expected);
  EXPECT_NE(margins[0], margins[1]);
}

}  // namespace
}  // namespace ps
