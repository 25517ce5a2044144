// ps_model explain on models that ps_train has made: what it says of each row adds up to what
// ps_eval predicts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/end_to_end/program.h"

namespace ps {
namespace {

std::string Table(int rows, unsigned seed) {
  static constexpr const char* kColors[] = {"red", "green", "blue", "grey", "pink", "teal"};
  std::mt19937 random(seed);
  std::string text = "color,\"size, cm\",x,noise,label\n";
  for (int r = 0; r < rows; ++r) {
    const unsigned color = random() % 6;
    const double size = random() % 1000 / 100.0, x = random() % 2001 / 1000.0 - 1;
    const double signal = (color % 2 == 0 ? 3 * x : -3 * x) + (size > 6 ? 1.5 : -0.5);
    const bool positive = random() % 1000 / 1000.0 < 1 / (1 + std::exp(-2 * signal));
    const std::string size_text = random() % 10 == 0 ? "NA" : std::to_string(size);
    text += std::string(kColors[color]) + "," + size_text + "," + std::to_string(x) + "," +
            std::to_string(random() % 50) + (positive ? ",1\n" : ",0\n");
  }
  return text;
}

constexpr char kJob[] =
    "data:\n"
    "  train: {files: [train.csv]}\n"
    "  format: csv\n"
    "  header: true\n"
    "  label: {column: label}\n"
    "  keep_negatives: 0.5\n"
    "model: {type: gbdt, gbdt: {trees: 20}}\n";

class ExplainTest : public testing::Test {
 protected:
  Finished Train(const std::string& job) {
    WriteText(place_ / "job.yaml", job);
    return RunProgram("ps_train", {"--config", "job.yaml"}, place_.path());
  }
  Finished Explain(const std::string& data, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments{"explain", "--model", "out", "--data", data};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunProgram("ps_model", arguments, place_.path());
  }
  std::vector<std::string> Lines(const std::string& text) {
    return absl::StrSplit(text, '\n', absl::SkipEmpty());
  }
  // The margins that ps_eval writes, by row.
  std::vector<double> Margins(const std::string& data) {
    const Finished eval = RunProgram(
        "ps_eval", {"--model", "out", "--data", data, "--predictions", "p.csv"}, place_.path());
    EXPECT_EQ(eval.exit_code, 0) << eval.err;
    std::vector<double> margins;
    for (const std::string& line : Lines(ReadText(place_ / "p.csv"))) {
      const std::vector<std::string> cells = absl::StrSplit(line, ',');
      if (cells[0] != "row") margins.push_back(std::stod(cells[2]));
    }
    return margins;
  }
  // Every line is an object whose base and contributions are the margin that ps_eval predicts.
  void ExpectMargins(const std::string& text, const std::vector<double>& margins) {
    const std::vector<std::string> lines = Lines(text);
    ASSERT_EQ(lines.size(), margins.size());
    for (std::size_t r = 0; r < lines.size(); ++r) {
      const auto row = JsonReader::Read(lines[r]);
      ASSERT_TRUE(row.has_value()) << lines[r];
      ASSERT_EQ(NumberAt(*row, "row"), r);
      ASSERT_NEAR(NumberAt(*row, "margin"), margins[r], 1e-6);
      double sum = NumberAt(*row, "base");
      for (const auto& [name, value] : row->members.at("contributions").members) {
        sum += value.number;
        EXPECT_NE(value.number, 0);
      }
      if (row->members.contains("others")) sum += NumberAt(*row, "others");
      ASSERT_NEAR(sum, margins[r], 2e-6) << lines[r];
    }
  }

