// Trees from a job file to a scored model, by the programs themselves.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <sstream>
#include <tuple>

#include "tests/end_to_end/gbdt_fixture.h"

namespace ps {
namespace {

TEST_F(GbdtTest, SaysWhatTreesGrowOn) {
  const Finished cpu = Train({"device=cpu", "model.gbdt.trees=2", "output.dir=cpu"});
  ASSERT_EQ(cpu.exit_code, 0) << cpu.err;
  EXPECT_NE(cpu.err.find("of the processor: device: cpu"), std::string::npos) << cpu.err;
  const Finished choice = Train({"model.gbdt.trees=2", "output.dir=auto"});
  ASSERT_EQ(choice.exit_code, 0) << choice.err;
  EXPECT_NE(choice.err.find("trees grow on "), std::string::npos) << choice.err;
  EXPECT_EQ(ReadText(place_ / "auto/trees.pb"), ReadText(place_ / "cpu/trees.pb"));
}

TEST_F(GbdtTest, SaysWhatTreesMakeOfColumns) {
  const Finished all = Train({"model.gbdt.trees=1", "model.gbdt.max_bins=100", "model.gbdt.target_columns=[size]"});
  ASSERT_EQ(all.exit_code, 0) << all.err;
  for (const char* line : {"columns; types from a sample of ", "  category\n", "  mean label of its text, a number\n",
                           "  number, up to 100 bins\n"})
    EXPECT_NE(all.err.find(line), std::string::npos) << line << "\n" << all.err;
  EXPECT_EQ(all.err.find("buckets"), std::string::npos) << all.err;
  const Finished few = Train({"model.gbdt.trees=1", "model.gbdt.max_bins=4"});
  EXPECT_NE(few.err.find("  category, the commonest 4; or mean label of its text (model.gbdt.target_encoding)\n"),
            std::string::npos)
      << few.err;
}

TEST_F(GbdtTest, AGpuGrowsTheSameBytes) {
  Generate(place_.path(), "train.svm", "libsvm", 5000);
  WriteText(place_ / "sparse.yaml", "data: {train: {files: [train.svm]}}\nmodel: {type: gbdt}\n");
  for (const char* job : {"job.yaml", "sparse.yaml"}) {
    const Finished cuda = Train({"device=cuda", "model.gbdt.trees=5", "output.dir=cuda"}, job);
    if (cuda.err.find("device: cuda cannot be had") != std::string::npos) {
      EXPECT_EQ(cuda.exit_code, 5);
      GTEST_SKIP() << "no device: " << cuda.err;
    }
    ASSERT_EQ(cuda.exit_code, 0) << cuda.err;
    ASSERT_EQ(Train({"device=cpu", "model.gbdt.trees=5", "output.dir=cpu"}, job).exit_code, 0);
    EXPECT_EQ(ReadText(place_ / "cuda/trees.pb"), ReadText(place_ / "cpu/trees.pb")) << job;
  }
}

TEST_F(GbdtTest, LearnsEvaluatesAndExplains) {
  const Finished run = Train({});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const JsonValue metrics = MetricsOf(place_ / "out");
  EXPECT_GT(NumberAt(metrics, "test.auc"), 0.9);
  EXPECT_LT(NumberAt(metrics, "test.logloss"), 0.75 * ConstantLogLoss(metrics, "test"));
  EXPECT_EQ(NumberAt(metrics, "rows_read"), NumberAt(metrics, "rows_learnt"));
  EXPECT_EQ(NumberAt(metrics, "rows_learnt") + NumberAt(metrics, "rows_valid"), 20000);
  EXPECT_EQ(NumberAt(metrics, "trees"), 60);
  EXPECT_EQ(metrics.members.count("best_pass"), 0u) << "trees have no passes";

  const Finished eval = RunProgram(
      "ps_eval", {"--model", "out", "--data", "test.csv", "--json", "--predictions", "p.csv"},
      place_.path());
  ASSERT_EQ(eval.exit_code, 0) << eval.err;
  const JsonValue scored = *JsonReader::Read(eval.out);
  EXPECT_NEAR(NumberAt(scored, "model.logloss"), NumberAt(metrics, "test.logloss"), 1e-6);
  EXPECT_NEAR(NumberAt(scored, "model.auc"), NumberAt(metrics, "test.auc"), 1e-5);
  const std::string predictions = ReadText(place_ / "p.csv");
  EXPECT_EQ(std::count(predictions.begin(), predictions.end(), '\n'), 5001);

  const Finished inspect = RunProgram("ps_model", {"inspect", "out"}, place_.path());
  EXPECT_EQ(inspect.exit_code, 0) << inspect.err;
  EXPECT_NE(inspect.out.find("model type        gbdt"), std::string::npos) << inspect.out;
  for (const char* column : {"\ncolor\t", "\nsize\t", "\nx\t"})
    EXPECT_NE(inspect.out.find(column), std::string::npos);
  const Finished dump = RunProgram("ps_model", {"dump", "out"}, place_.path());
  EXPECT_EQ(dump.exit_code, 0) << dump.err;
  EXPECT_NE(dump.out.find("color\tin {"), std::string::npos) << FirstLines(dump.out, 20);
  const Finished diff = RunProgram("ps_model", {"diff", "out", "out"}, place_.path());
  EXPECT_EQ(diff.exit_code, 2);
  EXPECT_EQ(diff.err,
            "ps_model: diff compares the weights of linear models, and out is a model of trees; compare what inspect "
            "or dump print of the two\n");
  const Finished two = RunProgram("ps_model", {"dump", "out", "--top", "2"}, place_.path());
  EXPECT_EQ(two.out, dump.out.substr(0, dump.out.find("\n2\t0\t") + 1));
}

TEST_F(GbdtTest, TheSameBytesForAnyNumberOfThreads) {
  std::string first;
  for (const char* threads : {"train.threads=1", "train.threads=2", "train.threads=5"}) {
    const Finished run = Train({threads, "model.gbdt.row_sample=0.8"});
    ASSERT_EQ(run.exit_code, 0) << run.err;
    const std::string trees = ReadText(place_ / "out/trees.pb");
    EXPECT_GT(trees.size(), 10000u);
    if (first.empty()) first = trees;
    EXPECT_TRUE(trees == first) << threads;
  }
  ASSERT_EQ(Train({"train.seed=2"}).exit_code, 0);
  EXPECT_FALSE(ReadText(place_ / "out/trees.pb") == first);
}

TEST_F(GbdtTest, EarlyStoppingKeepsTheBestTrees) {
  WriteText(place_ / "few.csv", Table(600, 3));
  const Finished run =
      Train({"data.train.files=[few.csv]", "data.split.valid=0.3", "model.gbdt.trees=400",
             "model.gbdt.learning_rate=0.3", "train.early_stopping={patience: 10}"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const JsonValue metrics = MetricsOf(place_ / "out");
  EXPECT_LT(NumberAt(metrics, "trees_grown"), 400);
  EXPECT_EQ(NumberAt(metrics, "trees_grown"), NumberAt(metrics, "trees") + 10);
}

TEST_F(GbdtTest, WideSparseRows) {
  Generate(place_.path(), "train.svm", "libsvm", 20000);
  Generate(place_.path(), "test.svm", "libsvm", 5000, 20000);
  WriteText(place_ / "sparse.yaml",
            "data: {train: {files: [train.svm]}, test: {files: [test.svm]}}\n"
            "model: {type: gbdt, gbdt: {trees: 30}}\n");
  std::string first;
  for (const char* threads : {"train.threads=1", "train.threads=3"}) {
    const Finished run = Train({threads}, "sparse.yaml");
    ASSERT_EQ(run.exit_code, 0) << run.err;
    const std::string trees = ReadText(place_ / "out/trees.pb");
    if (first.empty()) first = trees;
    EXPECT_TRUE(trees == first) << threads;
  }
  const JsonValue metrics = MetricsOf(place_ / "out");
  EXPECT_GT(NumberAt(metrics, "test.auc"), 0.6);
  const Finished eval =
      RunProgram("ps_eval", {"--model", "out", "--data", "test.svm", "--json"}, place_.path());
  ASSERT_EQ(eval.exit_code, 0) << eval.err;
  EXPECT_NEAR(NumberAt(*JsonReader::Read(eval.out), "model.logloss"),
              NumberAt(metrics, "test.logloss"), 1e-6);
  ASSERT_EQ(Train({"model.gbdt.absent=zero"}, "sparse.yaml").exit_code, 0);
}

TEST_F(GbdtTest, Numbers) {
  WriteText(place_ / "train.csv", Table(8000, 4, true));
  WriteText(place_ / "test.csv", Table(2000, 5, true));
  std::string job = kJob;
  job.replace(job.find(", positive: \"yes\""), 17, "");
  job.replace(job.find("trees: 60"), 9, "trees: 100, objective: squared");
  WriteText(place_ / "numbers.yaml", job);
  const Finished run = Train({}, "numbers.yaml");
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(run.err.find(" rmse valid rmse "), std::string::npos) << "progress tells errors: " << run.err;
  const JsonValue metrics = MetricsOf(place_ / "out");
  EXPECT_LT(NumberAt(metrics, "test.rmse"), 5);  // the labels' own deviation is about 20
  const Finished eval =
      RunProgram("ps_eval", {"--model", "out", "--data", "test.csv", "--json", "--predictions", "p.csv"}, place_.path());
  EXPECT_EQ(ReadText(place_ / "p.csv").rfind("row,label,predicted\n0,", 0), 0u) << "numbers have no probability";
  ASSERT_EQ(eval.exit_code, 0) << eval.err;
  EXPECT_NEAR(NumberAt(*JsonReader::Read(eval.out), "model.rmse"), NumberAt(metrics, "test.rmse"),
              1e-3);
  const Finished report =
      RunProgram("ps_eval", {"--model", "out", "--data", "test.csv", "--report", "r.html"}, place_.path());
  EXPECT_EQ(report.exit_code, 2);
  EXPECT_NE(report.err.find("a model of numbers has none"), std::string::npos) << report.err;
}

TEST_F(GbdtTest, PredictionsFollowTheDirectionsOfColumns) {
  const std::vector<std::string> settings = {
      "model.gbdt.monotone={increasing: [x], decreasing: [size]}", "output.dir=mono"};
  const Finished run = Train(settings);
  ASSERT_EQ(run.exit_code, 0) << run.err;
  // Rows that differ in one column only, in order of it.
  for (const char* column : {"size", "x"}) {
    constexpr int kSteps = 120;
    std::string rows = "color,size,x,label\n";
    for (int r = 0; r < 40; ++r) {
      const char* const color = r % 3 == 0 ? "red" : r % 3 == 1 ? "grey" : "unheard of";
      for (int step = 0; step < kSteps; ++step) {
        const bool sweeps_x = *column == 'x';
        const double x = sweeps_x ? 2.4 * step / kSteps - 1.2 : r / 20.0 - 1,
                     size = sweeps_x ? r / 4.0 : 12.0 * step / kSteps - 1;
        rows += std::string(color) + "," + std::to_string(size) + "," + std::to_string(x) + ",no\n";
      }
    }
    WriteText(place_ / "sweep.csv", rows);
    const Finished eval =
        RunProgram("ps_eval", {"--model", "mono", "--data", "sweep.csv", "--predictions", "p.csv"},
                   place_.path());
    ASSERT_EQ(eval.exit_code, 0) << eval.err;
    std::istringstream predictions(ReadText(place_ / "p.csv"));
    std::string line;
    std::getline(predictions, line);
    double last = 0, changed = 0;
    for (int row = 0; std::getline(predictions, line); ++row) {
      const std::size_t margin_at = line.find(',', line.find(',') + 1) + 1;
      const double margin = std::stod(line.substr(margin_at));
      const double step = row % kSteps == 0 ? 0 : margin - last;
      EXPECT_GE(*column == 'x' ? step : -step, 0) << column << " " << line;
      changed += std::fabs(step);
      last = margin;
    }
    EXPECT_GT(*column == 'x' ? changed : 1, 0) << "x is good for something in that direction";
  }
  std::vector<std::string> arguments{"--config", "job.yaml", "--local", "2x2"};
  for (const std::string& setting : settings) arguments.insert(arguments.end(), {"--set", setting});
  arguments.insert(arguments.end(), {"--set", "output.dir=local"});
  const Finished local = RunProgram("ps_train", arguments, place_.path());
  ASSERT_EQ(local.exit_code, 0) << local.err;
  EXPECT_TRUE(ReadText(place_ / "local/trees.pb") == ReadText(place_ / "mono/trees.pb"));

  const std::pair<const char*, const char*> wrong[] = {
      {"model.gbdt.monotone.increasing=[color]", "has categories"},
      {"model.gbdt.monotone.increasing=[age]", "they have color, size, x"},
      {"model.gbdt.monotone={increasing: [x], decreasing: [2]}", "both increasing and decreasing"},
  };
  for (const auto& [setting, said] : wrong) {
    const Finished refused = Train({setting});
    EXPECT_EQ(refused.exit_code, 3) << setting;
    EXPECT_NE(refused.err.find(said), std::string::npos) << refused.err;
  }
  EXPECT_EQ(Train({"model.gbdt.monotone.increasing=[label]"}).exit_code, 2);
}

TEST_F(GbdtTest, BadInputHasADefinedEnd) {
  const auto with_rows = [&](const std::string& rows) {
    WriteText(place_ / "bad.csv", "color,size,x,label\n" + rows);
    return Train({"data.train.files=[bad.csv]", "data.split.valid=0", "data.max_bad_rows=0.2"});
  };
  // Nothing to learn from: no rows.
  EXPECT_EQ(with_rows("").exit_code, 3);
  // Too few rows to split, one class, a constant column, a column without values: a model all the
  // same.
  EXPECT_EQ(with_rows("red,1,0.5,yes\n").exit_code, 0);
  std::string constant;
  for (int i = 0; i < 50; ++i) constant += "red,NA,0.5,yes\n";
  const Finished one_class = with_rows(constant);
  EXPECT_EQ(one_class.exit_code, 0) << one_class.err;
  EXPECT_NE(one_class.err.find("same label"), std::string::npos) << one_class.err;
  // Infinities are no values of a numeric column; nan is a missing one.
  std::string rows = Table(1000, 6).substr(19);
  Finished run = with_rows(rows + "red,1,inf,yes\nred,1,nan,no\n");
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(run.err.find("inf"), std::string::npos) << run.err;
  EXPECT_EQ(NumberAt(MetricsOf(place_ / "out"), "bad_rows"), 1);
  // Labels outside the objective's range.
  run = Train({"data.label={column: label}"});
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_NE(run.err.find("expected a label of 1, 0 or -1"), std::string::npos) << run.err;
  // Settings of the other kind of model, and what this version does not do.
  for (const char* wrong : {"model.optimizer.alpha=0.1", "train.passes=2", "model.gbdt.tree=3",
                            "model.gbdt.max_bins=256"}) {
    EXPECT_EQ(Train({wrong}).exit_code, 2) << wrong;
  }
  // What a cluster of trees does not do.
  for (const char* wrong : {"cluster={servers: 2, workers: 2, replicas: 2}",
                            "cluster={servers: 2, workers: 2, values: f32}",
                            "cluster={servers: 2, workers: 2, state: s}"}) {
    EXPECT_EQ(Train({wrong}).exit_code, 2) << wrong;
  }
}

// A column is one of numbers by its first rows; texts in it would be missing without a word.
TEST_F(GbdtTest, TextsInAColumnOfNumbersAreSaid) {
  std::string rows = Table(20000, 1);
  rows += "red,wide,0.5,yes\nred,narrow,0.5,no\nred,wide,0.5,no\nred,nan,0.5,no\n";
  WriteText(place_ / "train.csv", rows);
  for (const char* threads : {"train.threads=1", "train.threads=4"}) {
    const Finished run = Train({threads, "model.gbdt.trees=2"});
    ASSERT_EQ(run.exit_code, 0) << run.err;
    EXPECT_NE(run.err.find("warning: column size: 3 of 20004 rows have a text that is no number, as 'wide' ("),
              std::string::npos)
        << run.err;
  }
  const Finished declared =
      Train({"features=[{column: size, op: numeric}, {op: rest}]", "data.max_bad_rows=0.01"});
  EXPECT_EQ(declared.exit_code, 0) << declared.err;
  EXPECT_EQ(declared.err.find("warning: column size"), std::string::npos) << declared.err;
  EXPECT_EQ(NumberAt(MetricsOf(place_ / "out"), "bad_rows"), 3);
  // What says how many may be malformed is the program's own option.
  const Finished eval =
      RunProgram("ps_eval", {"--model", "out", "--data", "train.csv", "--max_bad_rows", "0"}, place_.path());
  EXPECT_EQ(eval.exit_code, 3);
  EXPECT_NE(eval.err.find("or set --max_bad_rows to the fraction"), std::string::npos) << eval.err;
}

TEST_F(GbdtTest, BadRowsAreJudgedInTheOrderOfTheData) {
  // A block without a bad row, one full of them, then many good ones: over all of it few are bad.
  std::string text = Table(20000, 3);
  for (int r = 0; r < 3000; ++r) text += "bad\n";
  const std::string more = Table(200000, 4);
  WriteText(place_ / "train.csv", text + more.substr(more.find('\n') + 1));
  std::string first;
  for (const char* threads : {"1", "2", "7", "7"}) {
    const Finished run = Train({"data.max_bad_rows=0.03", std::string("train.threads=") + threads});
    ASSERT_EQ(run.exit_code, 3) << run.err;
    const std::string said = run.err.substr(run.err.find("ps_train: "));
    if (first.empty()) first = said;
    EXPECT_EQ(said, first) << threads << " threads";
  }
}

TEST_F(GbdtTest, DryRunSaysWhatIsNeeded) {
  const Finished run = RunProgram("ps_train", {"--config", "job.yaml", "--dry_run"}, place_.path());
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(run.out.find("memory: about"), std::string::npos) << run.out;
}

}  // namespace
}  // namespace ps
