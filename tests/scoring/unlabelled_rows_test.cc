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

std::unique_ptr<ModelScorer> VwModel(const std::string& dir) {
  JobConfig config;
  config.data.format = DataFormat::kVw;
  const auto extractor = Extractor::Compile(config, DataFiles());
  auto writer = BundleWriter::Create(dir);
  EXPECT_TRUE((*writer)->AddFile("extractor.pb", (*extractor)->Serialize()).ok());
  EXPECT_TRUE((*writer)->Finish(BundleInfo{}).ok());
  return Open(dir);
}

// Any bytes: every line that is not empty is a row or a malformed one, at its own place in the file.
class AnyText : public ::testing::TestWithParam<int> {
 protected:
  struct Case {
    std::unique_ptr<ModelScorer> model;
    std::string_view alphabet;
    bool (*holds_row)(std::string_view line);
  };

  void ExpectPlaces(const Case& of, const UnlabelledRows& rows, const std::string& text, std::uint64_t offset) {
    RowBlock block;
    std::vector<float> margins;
    rows.ScoreText(text, {1, offset}, &block, &margins);
    ASSERT_EQ(margins.size(), block.rows());
    ASSERT_EQ(block.bad.size(), std::min<std::uint64_t>(block.bad_rows, RowBlock::kMaxQuoted));
    std::size_t lines = 0;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.size(), text.find('\n', at));
      std::string_view line = std::string_view(text).substr(at, end - at);
      if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
      lines += of.holds_row(line) ? 1 : 0;
      at = end + 1;
    }
    ASSERT_EQ(block.rows() + block.bad_rows, lines) << text;
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
      ASSERT_EQ(row.file, 1);
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
  for (const char* file : {"first", "second"}) WriteText(scratch_ / file, "");
  const auto files = DataFiles::Open({scratch_ / "first", scratch_ / "second"});
  ASSERT_TRUE(files.ok());
  std::vector<Case> cases;
  const auto not_empty = [](std::string_view line) { return !line.empty(); };
  const auto no_blank = [](std::string_view line) { return line.find_first_not_of(" \t") != std::string_view::npos; };
  const auto no_comment = [](std::string_view line) {
    const std::size_t first = line.find_first_not_of(" \t");
    return first != std::string_view::npos && line[first] != '#';
  };
  cases.push_back({Open(scratch_ / "svm"), "0123456789:  .-#\n\n\re", no_comment});
  cases.push_back({VwModel(scratch_ / "vw"), "012 '|||ab:.\n\n\r", no_blank});
  cases.push_back({TableModel(scratch_ / "csv", DataFormat::kCsv, false, false), "0123.,,,,,,,,\" \n\nab\r", not_empty});
  cases.push_back({TableModel(scratch_ / "tsv", DataFormat::kTsv, true, false), "0123.\t\t\t\t\t\t\t\" \n\nab\r", not_empty});
  std::mt19937_64 random(static_cast<std::uint64_t>(GetParam()));
  for (const Case& of : cases) {
    const auto rows = UnlabelledRows::Open(*of.model, *files);
    ASSERT_TRUE(rows.ok()) << rows.status();
    for (int i = 0; i < 400; ++i) {
      SCOPED_TRACE(i);
      const std::uint64_t offset = random() % 3 == 0 ? 0 : 1000 + random() % 100;
      ASSERT_NO_FATAL_FAILURE(ExpectPlaces(of, **rows, Draw(&random, of.alphabet), offset));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, AnyText, ::testing::Range(1, 5));

std::vector<std::string> Problems(const RowBlock& block) {
  std::vector<std::string> problems;
  for (const BadRow& row : block.bad) problems.push_back(row.what + ": " + row.text);
  return problems;
}

// A row of another number of columns than the others is no row of another layout.
TEST(UnlabelledRowsTest, ARowOfAnotherWidthThanItsFileIsMalformed) {
  const ScratchDirectory scratch;
  const auto model = TableModel(scratch / "model", DataFormat::kCsv, true, false);
  WriteText(scratch / "bare.csv", "3.5,c1,t1\n\n4.5,c2,t2\n0,1,c3,t1\n");
  WriteText(scratch / "labelled.csv", "1,c1,t1\n0,3.5,c1,t1,1\nanything,4.5,c2,t2,none\n");
  WriteText(scratch / "other.csv", "1,2\n");
  const auto files = DataFiles::Open({scratch / "bare.csv", scratch / "labelled.csv"});
  const auto rows = UnlabelledRows::Open(*model, *files);
  ASSERT_TRUE(rows.ok()) << rows.status();
  std::vector<float> bare_margins, labelled_margins;
  RowBlock bare, labelled;
  (*rows)->ScoreText(ReadText(scratch / "bare.csv"), {0, 0}, &bare, &bare_margins);
  (*rows)->ScoreText(ReadText(scratch / "labelled.csv"), {1, 0}, &labelled, &labelled_margins);
  EXPECT_THAT(Problems(bare), ::testing::ElementsAre("expected 3 columns, found 4: 0,1,c3,t1"));
  EXPECT_THAT(Problems(labelled), ::testing::ElementsAre("expected 5 columns, found 3: 1,c1,t1"));
  EXPECT_EQ(bare_margins, labelled_margins);
  EXPECT_EQ(bare_margins.size(), 2);
  const auto wrong = DataFiles::Open({scratch / "bare.csv", scratch / "other.csv"});
  EXPECT_THAT(UnlabelledRows::Open(*model, *wrong).status().message(),
              ::testing::HasSubstr("other.csv: expected 5, or 4 without the label, or 3 without label and weight columns, found 2"));
}

// Those that the parsers refuse, and those that cannot be rewritten, of more than are quoted.
TEST(UnlabelledRowsTest, TheFirstMalformedRowsAreQuoted) {
  const ScratchDirectory scratch;
  const auto model = TableModel(scratch / "model", DataFormat::kCsv, false);
  std::string text = "amount,colour,text\nmany,c1,t1\n";
  for (int i = 0; i < 20; ++i) text += "1,c1\n";
  WriteText(scratch / "rows.csv", text);
  const auto files = DataFiles::Open({scratch / "rows.csv"});
  const auto rows = UnlabelledRows::Open(*model, *files);
  ASSERT_TRUE(rows.ok()) << rows.status();
  RowBlock block;
  std::vector<float> margins;
  (*rows)->ScoreText(text, {}, &block, &margins);
  EXPECT_EQ(block.bad_rows, 21);
  ASSERT_EQ(block.bad.size(), RowBlock::kMaxQuoted);
  EXPECT_THAT(block.bad[0].what, ::testing::HasSubstr("expected a number"));
}

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
