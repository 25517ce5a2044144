// ps_eval from the outside: figures, predictions, exit codes.
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "models/metrics/metrics.h"
#include "tests/bundle/libsvm_model.h"
#include "tests/bundle/program.h"
#include "tests/bundle/scratch_directory.h"

namespace ps {
namespace {

using ::testing::HasSubstr;

class PsEval : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteLibsvmModel(model_, 50);
    WriteText(data_, rows_.text);
  }
  ProgramResult Eval(const std::string& arguments) {
    return RunProgram("ps_eval", arguments, scratch_ / "output");
  }
  std::string Usual() const { return "--model " + model_ + " --data " + data_; }

  const ScratchDirectory scratch_;
  const std::string model_ = scratch_ / "model";
  const std::string data_ = scratch_ / "rows.svm";
  const LibsvmData rows_ = DrawLibsvmData(3000, 50, 60);
};

TEST_F(PsEval, PrintsTheMetricsOfTheModel) {
  MetricState state;
  state.AddRows(rows_.margin, rows_.label);
  const ProgramResult json = Eval(Usual() + " --json");
  ASSERT_EQ(json.exit_code, 0) << json.err;
  EXPECT_EQ(json.out, "{\"model\": " + MetricsJson(state.Finish()) +
                          ", \"constant\": " + MetricsJson(ConstantBaseline(state.Finish())) +
                          ", \"rows_read\": 3000, \"bad_rows\": 0}\n");
  const ProgramResult table = Eval(Usual());
  ASSERT_EQ(table.exit_code, 0) << table.err;
  char logloss[64];
  std::snprintf(logloss, sizeof(logloss), "%.5f ± %.5f", state.Finish().logloss,
                state.Finish().logloss_stderr);
  EXPECT_THAT(table.out, HasSubstr(logloss));
  EXPECT_THAT(table.out, HasSubstr("constant prediction"));
  EXPECT_THAT(table.out, HasSubstr("3,000 rows, 0 malformed"));
}

TEST_F(PsEval, PredictionsAreInInputOrderAndReadBackExactly) {
  const ProgramResult result = Eval(Usual() + " --predictions " + (scratch_ / "out.csv"));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const std::vector<std::string> lines =
      absl::StrSplit(ReadText(scratch_ / "out.csv"), '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 3001);
  EXPECT_EQ(lines[0], "row,label,margin,probability");
  for (std::size_t r = 0; r < 3000; ++r) {
    const std::vector<std::string> cells = absl::StrSplit(lines[r + 1], ',');
    ASSERT_EQ(cells.size(), 4);
    ASSERT_EQ(cells[0], std::to_string(r));
    ASSERT_EQ(std::stof(cells[1]), rows_.label[r]);
    ASSERT_EQ(std::stof(cells[2]), rows_.margin[r]);
    ASSERT_EQ(std::stof(cells[3]), static_cast<float>(Sigmoid(rows_.margin[r])));
  }
}

// Enough text for many blocks, so that threads really take turns.
TEST_F(PsEval, AnyNumberOfThreadsGivesTheSameBytes) {
  std::string text;
  for (int i = 0; i < 60; ++i) text += rows_.text;
  WriteText(data_, text);
  std::string first_out, first_predictions;
  for (const int threads : {1, 2, 5}) {
    const std::string csv = scratch_ / "out.csv";
    const ProgramResult result =
        Eval(Usual() + " --json --threads " + std::to_string(threads) + " --predictions " + csv);
    ASSERT_EQ(result.exit_code, 0) << result.err;
    if (threads == 1) {
      first_out = result.out;
      first_predictions = ReadText(csv);
      EXPECT_THAT(first_out, HasSubstr("\"rows_read\": 180000"));
    }
    EXPECT_EQ(result.out, first_out);
    EXPECT_TRUE(ReadText(csv) == first_predictions);
  }
}

TEST_F(PsEval, SeveralFilesGlobsAndCompression) {
  WriteText(scratch_ / "part-b.svm", rows_.text);
  ASSERT_EQ(std::system(("gzip -k " + (scratch_ / "part-b.svm")).c_str()), 0);
  const ProgramResult result =
      Eval("--json --model " + model_ + " --data " + data_ + ",'" + (scratch_ / "part-*") + "'");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("\"rows_read\": 9000"));
}