  const Workplace place_;
};

TEST_F(ExplainTest, Trees) {
  WriteText(place_ / "train.csv", Table(6000, 1));
  WriteText(place_ / "test.csv", Table(1500, 2));
  const Finished run = Train(kJob);
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const std::vector<double> margins = Margins("test.csv");

  const Finished all = Explain("test.csv", {"--threads", "1"});
  ASSERT_EQ(all.exit_code, 0) << all.err;
  ExpectMargins(all.out, margins);
  const Finished top = Explain("test.csv", {"--top", "1", "--threads", "3"});
  ASSERT_EQ(top.exit_code, 0) << top.err;
  ExpectMargins(top.out, margins);
  for (const std::string& line : Lines(top.out))
    EXPECT_EQ(JsonReader::Read(line)->members.at("contributions").members.size(), 1u) << line;

  const Finished csv = Explain("test.csv", {"--format", "csv", "--out", "e.csv"});
  ASSERT_EQ(csv.exit_code, 0) << csv.err;
  const std::vector<std::string> lines = Lines(ReadText(place_ / "e.csv"));
  ASSERT_EQ(lines.size(), margins.size() + 1);
  EXPECT_EQ(lines[0], "row,label,margin,base,color,\"size, cm\",x,noise");
  for (std::size_t r = 0; r < margins.size(); ++r) {
    const std::vector<std::string> cells = absl::StrSplit(lines[r + 1], ',');
    double sum = 0;
    for (std::size_t c = 3; c < cells.size(); ++c) sum += std::stod(cells[c]);
    ASSERT_NEAR(sum, margins[r], 2e-6) << lines[r + 1];
  }
}

TEST_F(ExplainTest, TheSameTextForAnyNumberOfThreads) {
  WriteText(place_ / "train.csv", Table(60000, 3));
  ASSERT_EQ(Train(kJob).exit_code, 0);
  const Finished one = Explain("train.csv", {"--threads", "1", "--format", "csv"});
  EXPECT_EQ(one.exit_code, 0) << one.err;
  EXPECT_EQ(Lines(one.out).size(), 60001u);
  EXPECT_TRUE(Explain("train.csv", {"--threads", "4", "--format", "csv"}).out == one.out);
}

TEST_F(ExplainTest, SparseRowsAndLinearModels) {
  Generate(place_.path(), "train.svm", "libsvm", 8000);
  for (const char* model : {"{type: gbdt, gbdt: {trees: 20}}",
                            "{type: gbdt, gbdt: {trees: 20, absent: zero}}", "{type: lr}"}) {
    const Finished run =
        Train(std::string("data: {train: {files: [train.svm]}}\nmodel: ") + model + "\n");
    ASSERT_EQ(run.exit_code, 0) << run.err;
    const Finished all = Explain("train.svm");
    ASSERT_EQ(all.exit_code, 0) << all.err;
    ExpectMargins(all.out, Margins("train.svm"));
  }
  const Finished csv = Explain("train.svm", {"--format", "csv"});
  EXPECT_EQ(csv.exit_code, 3);
  EXPECT_NE(csv.err.find("--format jsonl"), std::string::npos) << csv.err;
}

TEST_F(ExplainTest, WhatItCannotDoHasADefinedEnd) {
  WriteText(place_ / "train.csv", Table(500, 4));
  ASSERT_EQ(Train(kJob).exit_code, 0);
  EXPECT_EQ(RunProgram("ps_model", {"explain", "--model", "out"}, place_.path()).exit_code, 2);
  EXPECT_EQ(
      RunProgram("ps_model", {"explain", "out", "--data", "train.csv"}, place_.path()).exit_code,
      2);
  EXPECT_EQ(Explain("train.csv", {"--format", "xgboost"}).exit_code, 2);
  EXPECT_EQ(Explain("train.csv", {"--format", "csv", "--top", "2"}).exit_code, 2);
  EXPECT_EQ(Explain("none.csv").exit_code, 3);
  WriteText(place_ / "empty.csv", "color,\"size, cm\",x,noise,label\n");
  EXPECT_EQ(Explain("empty.csv").exit_code, 3);
  WriteText(place_ / "bad.csv", Table(10, 5) + "red\n");
  const Finished bad = Explain("bad.csv");
  EXPECT_EQ(bad.exit_code, 3);
  EXPECT_NE(bad.err.find("malformed"), std::string::npos) << bad.err;
  const Finished few = Explain("bad.csv", {"--max_bad_rows", "0.5"});
  EXPECT_EQ(few.exit_code, 0) << few.err;
  EXPECT_EQ(Lines(few.out).size(), 10u);
  EXPECT_EQ(Explain("train.csv", {"--out", "none/e.jsonl"}).exit_code, 2);
}

// A column whose numbers may be names is read as both, and its keys are told apart; what is no UTF-8 becomes it.
TEST_F(ExplainTest, ALinearModelsNamesAreItsKeysOwn) {
  std::string rows = "label,caf\xe9\n";
  for (int i = 0; i < 3000; ++i) {
    const int name = i % 3 == 0 ? i % 40 : i % 2 == 0 ? 7 * (i % 5) : 11 * (i % 3);
    absl::StrAppend(&rows, i % 5 < 2 ? 1 : 0, ",", i % 8 == 0 ? "" : absl::StrCat(name, "e-3"), "\n");
  }
  WriteText(place_ / "train.csv", rows);
  const Finished run = Train("data: {train: {files: [train.csv]}, format: csv, header: true}\n");
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const Finished explained = Explain("train.csv");
  ASSERT_EQ(explained.exit_code, 0) << explained.err;
  ExpectMargins(explained.out, Margins("train.csv"));
  EXPECT_THAT(explained.out, testing::AllOf(testing::HasSubstr("\"caf\\\\xe9 (hash) missing\": "), testing::HasSubstr("\"caf\\\\xe9 (numeric) missing\": ")));
  EXPECT_EQ(explained.out.find('\xe9'), std::string::npos);
}

// Buckets are named by the model, texts by data that have them.
TEST(DumpTest, KeysOfATableAreNamed) {
  const Workplace place;
  std::string rows = "label,city,age\n";
  const char* const cities[] = {"Paris", "Rome", "a \"\"small\"\" town"};
  for (int i = 0; i < 3000; ++i)
    absl::StrAppend(&rows, i % 3 == 0 ? 1 : 0, ",\"", cities[i % 3], "\",", i * 7 % 97, "\n");
  WriteText(place / "t.csv", rows);
  WriteText(place / "other.csv", "label,town,age\n1,Paris,3\n");
  WriteText(place / "job.yaml", "data: {train: {files: [t.csv]}, format: csv, header: true}\n"
                                "features: [{column: city, op: hash}, {column: age, op: bucket}, {op: cross, of: [city, age]}]\n");
  ASSERT_EQ(RunProgram("ps_train", {"--config", "job.yaml"}, place.path()).exit_code, 0);
  const auto dump = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments{"dump", "out"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunProgram("ps_model", arguments, place.path());
  };
  const Finished alone = dump({});
  EXPECT_EQ(alone.exit_code, 0) << alone.err;
  EXPECT_THAT(alone.out, testing::AllOf(testing::StartsWith("key\tfeature\tweight\nbias\t\t"), testing::HasSubstr("\tage in ["),
                                        testing::Not(testing::HasSubstr("Paris"))));
  for (const std::string order : {"weight", "key"}) {
    const Finished named = dump({"--data", "t.csv", "--by", order});
    EXPECT_EQ(named.exit_code, 0) << named.err;
    EXPECT_THAT(named.out, testing::AllOf(testing::HasSubstr("\tcity=Paris\t"), testing::HasSubstr("\tcity=a \\\"small\\\" town\t"),
                                          testing::HasSubstr("\tcity=Rome x age in ["), testing::Not(testing::ContainsRegex("\n[0-9a-f]+\t\t"))))
        << "every key has a name";
  }
  const Finished top = dump({"--data", "t.csv", "--top", "1"});
  EXPECT_EQ(std::count(top.out.begin(), top.out.end(), '\n'), 3);
  EXPECT_THAT(top.out, testing::HasSubstr("city="));
  WriteText(place / "marked.csv", "\xef\xbb\xbf" + rows);
  EXPECT_EQ(dump({"--data", "marked.csv"}).out, dump({"--data", "t.csv"}).out);
  EXPECT_EQ(dump({"--data", "absent.csv"}).exit_code, 3);
  const Finished other = dump({"--data", "other.csv"});
  EXPECT_EQ(other.exit_code, 3);
  EXPECT_THAT(other.err, testing::HasSubstr("other.csv: the header has no column city"));
  EXPECT_EQ(RunProgram("ps_model", {"inspect", "out", "--data", "t.csv"}, place.path()).exit_code, 2);
  Generate(place.path(), "rows.svm", "libsvm", 100);
  WriteText(place / "job.yaml", "data: {train: {files: [rows.svm]}}\n");
  ASSERT_EQ(RunProgram("ps_train", {"--config", "job.yaml"}, place.path()).exit_code, 0);
  EXPECT_THAT(dump({"--data", "rows.svm"}).err, testing::HasSubstr("the model is of no csv, tsv or criteo data"));
}

}  // namespace
}  // namespace ps
