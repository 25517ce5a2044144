// Trees for several classes, from a job file to a scored model, by the programs themselves.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <sstream>

#include "tests/end_to_end/program.h"

namespace ps {
namespace {

constexpr const char* kNames[] = {"ash", "birch, white", "oak"};

// leaf,height,x,label rows; the class follows from leaf and height together.
std::string Table(int rows, unsigned seed) {
  static constexpr const char* kLeaves[] = {"round", "long", "split", "none"};
  std::mt19937 random(seed);
  std::string text = "leaf,height,x,label\n";
  for (int r = 0; r < rows; ++r) {
    const unsigned leaf = random() % 4;
    const double height = random() % 1000 / 100.0;
    unsigned of = leaf == 3 ? (height > 5 ? 2 : 0) : leaf;
    if (random() % 5 == 0) of = random() % 3;
    text += std::string(kLeaves[leaf]) + "," + (random() % 10 == 0 ? "NA" : std::to_string(height)) + "," +
            std::to_string(random() % 2001 / 1000.0 - 1) + ",\"" + kNames[of] + "\"\n";
  }
  return text;
}

// The same as libsvm text, labels 1, 2 and 7.
std::string Libsvm(int rows, unsigned seed) {
  std::mt19937 random(seed);
  std::string text;
  for (int r = 0; r < rows; ++r) {
    const unsigned leaf = random() % 3, of = random() % 5 == 0 ? random() % 3 : leaf;
    text += std::string(of == 0 ? "1" : of == 1 ? "+2" : "7") + " " + std::to_string(1 + leaf) + ":1 " +
            std::to_string(10 + random() % 40) + ":0.5\n";
  }
  return text;
}

constexpr char kJob[] =
    "data:\n"
    "  train: {files: [train.csv]}\n"
    "  test: {files: [test.csv]}\n"
    "  format: csv\n"
    "  header: true\n"
    "  split: {by: ratio, valid: 0.1}\n"
    "model: {type: gbdt, gbdt: {objective: softmax, trees: 20}}\n";

class SoftmaxTest : public testing::Test {
 protected:
  void SetUp() override {
    WriteText(place_ / "train.csv", Table(20000, 1));
    WriteText(place_ / "test.csv", Table(5000, 2));
    WriteText(place_ / "job.yaml", kJob);
  }

  Finished Train(const std::vector<std::string>& settings, const std::string& job = "job.yaml") {
    return TrainJob(place_.path(), settings, job);
  }