TEST_F(PsEval, MalformedRowsAreCountedQuotedAndLimited) {
  WriteText(data_, "1 1:x\n" + rows_.text);
  const ProgramResult few = Eval(Usual());
  EXPECT_EQ(few.exit_code, 0) << few.err;
  EXPECT_THAT(few.out, HasSubstr("3,000 rows, 1 malformed"));
  EXPECT_THAT(few.err, HasSubstr("rows.svm:1"));
  const ProgramResult none_allowed = Eval(Usual() + " --max_bad_rows 0");
  EXPECT_EQ(none_allowed.exit_code, 3);
  EXPECT_THAT(none_allowed.err, HasSubstr("1:x"));
  EXPECT_EQ(none_allowed.out, "");
}

TEST_F(PsEval, ReportIsOneWellFormedPage) {
  const std::string page = scratch_ / "report.html";
  for (const std::string& text : {rows_.text, std::string("1 1:1\n"), std::string("-1 1:1\n")}) {
    WriteText(data_, text);
    ASSERT_EQ(Eval(Usual() + " --report " + page).exit_code, 0);
    const std::string html = ReadText(page);
    EXPECT_THAT(html, ::testing::StartsWith("<!DOCTYPE html>"));
    EXPECT_THAT(html, ::testing::EndsWith("</html>\n"));
    EXPECT_THAT(html, HasSubstr("tiny"));
    const auto count = [&html](const std::string& part) {
      std::size_t found = 0;
      for (std::size_t at = html.find(part); at != std::string::npos;
           at = html.find(part, at + 1)) {
        ++found;
      }
      return found;
    };
    EXPECT_EQ(count("<figure>"), text == rows_.text ? 4 : 2);
    EXPECT_EQ(count("<svg "), count("</svg>"));
    for (const char* unwanted : {"nan", "inf", "<script", "http", "src="}) {
      EXPECT_EQ(count(unwanted), 0) << unwanted;
    }
  }
}

TEST_F(PsEval, OneClassOnlyIsUndefinedNotWrong) {
  WriteText(data_, "1 1:1\n1 2:1\n");
  const ProgramResult json = Eval(Usual() + " --json");
  EXPECT_EQ(json.exit_code, 0) << json.err;
  EXPECT_THAT(json.out, HasSubstr("\"auc\": null"));
  EXPECT_THAT(Eval(Usual()).out, HasSubstr("undefined"));
}

TEST_F(PsEval, NoRowsIsADataError) {
  WriteText(data_, "");
  const ProgramResult result = Eval(Usual());
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err, HasSubstr("no rows"));
}

TEST_F(PsEval, ExitCodes) {
  EXPECT_EQ(Eval("--help").exit_code, 0);
  EXPECT_THAT(Eval("--help").out, HasSubstr("usage: ps_eval"));
  for (const std::string& usage :
       {std::string(), "--model " + model_, "--data " + data_, Usual() + " extra",
        Usual() + " --no_such_flag", Usual() + " --threads many", Usual() + " --threads -1",
        Usual() + " --max_bad_rows 2", "--data " + data_ + " --model " + (scratch_ / "absent"),
        Usual() + " --predictions " + (scratch_ / "absent/out.csv")}) {
    const ProgramResult result = Eval(usage);
    EXPECT_EQ(result.exit_code, 2) << usage;
    EXPECT_NE(result.err, "") << usage;
    EXPECT_EQ(result.out, "") << usage;
  }
  const ProgramResult absent = Eval("--model " + model_ + " --data " + (scratch_ / "absent"));
  EXPECT_EQ(absent.exit_code, 3);
  EXPECT_THAT(absent.err, HasSubstr("absent"));
}

TEST_F(PsEval, ADamagedModelIsNamed) {
  std::string weights = ReadText(model_ + "/weights.bin");
  weights[200] ^= 1;
  WriteText(model_ + "/weights.bin", weights);
  const ProgramResult result = Eval(Usual());
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err, HasSubstr("weights.bin: offset 128"));
}

}  // namespace
}  // namespace ps
