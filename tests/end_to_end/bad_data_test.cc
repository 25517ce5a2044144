// Files that cannot be learnt from, or judged by, or written over: refused while nothing is lost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "ps/wire/zeromq_transport.h"
#include "tests/data/compressed_text.h"
#include "tests/end_to_end/errors_fixture.h"

namespace ps {
namespace {

using testing::HasSubstr;

class BadDataTest : public ErrorsTest {};

// While nothing is lost, not after the last pass.
TEST_F(BadDataTest, FilesToBeJudgedByAreLookedAtBeforeTraining) {
  WriteText(place_ / "t.csv", "label,a\n1,x\n0,y\n1,x\n0,x\n");
  WriteText(place_ / "header.csv", "label,a\n");
  WriteText(place_ / "empty.svm", "\n\n");
  std::string bad;
  for (int i = 0; i < 3000; ++i) bad += "what is this\n";
  WriteText(place_ / "bad.svm", bad);
  WriteText(place_ / "some.svm", Rows() + "1 1:x\n2 2:2\n1 3:y\n1 1:z\n1 4:x\n1 4:x\n1 4:x\n");
  const std::string svm = "data.train.files=[train.svm]";
  const std::string csv = "data={train: {files: [t.csv]}, format: csv, header: true}";
  for (const std::string model : {"model.type=lr", "model={type: gbdt, gbdt: {trees: 2}}"}) {
    const Finished good = Train({"--set", svm, "--set", "data.test.files=[train.svm]", "--set", model});
    EXPECT_EQ(good.exit_code, 0) << good.err;
    EXPECT_THAT(good.err, HasSubstr(" loss"));  // what training says
    std::filesystem::remove_all(place_ / "out");
  }
  for (const std::string part : {"valid", "test"}) {
    for (const std::string local : {"", "1x1"}) {
      if (part == "valid" && !local.empty()) continue;
      for (const auto& [data, file, what] : std::vector<std::tuple<std::string, std::string, std::string>>{
               {svm, "empty.svm", "empty.svm has no rows"},
               {csv, "header.csv", "header.csv has no rows"},
               {svm, "bad.svm", "are malformed"},
               {svm, "some.svm", "7 of 5007 rows"}}) {
        for (const std::string model : {"model.type=lr", "model={type: gbdt, gbdt: {trees: 2}}"}) {
          std::vector<std::string> arguments = {"--set", data, "--set", "data." + part + ".files=[" + file + "]", "--set", model};
          if (!local.empty()) arguments.insert(arguments.end(), {"--local", local});
          const Finished run = Train(arguments);
          SCOPED_TRACE(part + local + file + model + run.err);
          EXPECT_EQ(run.exit_code, 3);
          EXPECT_THAT(run.err, HasSubstr(what));
          EXPECT_THAT(run.err, testing::Not(HasSubstr(" loss"))) << "it trained first";
          EXPECT_FALSE(HasModel());
          arguments.push_back("--dry_run");  // no row is binned
          const Finished dry = Train(arguments);
          EXPECT_EQ(dry.exit_code, 3) << dry.err;
          EXPECT_THAT(dry.err, HasSubstr(what));
        }
      }
    }
  }
}

TEST_F(BadDataTest, RowsThatAreAllMalformedAreQuoted) {
  std::string bad;
  for (int i = 0; i < 300; ++i) bad += "990325:1 3:4\n";
  WriteText(place_ / "bad.svm", bad);
  for (const std::string model : {"model.type=lr", "model={type: gbdt, gbdt: {trees: 2}}"}) {
    // However many may be left out, something must be left.
    for (const std::string part : {"train", "valid", "test"}) {
      const Finished run =
          Train({"--set", "data." + part + ".files=[bad.svm]", "--set", "data.max_bad_rows=1", "--set", model});
      SCOPED_TRACE(model + part + run.err);
      EXPECT_EQ(run.exit_code, 3);
      EXPECT_THAT(run.err, HasSubstr("bad.svm:1: column 1: expected a label, found '990325:1'"));
      EXPECT_FALSE(HasModel());
    }
  }
}

TEST_F(BadDataTest, ADryRunLooksAtTrainingRows) {
  const std::string rows = Rows();
  std::string bad = rows.substr(0, rows.find('\n', 10000) + 1);
  for (int i = 0; i < 300; ++i) bad += "990325:1 3:4\n";
  WriteText(place_ / "bad.svm", bad);
  WriteText(place_ / "blank.svm", "\n\n");
  for (const std::string model : {"model.type=lr", "model={type: gbdt, gbdt: {trees: 2}}"}) {
    for (const auto& [file, text] : {std::pair("bad.svm", "300 of "), std::pair("blank.svm", "there are no rows to learn from")}) {
      for (const std::vector<std::string>& dry : {std::vector<std::string>{"--dry_run"}, {}}) {
        std::vector<std::string> arguments{"--set", absl::StrCat("data.train.files=[", file, "]"), "--set", model};
        arguments.insert(arguments.end(), dry.begin(), dry.end());
        const Finished run = Train(arguments);
        SCOPED_TRACE(model + file + run.err);
        EXPECT_EQ(run.exit_code, 3);
        EXPECT_THAT(run.err, HasSubstr(text));
        EXPECT_FALSE(HasModel());
      }
    }
  }
}

TEST_F(BadDataTest, ADryRunLooksAtClasses) {
  std::string rows = "label,a\n", many = rows;
  for (int i = 0; i < 3000; ++i) {
    absl::StrAppend(&rows, std::vector{"x", "y", "z"}[i % 3], ",", i, "\n");
    absl::StrAppend(&many, "id", i, ",", i, "\n");
  }
  WriteText(place_ / "rows.csv", rows);
  WriteText(place_ / "many.csv", many);
  WriteText(place_ / "one.csv", "label,a\nx,1\nx,2\n");
  WriteText(place_ / "job.yaml", "data: {train: {files: [rows.csv]}, format: csv, header: true}\n"
                                 "model: {type: gbdt, gbdt: {trees: 2, objective: softmax}}\n");
  for (const auto& [setting, what] : std::vector<std::pair<std::string, std::string>>{
           {"data.train.files=[many.csv]", "data.train: more than 1000 different labels"},
           {"data.train.files=[one.csv]", "data.train: all rows have the label 'x'"},
           {"data.label.classes=[x, y]", "the label 'z' is none of the classes that are learnt"}}) {
    for (const std::vector<std::string>& dry : {std::vector<std::string>{"--dry_run"}, {}}) {
      std::vector<std::string> arguments{"--set", setting};
      arguments.insert(arguments.end(), dry.begin(), dry.end());
      const Finished run = Train(arguments);
      EXPECT_EQ(run.exit_code, 3) << setting;
      EXPECT_THAT(run.err, HasSubstr(what));
      EXPECT_FALSE(HasModel());
    }
  }
  // As many as may be are told.
  const Finished some = Train({"--set", "data.label.classes=[x, y]", "--set", "data.max_bad_rows=0.5", "--dry_run"});
  EXPECT_EQ(some.exit_code, 0) << some.err;
  EXPECT_THAT(some.out, testing::AllOf(HasSubstr("malformed: 1,000 of the 3,000 rows"), HasSubstr("rows.csv:4: column 1: the label 'z'")));
  EXPECT_THAT(Train({"--dry_run"}).out, testing::AllOf(HasSubstr("3 classes"), testing::Not(HasSubstr("malformed"))));
}

TEST_F(BadDataTest, NoModelOfAFailedJobStaysThatNothingGoesOnFrom) {
  const auto best = place_ / "out.ps_train_best";
  const auto arguments = [](const std::string& checkpoint, const std::string& passes) {
    return std::vector<std::string>{"--config", "job.yaml", "--local", "1x1", "--set", "data.valid.files=[valid.svm]", "--set", checkpoint, "--set", "train.passes=" + passes,
                                    "--set", "train.early_stopping={patience: 1000}"};
  };
  std::filesystem::create_directories(best);  // of a job that was killed
  for (const auto& [checkpoint, stays] : {std::pair("job=none", false), std::pair("checkpoint={dir: ck, every: 600}", false),
                                          std::pair("checkpoint={dir: often, every: 0.05}", true)}) {
    WriteText(place_ / "valid.svm", Rows());
    Program job("ps_train", arguments(checkpoint, "1000000"), place_.path());
    ASSERT_TRUE(job.WaitForError("16/1000000 "));
    WriteText(place_ / "valid.svm", "what is this\n");  // by somebody else, between two passes
    const Finished failed = job.Wait();
    EXPECT_EQ(failed.exit_code, 3) << checkpoint;
    EXPECT_THAT(failed.err, HasSubstr("valid.svm:1: column 1: expected a label, found 'what'"));
    EXPECT_EQ(std::filesystem::exists(best), stays) << checkpoint;
  }
  WriteText(place_ / "valid.svm", Rows());
  const Finished on = RunProgram("ps_train", arguments("checkpoint={dir: often, every: 0.05}", "20"), place_.path());
  EXPECT_EQ(on.exit_code, 0) << on.err;
  EXPECT_FALSE(std::filesystem::exists(best));
}

// What is wrong far behind the front is found when the model is there, which is not given up for it.
TEST_F(BadDataTest, AModelStaysThatHasNoTestMetrics) {
  std::string late;
  while (late.size() < (9u << 20)) late += "1 1:1\n0 2:1\n1 3:1\n";
  const std::string whole = late;
  for (int i = 0; i < 20000; ++i) late += "what is this\n";
  WriteText(place_ / "late.svm", late);
  std::string compressed = Gzip(whole + Rows());
  compressed.resize(compressed.size() - 1000);
  WriteText(place_ / "damaged.gz", compressed);
  Generate(place_.path(), "valid.svm", "libsvm", 500, 5000);
  const std::vector<std::vector<std::string>> jobs = {
      {}, {"--local", "1x2"}, {"--set", "train.staleness=0"}, {"--set", "model={type: lr, tune: auto}", "--set", "train.passes=2", "--set", "data.valid.files=[valid.svm]"},
      {"--set", "data.split={by: ratio, valid: .2}", "--set", "tune.search={trials: 2, vary: {train.passes: [1, 2]}}"}};
  for (const auto& [file, what] : {std::pair("late.svm", "late.svm:"), std::pair("damaged.gz", "damaged.gz: ")}) {
    for (std::vector<std::string> arguments : jobs) {
      arguments.insert(arguments.end(), {"--set", absl::StrCat("data.test.files=[", file, "]")});
      const Finished run = Train(arguments);
      SCOPED_TRACE(absl::StrJoin(arguments, " ") + run.err);
      EXPECT_EQ(run.exit_code, 6);
      const bool search = absl::StrJoin(arguments, " ").find("search") != std::string::npos;
      if (!search) {
        EXPECT_THAT(run.err, testing::AllOf(HasSubstr("ps_train: the model is in out, but without test metrics: "), HasSubstr(what)));
      }
      EXPECT_THAT(run.out, HasSubstr("no test metrics"));
      const JsonValue metrics = MetricsOf(place_ / "out");
      EXPECT_THAT(metrics.members.at("test_missing").text, HasSubstr(what));
      EXPECT_EQ(metrics.members.count("test"), 0u);
      EXPECT_EQ(RunProgram("ps_eval", {"--model", "out", "--data", "train.svm"}, place_.path()).exit_code, 0);
      std::filesystem::remove_all(place_ / "out");
    }
    // Trees bin what judges them before they grow.
    const Finished trees = Train({"--set", "model={type: gbdt, gbdt: {trees: 2}}", "--set", absl::StrCat("data.test.files=[", file, "]")});
    EXPECT_EQ(trees.exit_code, 3);
    EXPECT_THAT(trees.err, testing::AllOf(HasSubstr(what), testing::Not(HasSubstr(" loss"))));
    // Validation rows choose the model: nothing is learnt before they are known to be good.
    for (const std::vector<std::string>& local : {std::vector<std::string>{}, {"--local", "1x1"}}) {
      std::vector<std::string> arguments = local;
      arguments.insert(arguments.end(), {"--set", absl::StrCat("data.valid.files=[", file, "]")});
      const Finished valid = Train(arguments);
      EXPECT_EQ(valid.exit_code, 3);
      EXPECT_THAT(valid.err, testing::AllOf(HasSubstr(what), testing::Not(HasSubstr("valid loss")))) << "it trained first";
      EXPECT_FALSE(HasModel());
    }
  }
}

// Nodes that come by themselves do not wait for a scheduler that reads data.valid; what its front shows ends the job.
TEST_F(BadDataTest, NodesDoNotWaitForValidationRows) {
  std::string late;
  while (late.size() < (9u << 20)) late += "1 1:1\n0 2:1\n1 3:1\n";
  const std::string bad = [] {
    std::string text;
    for (int i = 0; i < 20000; ++i) text += "what is this\n";
    return text;
  }();
  WriteText(place_ / "late.svm", late + bad);
  WriteText(place_ / "early.svm", FirstLines(late, 3000) + bad + late);
  for (const std::string file : {"late.svm", "early.svm"}) {
    std::string listen;
    {
      const absl::StatusOr<std::unique_ptr<Transport>> transport = OpenZeroMqTransport({});
      ASSERT_TRUE(transport.ok());
      listen = (*transport)->endpoint();
    }
    const std::vector<std::string> scheduler = {absl::StrCat("--scheduler=", listen)};
    Program job("ps_train", {"--config", "job.yaml", "--listen", listen, "--set", absl::StrCat("data.valid.files=[", file, "]"),
                             "--set", "cluster={servers: 1, workers: 1}"}, place_.path());
    Program server("ps_server", scheduler, place_.path());
    Program worker("ps_worker", scheduler, place_.path());
    const Finished failed = job.Wait();
    SCOPED_TRACE(failed.err);
    EXPECT_EQ(failed.exit_code, 3);
    EXPECT_THAT(failed.err, HasSubstr(file + ":"));
    EXPECT_EQ(failed.err.find("training begins") != std::string::npos, file == "late.svm");
    EXPECT_FALSE(HasModel());
  }
}

// Wherever they are learnt, rows are quoted alike.
TEST_F(BadDataTest, AClusterQuotesMalformedRowsWithTheirLines) {
  const std::string rows = Rows();
  WriteText(place_ / "bad.svm", FirstLines(rows, 700) + "1 3:what\n" + rows + rows + "what is this\n");
  const std::vector<std::string> quoted = {"  bad.svm:701: column 5: expected a number, found 'what': '1 3:what'\n",
                                           "  bad.svm:10702: column 1: expected a label, found 'what': 'what is this'\n"};
  for (const std::string model : {"model.type=lr", "model={type: gbdt, gbdt: {trees: 2}}"}) {
    for (const std::vector<std::string>& local : {std::vector<std::string>{}, {"--local", "1x2"}, {"--local", "2x1"}}) {
      for (const std::string allowed : {"0.1", "0.0001"}) {
        std::vector<std::string> arguments = local;
        arguments.insert(arguments.end(), {"--set", "data.train.files=[bad.svm]", "--set", model, "--set", "data.max_bad_rows=" + allowed});
        const Finished run = Train(arguments);
        SCOPED_TRACE(absl::StrJoin(arguments, " ") + run.err);
        EXPECT_EQ(run.exit_code, allowed == "0.1" ? 0 : 3);
        EXPECT_THAT(run.err, HasSubstr(quoted[0] + quoted[1]));
        if (allowed != "0.1") {
          EXPECT_THAT(run.err, HasSubstr("2 of 10702 rows are malformed (0.0187 %); data.max_bad_rows allows 0.01 %. The first of them:\n"));
        } else {
          EXPECT_EQ(NumberAt(MetricsOf(place_ / "out"), "bad_rows"), 2);
        }
      }
    }
  }
}

TEST_F(BadDataTest, AByteOrderMarkIsNoRow) {
  WriteText(place_ / "marked.svm", "\xef\xbb\xbf" + Rows());
  for (const std::string model : {"model.type=lr", "model={type: gbdt, gbdt: {trees: 2}}"}) {
    const Finished run = Train({"--set", "data.train.files=[marked.svm]", "--set", "data.max_bad_rows=0", "--set", model});
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_EQ(NumberAt(MetricsOf(place_ / "out"), "rows_learnt"), 5000);
  }
}

// What is there stays until the new file is whole, and rows that are read are never written over.
TEST_F(BadDataTest, ResultsTakeTheirPlaceWhenTheyAreWhole) {
  const std::string rows = Rows();
  for (const std::string model : {"model.type=lr", "model={type: gbdt, gbdt: {trees: 2}}"}) {
    ASSERT_EQ(Train({"--set", model}).exit_code, 0);
    WriteText(place_ / "late.svm", rows + "1 x:1\n1 x:1\n1 x:1\n1 x:1\n1 x:1\n1 x:1\n");
    for (const auto& [program, first, flag] : std::vector<std::tuple<std::string, std::vector<std::string>, std::string>>{
             {"ps_eval", {}, "--predictions"}, {"ps_eval", {}, "--report"}, {"ps_model", {"explain"}, "--out"}}) {
      const auto run = [&, program = program, first = first, flag = flag](const std::string& data, const std::string& out) {
        std::vector<std::string> arguments = first;
        arguments.insert(arguments.end(), {"--model", "out", "--data", data, flag, out});
        return RunProgram(program, arguments, place_.path());
      };
      SCOPED_TRACE(model + program + flag);
      const Finished over = run("train.svm", "train.svm");
      EXPECT_EQ(over.exit_code, 2);
      EXPECT_THAT(over.err, HasSubstr("train.svm is a file of --data"));
      EXPECT_EQ(Rows(), rows);
      WriteText(place_ / "kept", "of before");
      EXPECT_EQ(run("late.svm", "kept").exit_code, 3);
      EXPECT_EQ(ReadText(place_ / "kept"), "of before");
      EXPECT_EQ(run("train.svm", "kept").exit_code, 0);
      EXPECT_GT(ReadText(place_ / "kept").size(), 1000u);
      std::filesystem::remove(place_ / "kept");
      for (const auto& entry : std::filesystem::directory_iterator(place_.path()))
        EXPECT_THAT(entry.path().filename().string(), testing::Not(HasSubstr(".tmp"))) << "left behind";
    }
    EXPECT_EQ(RunProgram("ps_eval", {"--model", "out", "--data", "train.svm", "--predictions", "/dev/null"}, place_.path()).exit_code, 0);
  }
}

TEST_F(BadDataTest, FilesUnderAnotherHeaderAreRefusedByName) {
  std::string rows;
  for (int i = 0; i < 200; ++i) rows += std::to_string(i % 2) + ",x" + std::to_string(i % 3) + "," + std::to_string(i) + "\n";
  WriteText(place_ / "t.csv", "label,a,b\n" + rows);
  WriteText(place_ / "later.csv", "label,a,b\n" + rows);
  WriteText(place_ / "moved.csv", "label,b,a\n" + rows);
  WriteText(place_ / "lacking.csv", "label,a,c\n" + rows);
  WriteText(place_ / "none.csv", rows);
  WriteText(place_ / "csv.yaml", "data: {train: {files: [t.csv, later.csv]}, format: csv, header: true}\noutput: {dir: out}\n");
  std::string many;
  for (int i = 0; i < 100; ++i) {
    const std::string name = "day" + std::to_string(i) + ".csv";
    WriteText(place_ / name, "label,a,b\n" + rows);
    many += i == 2 ? "moved.csv, " : name + ", ";
  }
  many += "later.csv";
  const auto train = [&](const std::string& setting, const std::string& model) {
    return RunProgram("ps_train", {"--config", "csv.yaml", "--set", setting, "--set", model}, place_.path());
  };
  for (const std::string model : {"model.type=lr", "model={type: gbdt, gbdt: {trees: 2}}"}) {
    for (const auto& [setting, text] : std::vector<std::pair<std::string, std::string>>{
             {"data.test.files=[moved.csv]", "moved.csv: the header has other columns than the training data, or in another order"},
             {"data.valid.files=[lacking.csv]", "lacking.csv: the header has no column b, which the training data had"},
             {"data.test.files=[none.csv]", "none.csv: the first line is no header of the training data"},
             {"data.train.files=[t.csv, moved.csv]", "moved.csv:1: the header differs from that of t.csv"}}) {
      const Finished run = train(setting, model);
      EXPECT_EQ(run.exit_code, 3) << setting << run.err;
      EXPECT_THAT(run.err, HasSubstr(text));
      EXPECT_FALSE(HasModel());
    }
    EXPECT_EQ(train("data.test.files=[later.csv]", model).exit_code, 0);
    std::filesystem::remove_all(place_ / "out");
    EXPECT_EQ(train("data.train.files=[" + many + "]", model).exit_code, 3) << "more files than are sampled";
    EXPECT_EQ(train("data.train.files=[" + absl::StrReplaceAll(many, {{"moved.csv, ", ""}}) + "]", model).exit_code, 0);
    std::filesystem::remove_all(place_ / "out");
  }
  // What nothing reads may have another name.
  WriteText(place_ / "renamed.csv", "label,a,other\n" + rows);
  const Finished renamed = RunProgram("ps_train", {"--config", "csv.yaml", "--set", "features=[{column: a, op: hash}]", "--set", "data.test.files=[renamed.csv]",
                                                   "--set", "data.max_bad_rows=0"}, place_.path());
  EXPECT_EQ(renamed.exit_code, 0) << renamed.err;
}

}  // namespace
}  // namespace ps