  Finished Eval(const std::vector<std::string>& arguments) {
    std::vector<std::string> all{"--data", "test.csv", "--json"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return RunProgram("ps_eval", all, place_.path());
  }

  const Workplace place_;
};

TEST_F(SoftmaxTest, LearnsEvaluatesAndExplains) {
  const Finished run = Train({});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(run.err.find("classes 3: ash, birch, white, oak"), std::string::npos) << run.err;
  EXPECT_NE(run.out.find("60 trees in 20 rounds"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("error rate"), std::string::npos) << run.out;
  const JsonValue metrics = MetricsOf(place_ / "out");
  EXPECT_LT(NumberAt(metrics, "test.error_rate"), 0.17);  // a seventh is noise
  EXPECT_LT(NumberAt(metrics, "test.logloss"), 0.6);
  EXPECT_GT(NumberAt(metrics, "test.auc_macro"), 0.85);
  EXPECT_EQ(NumberAt(metrics, "trees"), 60);
  EXPECT_EQ(NumberAt(metrics, "rounds"), 20);

  const Finished eval = Eval({"--model", "out", "--predictions", "p.csv", "--report", "r.html"});
  ASSERT_EQ(eval.exit_code, 0) << eval.err;
  const JsonValue scored = *JsonReader::Read(eval.out);
  for (const char* of : {"logloss", "error_rate", "auc_macro", "rows"}) {
    EXPECT_NEAR(NumberAt(scored, std::string("model.") + of), NumberAt(metrics, std::string("test.") + of), 1e-6);
  }
  const std::string predictions = ReadText(place_ / "p.csv");
  EXPECT_EQ(predictions.find("row,label,predicted,probability_ash,\"probability_birch, white\",probability_oak\n0,"), 0u)
      << FirstLines(predictions, 3);
  EXPECT_EQ(std::count(predictions.begin(), predictions.end(), '\n'), 5001);
  EXPECT_NE(ReadText(place_ / "r.html").find("Confusions"), std::string::npos);
  const Finished text = RunProgram("ps_eval", {"--model", "out", "--data", "test.csv"}, place_.path());
  EXPECT_NE(text.out.find(": gbdt, "), std::string::npos);
  EXPECT_EQ(text.out.find(" features"), std::string::npos) << "which trees do not have";
  EXPECT_NE(text.out.find("taken for"), std::string::npos) << text.out;

  const Finished inspect = RunProgram("ps_model", {"inspect", "out"}, place_.path());
  EXPECT_NE(inspect.out.find("class\tbase score\nash\t"), std::string::npos) << inspect.out;
  EXPECT_NE(inspect.out.find("\nleaf\t"), std::string::npos) << inspect.out;
  const Finished dump = RunProgram("ps_model", {"dump", "out"}, place_.path());
  EXPECT_NE(dump.out.find("\tvalue\tclass\n"), std::string::npos) << FirstLines(dump.out, 3);
}

// Rounds and more rounds are those that are grown at once; on a cluster too.
TEST_F(SoftmaxTest, GoesOnFromAModel) {
  Finished run = Train({"output.dir=first"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  run = Train({"output.dir=once", "model.gbdt.trees=40"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const std::string once = ReadText(place_ / "once/trees.pb");
  run = Train({"output.dir=more", "model.warm_start=first", "train.threads=3"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_TRUE(ReadText(place_ / "more/trees.pb") == once);
  EXPECT_EQ(NumberAt(MetricsOf(place_ / "more"), "rounds"), 40);
  const double loss = NumberAt(MetricsOf(place_ / "more"), "test.logloss");
  EXPECT_EQ(loss, NumberAt(MetricsOf(place_ / "once"), "test.logloss"));
  const Finished eval = Eval({"--model", "more"});
  ASSERT_EQ(eval.exit_code, 0) << eval.err;
  EXPECT_NEAR(NumberAt(*JsonReader::Read(eval.out), "model.logloss"), loss, 1e-6);
  for (const char* shape : {"1x1", "2x3"}) {
    run = RunProgram("ps_train", {"--config", "job.yaml", "--local", shape, "--set", "model.warm_start=first"},
                     place_.path());
    ASSERT_EQ(run.exit_code, 0) << run.err;
    EXPECT_TRUE(ReadText(place_ / "out/trees.pb") == once) << shape;
    EXPECT_EQ(NumberAt(MetricsOf(place_ / "out"), "test.logloss"), loss);
  }
  // The classes are those of the model, in its order.
  run = Train({"model.warm_start=first", "data.label.classes=[oak, ash, 'birch, white']"});
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_NE(run.err.find("knows the classes ash, birch, white, oak"), std::string::npos) << run.err;
  // Of the rows that they were grown on, leaves are what they were; other rows move them.
  const std::string refit = "model={type: gbdt, warm_start: first, gbdt: {objective: softmax, refit: {decay: 0}}}";
  run = Train({"output.dir=refit", refit});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_TRUE(ReadText(place_ / "refit/trees.pb") == ReadText(place_ / "first/trees.pb"));
  run = Train({"output.dir=refit", refit, "data.train.files=[test.csv]"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_LT(NumberAt(MetricsOf(place_ / "refit"), "test.logloss"), NumberAt(MetricsOf(place_ / "first"), "test.logloss"));

  WriteText(place_ / "train.svm", Libsvm(4000, 3));
  WriteText(place_ / "sparse.yaml",
            "data: {train: {files: [train.svm]}}\nmodel: {type: gbdt, gbdt: {objective: softmax, trees: 6}}\n");
  ASSERT_EQ(Train({"output.dir=first"}, "sparse.yaml").exit_code, 0);
  ASSERT_EQ(Train({"output.dir=once", "model.gbdt.trees=12"}, "sparse.yaml").exit_code, 0);
  ASSERT_EQ(Train({"output.dir=more", "model.warm_start=first"}, "sparse.yaml").exit_code, 0);
  EXPECT_TRUE(ReadText(place_ / "more/trees.pb") == ReadText(place_ / "once/trees.pb"));
}

// Every class has a base and contributions, which are its margin: the margins are those of the
// probabilities that ps_eval predicts.
TEST_F(SoftmaxTest, RowsAreExplainedByClass) {
  ASSERT_EQ(Train({}).exit_code, 0);
  ASSERT_EQ(Eval({"--model", "out", "--predictions", "p.csv"}).exit_code, 0);
  const auto explain = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all{"explain", "--model", "out", "--data", "test.csv"};
    all.insert(all.end(), more.begin(), more.end());
    const Finished run = RunProgram("ps_model", all, place_.path());
    EXPECT_EQ(run.exit_code, 0) << run.err;
    return run.out;
  };
  const std::string text = explain({}), csv = explain({"--format", "csv", "--threads", "3"});
  EXPECT_TRUE(explain({"--threads", "1"}) == text);
  std::istringstream lines(text), predictions(ReadText(place_ / "p.csv")), table(csv);
  std::string line, predicted, cells;
  std::getline(predictions, predicted);
  std::getline(table, cells);
  EXPECT_EQ(cells, "row,label,class,margin,base,leaf,height,x");
  int rows = 0;
  for (; std::getline(lines, line) && std::getline(predictions, predicted); ++rows) {
    const auto row = JsonReader::Read(line);
    ASSERT_TRUE(row.has_value()) << line;
    ASSERT_EQ(NumberAt(*row, "row"), rows);
    double odds[3], all = 0;
    for (int c = 0; c < 3; ++c) {
      const JsonValue& of = row->members.at("classes").members.at(kNames[c]);
      const double margin = NumberAt(of, "margin");
      double sum = NumberAt(of, "base");
      for (const auto& [name, value] : of.members.at("contributions").members) sum += value.number;
      ASSERT_NEAR(sum, margin, 3e-6) << line;
      all += odds[c] = std::exp(margin);
      // The same in the table: a line a class.
      ASSERT_TRUE(std::getline(table, cells).good());
      EXPECT_EQ(cells.find(std::to_string(rows) + ","), 0u) << cells;
      double of_cells = 0;
      std::size_t end = cells.size();
      for (int k = 0; k < 4; ++k) {  // base and three columns
        const std::size_t comma = cells.rfind(',', end - 1);
        of_cells += std::stod(cells.substr(comma + 1, end - comma - 1));
        end = comma;
      }
      ASSERT_NEAR(of_cells, margin, 3e-6) << cells;
    }
    const double last = std::stod(predicted.substr(predicted.rfind(',') + 1));
    ASSERT_NEAR(odds[2] / all, last, 1e-5) << predicted;
  }
  EXPECT_EQ(rows, 5000);
}

TEST_F(SoftmaxTest, TheSameBytesForAnyThreadsAndCluster) {
  const std::vector<std::string> settings{"model.gbdt.row_sample=0.8", "model.gbdt.trees=6"};
  std::string first;
  JsonValue expected;
  for (const char* threads : {"train.threads=1", "train.threads=3"}) {
    std::vector<std::string> with = settings;
    with.push_back(threads);
    const Finished run = Train(with);
    ASSERT_EQ(run.exit_code, 0) << run.err;
    const std::string trees = ReadText(place_ / "out/trees.pb");
    if (first.empty()) first = trees;
    EXPECT_TRUE(trees == first) << threads;
    expected = MetricsOf(place_ / "out");
  }
  for (const char* shape : {"1x1", "2x3"}) {
    const Finished run = RunProgram("ps_train",
                                    {"--config", "job.yaml", "--local", shape, "--set", settings[0], "--set", settings[1]},
                                    place_.path());
    ASSERT_EQ(run.exit_code, 0) << run.err;
    EXPECT_TRUE(ReadText(place_ / "out/trees.pb") == first) << shape;
    const JsonValue metrics = MetricsOf(place_ / "out");
    for (const char* number : {"train.error_rate", "train.auc_macro", "valid.error_rate", "test.logloss", "rows_learnt"})
      EXPECT_NEAR(NumberAt(metrics, number), NumberAt(expected, number), 1e-9) << number;
    EXPECT_NEAR(NumberAt(metrics, "train.logloss"), NumberAt(expected, "train.logloss"), 1e-9);
  }
}

TEST_F(SoftmaxTest, WholeNumbersOfLibsvmTextAreClasses) {
  WriteText(place_ / "train.svm", Libsvm(5000, 1));
  WriteText(place_ / "test.svm", Libsvm(1000, 2));
  WriteText(place_ / "sparse.yaml",
            "data: {train: {files: [train.svm]}, test: {files: [test.svm]}}\n"
            "model: {type: gbdt, gbdt: {objective: softmax, trees: 10}}\n");
  const Finished run = Train({}, "sparse.yaml");
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(run.err.find("classes 3: 1, 2, 7\n"), std::string::npos) << run.err;
  EXPECT_LT(NumberAt(MetricsOf(place_ / "out"), "test.error_rate"), 0.2);
  const std::string trees = ReadText(place_ / "out/trees.pb");
  const Finished cluster = RunProgram("ps_train", {"--config", "sparse.yaml", "--local", "2x2"}, place_.path());
  ASSERT_EQ(cluster.exit_code, 0) << cluster.err;
  EXPECT_TRUE(ReadText(place_ / "out/trees.pb") == trees);
  const Finished eval =
      RunProgram("ps_eval", {"--model", "out", "--data", "test.svm", "--json"}, place_.path());
  ASSERT_EQ(eval.exit_code, 0) << eval.err;
  EXPECT_NEAR(NumberAt(*JsonReader::Read(eval.out), "model.logloss"),
              NumberAt(MetricsOf(place_ / "out"), "test.logloss"), 1e-6);
  // Classes are whole numbers; another one is a bad row.
  WriteText(place_ / "test.svm", Libsvm(10, 2) + "1.5 1:1\nnan 1:1\n9 1:1\n");
  const Finished bad = RunProgram(
      "ps_eval", {"--model", "out", "--data", "test.svm", "--json", "--max_bad_rows", "0.5"}, place_.path());
  ASSERT_EQ(bad.exit_code, 0) << bad.err;
  EXPECT_EQ(NumberAt(*JsonReader::Read(bad.out), "bad_rows"), 3);
  EXPECT_NE(bad.err.find("whole number"), std::string::npos) << bad.err;
  EXPECT_NE(bad.err.find("the label '9' is none of the classes"), std::string::npos) << bad.err;
}

TEST_F(SoftmaxTest, EarlyStoppingCountsRounds) {
  WriteText(place_ / "few.csv", Table(900, 3));
  const Finished run = Train({"data.train.files=[few.csv]", "data.split.valid=0.3", "model.gbdt.trees=300",
                              "model.gbdt.learning_rate=0.3", "train.early_stopping={patience: 5}"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const JsonValue metrics = MetricsOf(place_ / "out");
  EXPECT_EQ(NumberAt(metrics, "trees_grown"), NumberAt(metrics, "trees") + 3 * 5);
  EXPECT_EQ(NumberAt(metrics, "trees"), 3 * NumberAt(metrics, "rounds"));
  EXPECT_NE(run.err.find("early stop after round"), std::string::npos) << run.err;
}

TEST_F(SoftmaxTest, DeclaredClassesKeepTheirOrder) {
  const std::string classes = "data.label.classes=[oak, yew, ash, \"birch, white\"]";
  ASSERT_EQ(Train({classes, "model.gbdt.trees=3"}).exit_code, 0);
  const Finished inspect = RunProgram("ps_model", {"inspect", "out"}, place_.path());
  EXPECT_NE(inspect.out.find("classes           4: oak, yew, ash, birch, white"), std::string::npos) << inspect.out;
  // Rows of others are bad ones.
  const Finished few = Train({"data.label.classes=[oak, ash]", "model.gbdt.trees=3"});
  EXPECT_EQ(few.exit_code, 3);
  EXPECT_NE(few.err.find("none of the classes"), std::string::npos) << few.err;
}

TEST_F(SoftmaxTest, GoesToOtherToolsAndComesBack) {
  ASSERT_EQ(Train({"model.gbdt.trees=5"}).exit_code, 0);
  const double logloss = NumberAt(MetricsOf(place_ / "out"), "test.logloss");
  for (const char* format : {"lightgbm", "xgboost"}) {
    const auto run = [&](const std::vector<std::string>& arguments) {
      const Finished done = RunProgram("ps_model", arguments, place_.path());
      EXPECT_EQ(done.exit_code, 0) << done.err;
    };
    run({"export", "--format", format, "--model", "out", "--out", "model.txt"});
    run({"import", "--format", format, "--model", "model.txt", "--out", "back", "--like", "out"});
    const Finished eval = Eval({"--model", "back"});
    ASSERT_EQ(eval.exit_code, 0) << eval.err;
    EXPECT_NEAR(NumberAt(*JsonReader::Read(eval.out), "model.logloss"), logloss, 1e-6) << format;
  }
}

TEST_F(SoftmaxTest, DryRunSaysHowManyClasses) {
  const Finished run = RunProgram("ps_train", {"--config", "job.yaml", "--dry_run"}, place_.path());
  EXPECT_NE(run.out.find("label, one of several classes"), std::string::npos) << run.out;
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(run.out.find(", 3 classes"), std::string::npos) << run.out;
}

TEST_F(SoftmaxTest, AStopLeavesWholeRounds) {
  Program run("ps_train", {"--config", "job.yaml", "--set", "model.gbdt.trees=100000"}, place_.path());
  ASSERT_TRUE(run.WaitForError("8/100000"));
  run.Signal(SIGTERM);
  const Finished finished = run.Wait();
  EXPECT_EQ(finished.exit_code, 143) << finished.err;
  const JsonValue metrics = MetricsOf(place_ / "out");
  EXPECT_GE(NumberAt(metrics, "rounds"), 8);
  EXPECT_EQ(NumberAt(metrics, "trees"), 3 * NumberAt(metrics, "rounds"));
  EXPECT_EQ(Eval({"--model", "out"}).exit_code, 0);
}

TEST_F(SoftmaxTest, KilledNodesCostNoBit) {
  ASSERT_EQ(Train({"model.gbdt.trees=60"}).exit_code, 0);
  const std::string trees = ReadText(place_ / "out/trees.pb");
  Program run("ps_train", {"--config", "job.yaml", "--local", "2x2", "--set", "model.gbdt.trees=60"}, place_.path());
  ASSERT_TRUE(run.WaitForError("8/60"));
  for (const auto& [pid, program] : run.Children()) {
    if (program != "ps_worker") continue;
    ASSERT_EQ(::kill(pid, SIGKILL), 0);
    break;
  }
  const Finished finished = run.Wait();
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_NE(finished.err.find("killed by signal 9"), std::string::npos) << finished.err;
  EXPECT_TRUE(ReadText(place_ / "out/trees.pb") == trees);
}

TEST_F(SoftmaxTest, IsTuned) {
  const Finished run = Train({"tune={trainings: 3}", "model.gbdt.trees=6"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const JsonValue metrics = MetricsOf(place_ / "out");
  EXPECT_LT(NumberAt(metrics, "valid.error_rate"), 0.2);
  EXPECT_EQ(NumberAt(metrics, "trees"), 3 * NumberAt(metrics, "rounds"));
  // The job that it leaves grows the same trees.
  const std::string trees = ReadText(place_ / "out/trees.pb");
  WriteText(place_ / "tuned.yaml", ReadText(place_ / "out/tuned_job.yaml"));
  const Finished again = Train({"output.dir=again"}, "tuned.yaml");
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_TRUE(ReadText(place_ / "again/trees.pb") == trees);
}

TEST_F(SoftmaxTest, BadInputHasADefinedEnd) {
  const auto with_rows = [&](const std::string& rows, std::vector<std::string> settings = {}) {
    WriteText(place_ / "bad.csv", "leaf,height,x,label\n" + rows);
    settings.insert(settings.end(), {"data.train.files=[bad.csv]", "data.split.valid=0", "model.gbdt.trees=2"});
    return Train(settings);
  };
  EXPECT_EQ(with_rows("").exit_code, 3);
  std::string rows;
  for (int i = 0; i < 50; ++i) rows += "round,1,0.5,oak\n";
  Finished run = with_rows(rows);
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_NE(run.err.find("all rows have the label 'oak'; softmax needs two classes"), std::string::npos) << run.err;
  // Where classes are declared, one of them alone is a constant.
  run = with_rows(rows, {"data.label.classes=[oak, ash]", "data.test.files=[bad.csv]"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(run.err.find("same label"), std::string::npos) << run.err;
  // A missing label is a malformed row, not a class.
  run = with_rows(rows + Table(200, 5).substr(20) + "round,1,0.5,NA\nround,1,0.5,nan\nround,1,0.5,\n",
                  {"data.max_bad_rows=0.5"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(NumberAt(MetricsOf(place_ / "out"), "bad_rows"), 3);
  EXPECT_NE(run.err.find("classes 3: "), std::string::npos) << run.err;
  // Numbers are no classes.
  rows.clear();
  for (int i = 0; i < 1500; ++i) rows += "round,1,0.5," + std::to_string(i) + "\n";
  run = with_rows(rows);
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_NE(run.err.find("model.gbdt.objective: squared"), std::string::npos) << run.err;
  // A class of the held-out rows that is not learnt.
  WriteText(place_ / "test.csv", Table(100, 5) + "round,1,0.5,yew\n");
  run = Train({"model.gbdt.trees=2"});
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_NE(run.err.find("the label 'yew' is none of the classes that are learnt"), std::string::npos) << run.err;
  EXPECT_EQ(Train({"model.gbdt.trees=2", "data.max_bad_rows=0.1"}).exit_code, 0);
  // What softmax does not have.
  for (const char* wrong : {"data.label={positive: oak}", "data.keep_negatives=0.5",
                            "data.label.classes=[oak]", "data.label.classes=[oak, oak]"}) {
    EXPECT_EQ(Train({wrong}).exit_code, 2) << wrong;
  }
  EXPECT_EQ(Train({"model.gbdt.objective=logistic", "data.label.classes=[a, b]"}).exit_code, 2);
}

}  // namespace
}  // namespace ps
