// ps_eval --unlabelled: rows without labels get the predictions that they get with labels.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tests/end_to_end/program.h"

namespace ps {
namespace {

using testing::HasSubstr;
using Row = std::vector<std::string>;

constexpr int kRows = 3000;

// Rows of id, label, weight, an amount, a colour and a text that needs quotes at times.
std::vector<Row> DrawRows(const std::function<std::string(int)>& label) {
  std::vector<Row> rows;
  for (int r = 0; r < kRows; ++r) {
    const int mixed = (r * 7919 + r / 13) % 1009;
    rows.push_back({absl::StrCat("id", r), label(mixed + (r % 3)), r % 5 == 0 ? "2" : "1", absl::StrCat(mixed * 0.25),
                    absl::StrCat("colour", mixed % 7), r % 11 == 0 ? absl::StrCat("\"say, \"\"", r % 4, "\"\"\"") : absl::StrCat("t", r % 9)});
  }
  return rows;
}

std::string Table(const std::vector<Row>& rows, const std::vector<int>& columns, char delimiter = ',') {
  std::string text;
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < columns.size(); ++i)
      absl::StrAppend(&text, i == 0 ? "" : std::string(1, delimiter), columns[i] < 0 ? "other" : row[columns[i]]);
    text += "\n";
  }
  return text;
}

class UnlabelledTest : public testing::Test {
 protected:
  void Train(const std::string& job, const std::string& out = "out") {
    WriteText(place_ / "job.yaml", job);
    const Finished run = TrainJob(place_.path(), {"output.dir=" + out});
    ASSERT_EQ(run.exit_code, 0) << run.err;
  }

  Finished Eval(const std::string& data, const std::vector<std::string>& more, const std::string& model = "out") {
    std::vector<std::string> arguments{"--model", model, "--data", data, "--predictions", data + ".predicted"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunProgram("ps_eval", arguments, place_.path());
  }

  // Lines of cells; without the label, which labelled rows have in the second one.
  std::vector<Row> Predicted(const std::string& data, bool labelled) {
    std::vector<Row> lines;
    for (const absl::string_view line : absl::StrSplit(ReadText(place_ / (data + ".predicted")), '\n', absl::SkipEmpty())) {
      Row cells = absl::StrSplit(line, ',');
      if (labelled) cells.erase(cells.begin() + 1);
      lines.push_back(std::move(cells));
    }
    return lines;
  }

  void ExpectTheSame(const std::string& labelled, const std::string& unlabelled, const std::string& model = "out") {
    SCOPED_TRACE(unlabelled);
    const Finished with = Eval(labelled, {"--json"}, model);
    ASSERT_EQ(with.exit_code, 0) << with.err;
    const Finished without = Eval(unlabelled, {"--unlabelled"}, model);
    ASSERT_EQ(without.exit_code, 0) << without.err;
    EXPECT_EQ(without.out, "");
    EXPECT_THAT(without.err, HasSubstr("3,000 rows, 0 malformed; predictions: " + unlabelled));
    const std::vector<Row> expected = Predicted(labelled, true);
    ASSERT_EQ(expected.size(), kRows + 1);
    EXPECT_EQ(Predicted(unlabelled, false), expected);
  }

  const Workplace place_;
};

const char kCsv[] = "data: {train: {files: [train.csv]}, format: csv, header: true, weight: weight}\n"
                    "features: [{column: amount, op: numeric}, {column: colour, op: hash}, {column: text, op: hash},\n"
                    "           {op: cross, of: [colour, text]}]\n";

TEST_F(UnlabelledTest, ColumnsOfATableAreFoundByName) {
  const std::vector<Row> rows = DrawRows([](int mixed) { return mixed % 10 < 3 ? "1" : "0"; });
  WriteText(place_ / "train.csv", "id,label,weight,amount,colour,text\n" + Table(rows, {0, 1, 2, 3, 4, 5}));
  WriteText(place_ / "bare.csv", "amount,colour,text\n" + Table(rows, {3, 4, 5}));
  WriteText(place_ / "moved.csv", "text,more,colour,amount,label\r\n" + Table(rows, {5, -1, 4, 3, -1}));
  for (const std::string model : {"{type: lr}", "{type: gbdt, gbdt: {trees: 5}}"}) {
    SCOPED_TRACE(model);
    const bool trees = model.find("gbdt") != std::string::npos;
    std::string job = kCsv;
    if (trees) job.erase(job.find(",\n           {op: cross"), std::string(",\n           {op: cross, of: [colour, text]}").size());
    Train(job + "model: " + model + "\n");
    ExpectTheSame("train.csv", "bare.csv");
    ExpectTheSame("train.csv", "moved.csv");
  }
  // A model within the model reads columns that the outer one does not.
  Train(kCsv + std::string("model: {type: lr}\n"), "linear");
  Train("data: {train: {files: [train.csv]}, format: csv, header: true}\nfeatures: [{column: amount, op: numeric}]\n"
        "model: {type: gbdt, gbdt: {trees: 3, base_model: linear}}\n", "both");
  ExpectTheSame("train.csv", "moved.csv", "both");
  WriteText(place_ / "lacking.csv", "amount,colour\n1,2\n");
  const Finished lacking = Eval("bare.csv,lacking.csv", {"--unlabelled"}, "both");
  EXPECT_EQ(lacking.exit_code, 3);
  EXPECT_THAT(lacking.err, HasSubstr("lacking.csv: there is no column text, which the model reads, but amount, colour"));
}

// Its trees know columns that the plan, which is another model's, makes nothing of.
TEST_F(UnlabelledTest, AnImportedModelReadsTheColumnsOfItsTrees) {
  const std::vector<Row> rows = DrawRows([](int mixed) { return mixed % 10 < 3 ? "1" : "0"; });
  WriteText(place_ / "train.csv", "id,label,weight,amount,colour,text\n" + Table(rows, {0, 1, 2, 3, 4, 5}));
  WriteText(place_ / "moved.csv", "text,weight,more,amount\n" + Table(rows, {5, 2, -1, 3}));
  WriteText(place_ / "lacking.csv", "text,amount\n" + Table(rows, {5, 3}));
  const std::string data = "data: {train: {files: [train.csv]}, format: csv, header: true}\n";
  Train(data + "features: [{column: amount, op: numeric}, {column: weight, op: numeric}]\nmodel: {type: gbdt, gbdt: {trees: 5}}\n", "wide");
  Train(data + "features: [{column: amount, op: numeric}]\nmodel: {type: gbdt, gbdt: {trees: 5}}\n", "narrow");
  const Finished exported =
      RunProgram("ps_model", {"export", "--format", "lightgbm", "--model", "wide", "--out", "wide.txt"}, place_.path());
  ASSERT_EQ(exported.exit_code, 0) << exported.err;
  const Finished imported = RunProgram(
      "ps_model", {"import", "--format", "lightgbm", "--model", "wide.txt", "--out", "imported", "--like", "narrow"}, place_.path());
  ASSERT_EQ(imported.exit_code, 0) << imported.err;
  ExpectTheSame("train.csv", "moved.csv", "imported");
  const Finished lacking = Eval("lacking.csv", {"--unlabelled"}, "imported");
  EXPECT_EQ(lacking.exit_code, 3);
  EXPECT_THAT(lacking.err, HasSubstr("there is no column weight"));
}

TEST_F(UnlabelledTest, ClassesAndNumbersAreKindsOfLabels) {
  const std::vector<Row> classes = DrawRows([](int mixed) { return mixed % 10 < 3 ? "\"a, b\"" : mixed % 10 < 6 ? "c" : "d"; });
  WriteText(place_ / "train.csv", "id,label,weight,amount,colour,text\n" + Table(classes, {0, 1, 2, 3, 4, 5}));
  WriteText(place_ / "bare.csv", "amount,colour,text\n" + Table(classes, {3, 4, 5}));
  const std::string data = "data: {train: {files: [train.csv]}, format: csv, header: true}\n"
                           "features: [{column: amount, op: numeric}, {column: colour, op: hash}, {column: text, op: hash}]\n";
  Train(data + "model: {type: gbdt, gbdt: {trees: 5, objective: softmax}}\n");
  const Finished without = Eval("bare.csv", {"--unlabelled"});
  ASSERT_EQ(without.exit_code, 0) << without.err;
  const Finished with = Eval("train.csv", {});
  ASSERT_EQ(with.exit_code, 0) << with.err;
  const std::string labelled = ReadText(place_ / "train.csv.predicted"), bare = ReadText(place_ / "bare.csv.predicted");
  EXPECT_EQ(bare.substr(0, bare.find('\n')), "row,predicted,\"probability_a, b\",probability_c,probability_d");
  const std::vector<std::string> expected = absl::StrSplit(labelled, '\n'), found = absl::StrSplit(bare, '\n');
  ASSERT_EQ(found.size(), expected.size());
  // The label is one of two forms.
  for (std::size_t r = 1; r + 1 < found.size(); ++r) {
    const std::size_t row = expected[r].find(',') + 1;
    const std::size_t label = expected[r][row] == '"' ? std::string("\"a, b\",").size() : std::string("c,").size();
    ASSERT_EQ(found[r], expected[r].substr(0, row) + expected[r].substr(row + label));
  }
  const std::vector<Row> numbers = DrawRows([](int mixed) { return absl::StrCat(mixed * 0.5 - 20); });
  WriteText(place_ / "train.csv", "id,label,weight,amount,colour,text\n" + Table(numbers, {0, 1, 2, 3, 4, 5}));
  Train(data + "model: {type: gbdt, gbdt: {trees: 5, objective: squared}}\n");
  ExpectTheSame("train.csv", "bare.csv");
  EXPECT_EQ(Predicted("bare.csv", false).front(), (Row{"row", "predicted"}));
}

TEST_F(UnlabelledTest, TablesWithoutAHeaderGoByTheNumberOfColumns) {
  const std::vector<Row> rows = DrawRows([](int mixed) { return mixed % 10 < 3 ? "yes" : "no"; });
  WriteText(place_ / "train.tsv", Table(rows, {3, 1, 4, 2, 0}, '\t'));
  WriteText(place_ / "all.tsv", Table(rows, {3, -1, 4, -1, 0}, '\t'));
  WriteText(place_ / "no_label.tsv", Table(rows, {3, 4, 2, 0}, '\t'));
  WriteText(place_ / "neither.tsv", Table(rows, {3, 4, 0}, '\t'));
  Train("data: {train: {files: [train.tsv]}, format: tsv, label: {column: 1, positive: \"yes\"}, weight: 3}\n");
  for (const char* data : {"all.tsv", "no_label.tsv", "neither.tsv"}) ExpectTheSame("train.tsv", data);
}

TEST_F(UnlabelledTest, LibsvmAndVowpalWabbitRowsNeedNone) {
  for (const std::string format : {"libsvm", "vw"}) {
    SCOPED_TRACE(format);
    Generate(place_.path(), "train." + format, format, kRows);
    std::string bare, other;
    for (const absl::string_view line : absl::StrSplit(ReadText(place_ / ("train." + format)), '\n', absl::SkipEmpty())) {
      const std::size_t features = format == "vw" ? line.find('|') : line.find(' ') + 1;
      absl::StrAppend(&bare, line.substr(features), "\n");
      absl::StrAppend(&other, format == "vw" ? "'tag" : "7.5", " ", line.substr(features), "\n");
    }
    WriteText(place_ / ("bare." + format), bare);
    WriteText(place_ / ("other." + format), other);
    std::vector<std::string> models{"{type: lr}"};
    if (format == "libsvm") models.push_back("{type: gbdt, gbdt: {trees: 5}}");
    for (const std::string& model : models) {
      Train("data: {train: {files: [train." + format + "]}, format: " + format + "}\nmodel: " + model + "\n");
      ExpectTheSame("train." + format, "bare." + format);
      ExpectTheSame("train." + format, "other." + format);
    }
  }
}

TEST_F(UnlabelledTest, MalformedRowsAreQuotedAsTheyStandInTheFile) {
  const std::vector<Row> rows = DrawRows([](int mixed) { return mixed % 10 < 3 ? "1" : "0"; });
  WriteText(place_ / "train.csv", "label,amount,colour\n" + Table(rows, {1, 3, 4}));
  Train("data: {train: {files: [train.csv]}, format: csv, header: true}\n"
        "features: [{column: amount, op: numeric}, {column: colour, op: hash}]\n");
  WriteText(place_ / "bad.csv", "colour,amount\nred,1\n\nblue\ngreen,many\nred,2\n");
  const Finished run = Eval("bad.csv", {"--unlabelled", "--max_bad_rows=1", "--json"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.out, "{\"rows_read\": 2, \"bad_rows\": 2}\n");
  EXPECT_THAT(run.err, HasSubstr("bad.csv:4: column 1: expected 2 columns, found 1: 'blue'"));
  EXPECT_THAT(run.err, HasSubstr("bad.csv:5: column 7: expected a number in column \"amount\", found 'many': 'green,many'"));

  Generate(place_.path(), "train.svm", "libsvm", kRows);
  Train("data: {train: {files: [train.svm]}, format: libsvm}\n", "svm");
  WriteText(place_ / "bad.svm", "3:1 4:1\n1 5:x\n6:y\nlabel,amount\n");
  const Finished libsvm = Eval("bad.svm", {"--unlabelled", "--max_bad_rows=1", "--json"}, "svm");
  EXPECT_EQ(libsvm.out, "{\"rows_read\": 1, \"bad_rows\": 3}\n") << libsvm.err;
  EXPECT_THAT(libsvm.err, HasSubstr("bad.svm:2: column 5: expected a number, found 'x': '1 5:x'"));
  EXPECT_THAT(libsvm.err, HasSubstr("bad.svm:4: column 1: expected index:value or a label, found 'label,amount'"));
  EXPECT_THAT(libsvm.err, HasSubstr("bad.svm:3: column 3: expected a number, found 'y': '6:y'"));
}

TEST_F(UnlabelledTest, OneStandardOutputIsNotForBoth) {
  Generate(place_.path(), "train.svm", "libsvm", kRows);
  Train("data: {train: {files: [train.svm]}, format: libsvm}\n");
  std::vector<std::string> arguments{"--model", "out", "--data", "train.svm", "--unlabelled", "--predictions", "/dev/stdout"};
  const Finished predictions = RunProgram("ps_eval", arguments, place_.path());
  EXPECT_EQ(predictions.exit_code, 0) << predictions.err;
  EXPECT_EQ(predictions.out.substr(0, predictions.out.find('\n')), "row,margin,probability");
  arguments.push_back("--json");
  const Finished both = RunProgram("ps_eval", arguments, place_.path());
  EXPECT_EQ(both.exit_code, 2);
  EXPECT_THAT(both.err, HasSubstr("--json and --predictions both go to standard output"));
}

TEST_F(UnlabelledTest, WhatHasNoMetricsIsRefused) {
  Generate(place_.path(), "train.svm", "libsvm", kRows);
  Train("data: {train: {files: [train.svm]}, format: libsvm}\n");
  const auto refused = [&](const std::vector<std::string>& more, const std::string& what) {
    std::vector<std::string> arguments{"--model", "out", "--data", "train.svm", "--unlabelled"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Finished run = RunProgram("ps_eval", arguments, place_.path());
    EXPECT_EQ(run.exit_code, 2);
    EXPECT_THAT(run.err, HasSubstr(what));
  };
  refused({}, "--predictions is missing");
  refused({"--predictions", "p.csv", "--report", "r.html"}, "there is no --report");
}

}  // namespace
}  // namespace ps
