// What goes wrong for a user: exit code, message, and nothing half done.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/end_to_end/errors_fixture.h"

namespace ps {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST_F(ErrorsTest, UnknownKeyIsNamedWithTheNearestOne) {
  WriteText(place_ / "job.yaml", "data:\n  train: {files: [train.svm]}\ntrain:\n  pases: 2\n");
  const Finished run = Train({});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.err, AllOf(HasSubstr("job.yaml:4"), HasSubstr("did you mean train.passes?")));
  EXPECT_EQ(run.out, "");
  EXPECT_FALSE(HasModel());
}

TEST_F(ErrorsTest, WrongUsageIsTwoForEveryProgram) {
  for (const std::vector<std::string>& wrong :
       std::vector<std::vector<std::string>>{{"--no_such_flag"},
                                             {"extra"},
                                             {"--local", "2"},
                                             {"--local", "0x1"},
                                             {"--log_format=xml"}}) {
    const Finished run = Train(wrong);
    EXPECT_EQ(run.exit_code, 2) << wrong[0] << ": " << run.err;
    EXPECT_NE(run.err, "") << wrong[0];
    EXPECT_FALSE(HasModel()) << wrong[0];
  }
  for (const char* program : {"ps_train", "ps_eval", "ps_model", "ps_server", "ps_worker"}) {
    EXPECT_EQ(RunProgram(program, {"--no_such_flag"}, place_.path()).exit_code, 2) << program;
    EXPECT_EQ(RunProgram(program, {}, place_.path()).exit_code, 2) << program;
  }
  for (const char* program : {"ps_train", "ps_eval", "ps_model", "ps_ctl", "ps_server", "ps_worker", "ps_datagen", "gbdt_datagen", "ps_config_reference"}) {
    const Finished version = RunProgram(program, {"--version"}, place_.path());
    EXPECT_EQ(version.exit_code, 0) << program;
    EXPECT_THAT(version.out, HasSubstr(std::string(program) + " version ")) << program;
  }
}

// A model directory is replaced as a whole: no input may be lost with it.
TEST_F(ErrorsTest, InputsInTheOutputAreNotReplaced) {
  ASSERT_EQ(Train({}).exit_code, 0);
  WriteText(place_ / "out/again.yaml", ReadText(place_ / "job.yaml"));
  std::filesystem::create_directory_symlink("out", place_ / "link");
  for (const char* path : {"out/again.yaml", "./out/../out/again.yaml", "link/again.yaml"}) {
    for (const bool dry : {false, true}) {
      std::vector<std::string> words = {"--config", path};
      if (dry) words.push_back("--dry_run");
      const Finished run = RunProgram("ps_train", words, place_.path());
      EXPECT_EQ(run.exit_code, 2) << path;
      EXPECT_THAT(run.err, HasSubstr(std::string("the job file ") + path + " lies in output.dir (out), which the job would replace"));
    }
  }
  const Finished search = RunProgram(
      "ps_train", {"--config", "out/again.yaml", "--set", "data.split={by: ratio, valid: .3}", "--set",
                   "tune.search={trials: 2, vary: {train.passes: [1, 2]}}"}, place_.path());
  EXPECT_EQ(search.exit_code, 2);
  EXPECT_THAT(search.err, HasSubstr("the job file out/again.yaml lies in output.dir (out)"));
  WriteText(place_ / "out/more.svm", ReadText(place_ / "train.svm"));
  const Finished data = Train({"--set", "data.train.files=[train.svm, out/more.svm]"});
  EXPECT_EQ(data.exit_code, 2);
  EXPECT_THAT(data.err, HasSubstr("the data file out/more.svm lies in output.dir"));
  EXPECT_EQ(RunProgram("ps_train", {"--config", "out/again.yaml", "--set", "output.dir=other"}, place_.path()).exit_code, 0);
  EXPECT_EQ(ReadText(place_ / "out/again.yaml"), ReadText(place_ / "job.yaml"));
}

// What stands where a job writes for a while, but is somebody's own, is neither read nor removed.
TEST_F(ErrorsTest, DirectoriesBesideTheOutputAreNotRemoved) {
  for (const char* beside : {"out.writing", "out.previous", "out.search"}) {
    std::filesystem::create_directory(place_ / beside);
    WriteText(place_ / beside + "/notes.txt", "mine");
    std::vector<std::string> words = {"--config", "job.yaml"};
    const bool search = std::string(beside) == "out.search";
    if (search) {
      words.insert(words.end(), {"--set", "data.split={by: ratio, valid: .3}", "--set",
                                 "tune.search={trials: 2, vary: {train.passes: [1, 2]}}"});
    }
    const Finished run = RunProgram("ps_train", words, place_.path());
    EXPECT_EQ(run.exit_code, std::string(beside) == "out.previous" ? 0 : 2) << beside << ": " << run.err;
    EXPECT_EQ(ReadText(place_ / beside + "/notes.txt"), "mine") << beside;
    if (run.exit_code != 0) {
      EXPECT_THAT(run.err, AllOf(HasSubstr(beside), HasSubstr("move it away"))) << beside;
    }
    std::filesystem::remove_all(place_ / beside);
  }
}

// Of programs that read a model.
TEST_F(ErrorsTest, ModelsAreNotWrittenOver) {
  ASSERT_EQ(Train({}).exit_code, 0);
  const std::string weights = ReadText(place_ / "out/weights.bin");
  for (const char* flag : {"--predictions", "--report"}) {
    const Finished run =
        RunProgram("ps_eval", {"--model", "out", "--data", "train.svm", flag, "./out/weights.bin"}, place_.path());
    EXPECT_EQ(run.exit_code, 2);
    EXPECT_THAT(run.err, HasSubstr("lies in the model out, which would be damaged"));
  }
  EXPECT_EQ(RunProgram("ps_model", {"explain", "--model", "out", "--data", "train.svm", "--out", "out/weights.bin"},
                       place_.path()).exit_code, 2);
  EXPECT_EQ(ReadText(place_ / "out/weights.bin"), weights);
  const Finished one = RunProgram(
      "ps_eval", {"--model", "out", "--data", "train.svm", "--predictions", "a", "--report", "./a"}, place_.path());
  EXPECT_EQ(one.exit_code, 2);
  EXPECT_THAT(one.err, HasSubstr("one file"));
  // What is no regular file stays what it is.
  const Finished full =
      RunProgram("ps_eval", {"--model", "out", "--data", "train.svm", "--report", "/dev/full"}, place_.path());
  EXPECT_EQ(full.exit_code, 2);
  EXPECT_THAT(full.err, HasSubstr("No space left"));
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
}

TEST_F(ErrorsTest, AFileSpeltInTwoWaysIsNamedTwice) {
  std::filesystem::create_symlink("train.svm", place_ / "link.svm");
  for (const char* other : {"./train.svm", "link.svm"}) {
    const Finished run = TrainWith(std::string("data.train.files=[train.svm, ") + other + "]");
    EXPECT_EQ(run.exit_code, 3) << other;
    EXPECT_THAT(run.err, HasSubstr("is named twice"));
  }
}

TEST_F(ErrorsTest, HelpIsGiven) {
  for (const char* program : {"ps_train", "ps_eval", "ps_model", "ps_ctl", "ps_server", "ps_worker", "ps_datagen", "gbdt_datagen"}) {
    const Finished help = RunProgram(program, {"--help"}, place_.path());
    EXPECT_EQ(help.exit_code, 0) << program;
    EXPECT_EQ(help.err, "") << program;
    EXPECT_THAT(help.out, AllOf(HasSubstr(std::string("usage: ") + program), HasSubstr("--"))) << program;
    EXPECT_THAT(help.out, testing::Not(HasSubstr("logtostderr"))) << program;  // a library's
  }
  EXPECT_THAT(RunProgram("ps_server", {"--help"}, place_.path()).out,
              HasSubstr("\n  --shards  Cores to use; each owns a part of this server's slots (int32; default 1)\n"));
}

TEST_F(ErrorsTest, MissingAndEmptyFiles) {
  const Finished missing = TrainWith("data.train.files=[absent.svm]");
  EXPECT_EQ(missing.exit_code, 3);
  EXPECT_THAT(missing.err, HasSubstr("absent.svm"));
  const Finished empty = TrainOn("");
  EXPECT_EQ(empty.exit_code, 3);
  EXPECT_THAT(empty.err, HasSubstr("no rows"));
  EXPECT_FALSE(HasModel());
  WriteText(place_ / "empty.csv", "");
  const Finished csv = TrainWith("data={train: {files: [empty.csv]}, format: csv, header: true}");
  EXPECT_EQ(csv.exit_code, 3);
  EXPECT_THAT(csv.err, HasSubstr("data.train.files: empty.csv has no header line"));
  for (const char* model : {"model={type: lr, warm_start: absent}", "model={type: gbdt, warm_start: absent}"}) {
    const Finished start = TrainWith(model);
    EXPECT_EQ(start.exit_code, 3) << model;
    EXPECT_THAT(start.err, HasSubstr("model.warm_start: absent does not exist"));
  }
  const Finished no_test = TrainWith("data.test.files=['absent-*']");
  EXPECT_EQ(no_test.exit_code, 3);
  EXPECT_THAT(no_test.err, HasSubstr("absent-*"));
}

TEST_F(ErrorsTest, MalformedRowsUpToTheLimitAndAbove) {
  const std::string bad = FirstLines(Rows(), 6) + "1 3:what\n" + Rows();
  const Finished below = TrainOn(bad);
  ASSERT_EQ(below.exit_code, 0) << below.err;
  EXPECT_THAT(below.err, AllOf(HasSubstr("text.svm:7"), HasSubstr("3:what")));
  EXPECT_THAT(below.out, HasSubstr("1 bad row"));
  EXPECT_EQ(NumberAt(MetricsOf(place_ / "out"), "bad_rows"), 1);
  EXPECT_EQ(NumberAt(MetricsOf(place_ / "out"), "rows_learnt"), 5006);
  std::filesystem::remove_all(place_ / "out");
  const Finished above = TrainOn(bad, "data.max_bad_rows=0");
  EXPECT_EQ(above.exit_code, 3);
  EXPECT_THAT(above.err, AllOf(HasSubstr("text.svm:7"), HasSubstr("3:what")));
  EXPECT_FALSE(HasModel());
}

TEST_F(ErrorsTest, WrongIndexBaseSaysWhatToSet) {
  const Finished run = TrainOn("1 0:1 3:1\n0 1:1\n");
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.err, AllOf(HasSubstr("text.svm:1"), HasSubstr("index_base")));
  EXPECT_EQ(TrainOn("1 0:1 3:1\n0 1:1\n", "data.index_base=0").exit_code, 0);
}

TEST_F(ErrorsTest, AnExplicitZeroIsTheSameAsNoFeature) {
  const std::string weights = place_ / "out/weights.bin";
  ASSERT_EQ(TrainOn("1 1:1 2:0\n0 1:1 3:1\n1 2:1\n").exit_code, 0);
  const std::string with_zero = ReadText(weights);
  ASSERT_EQ(TrainOn("1 1:1\n0 1:1 3:1\n1 2:1\n").exit_code, 0);
  EXPECT_TRUE(ReadText(weights) == with_zero);
}

TEST_F(ErrorsTest, OneClassOnlyTrainsAConstantAndWarns) {
  const Finished run = TrainOn("1 1:1\n1 2:1\n1 1:1 2:1\n");
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("same label"));
  const JsonValue metrics = MetricsOf(place_ / "out");
  EXPECT_EQ(metrics.members.at("train").members.at("auc").kind, JsonValue::Kind::kNull);
  EXPECT_GT(NumberAt(metrics, "train.logloss"), 0);
}

TEST_F(ErrorsTest, DivergenceIsFour) {
  const Finished run =
      Train({"--set", "model.optimizer={type: sgd, alpha: 1e30}", "--set", "train.passes=20"});
  EXPECT_EQ(run.exit_code, 4) << run.err;
  EXPECT_THAT(run.err, HasSubstr("alpha"));
  EXPECT_FALSE(HasModel());
}

TEST_F(ErrorsTest, OutputThatCannotBeIsKnownBeforeTraining) {
  WriteText(place_ / "file", "mine");
  std::filesystem::create_directory(place_ / "foreign");
  WriteText(place_ / "foreign/notes.txt", "mine");
  for (const char* dir : {"file", "foreign"}) {
    const Finished run = TrainWith(std::string("output.dir=") + dir);
    EXPECT_EQ(run.exit_code, 2) << dir;
    EXPECT_THAT(run.err, HasSubstr(dir));
    EXPECT_THAT(run.err, testing::Not(HasSubstr("loss"))) << "it trained first";
  }
  EXPECT_EQ(ReadText(place_ / "file"), "mine");
  EXPECT_EQ(ReadText(place_ / "foreign/notes.txt"), "mine");
}

TEST_F(ErrorsTest, ADamagedModelIsRefused) {
  ASSERT_EQ(Train({}).exit_code, 0);
  std::string weights = ReadText(place_ / "out/weights.bin");
  weights[weights.size() / 2] ^= 4;
  WriteText(place_ / "out/weights.bin", weights);
  const Finished eval =
      RunProgram("ps_eval", {"--model", "out", "--data", "train.svm"}, place_.path());
  EXPECT_EQ(eval.exit_code, 3);
  EXPECT_THAT(eval.err, HasSubstr("weights.bin"));
  const Finished warm = Train({"--set", "model.warm_start=out", "--set", "output.dir=next"});
  EXPECT_EQ(warm.exit_code, 3) << warm.err;
  EXPECT_THAT(warm.err, HasSubstr("weights.bin"));
}

TEST_F(ErrorsTest, NothingElseMayLieWhereTheModelComes) {
  for (const char* setting : {"checkpoint.dir=out/kept", "checkpoint.dir=./out", "data.cache=out/cache", "cluster.state=x/../out/state"}) {
    const Finished run = TrainWith(setting);
    EXPECT_EQ(run.exit_code, 2) << setting << run.err;
    EXPECT_THAT(run.err, HasSubstr("lies in output.dir"));
  }
  EXPECT_EQ(Train({"--set", "data.cache=out.cache", "--set", "model={type: gbdt, gbdt: {trees: 1}}"}).exit_code, 0) << "beside it";
}

TEST_F(ErrorsTest, ACheckpointDirectoryIsOfOneJobAtATime) {
  const std::vector<std::string> linear = {"--set", "checkpoint.dir=kept", "--local", "1x1"};
  const auto trees = [](const std::string& count) {
    return std::vector<std::string>{"--set", "model={type: gbdt, gbdt: {trees: " + count + "}}", "--set", "checkpoint.dir=kept",
                                    "--set", "checkpoint.every=1", "--set", "output.dir=trees"};
  };
  std::vector<std::string> first = trees("1000000");
  first.insert(first.begin(), {"--config", "job.yaml"});
  {
    Program holder("ps_train", first, place_.path());
    ASSERT_TRUE(holder.WaitForError("trees grow on"));
    ASSERT_TRUE(std::filesystem::exists(place_ / "kept/lock"));
    const Finished second = Train(linear);
    EXPECT_EQ(second.exit_code, 75) << second.err;
    EXPECT_THAT(second.err, HasSubstr("another job keeps its checkpoints there: kept/lock is locked by process"));
    EXPECT_FALSE(HasModel());
    std::vector<std::string> dry = linear;
    dry.push_back("--dry_run");
    const Finished planned = Train(dry);
    EXPECT_EQ(planned.exit_code, 0) << planned.err;
    EXPECT_THAT(planned.err, HasSubstr("note: another job keeps its checkpoints there"));
    holder.Signal(SIGKILL);
  }
  std::filesystem::remove_all(place_ / "kept/trees");
  EXPECT_EQ(Train(trees("2")).exit_code, 0);
  EXPECT_FALSE(std::filesystem::exists(place_ / "kept/lock"));
}

TEST_F(ErrorsTest, DryRunPrintsThePlanAndWritesNothing) {
  const auto files = [this] {
    std::vector<std::string> names;
    for (const auto& file : std::filesystem::directory_iterator(place_.path())) {
      const std::string name = file.path().filename();
      if (name[0] != '.') names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
  };
  const std::vector<std::string> before = files();
  const Finished run = Train({"--dry_run"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, AllOf(HasSubstr("rows: 5,000"), HasSubstr("memory")));
  EXPECT_EQ(files(), before);
  const Finished deeper = Train({"--dry_run", "--local", "1x2", "--set", "output.dir=a/b/c", "--set", "checkpoint.dir=k/l"});
  EXPECT_EQ(deeper.exit_code, 0) << deeper.err;
  EXPECT_THAT(deeper.out, HasSubstr("job job: processes of this machine: 1 server x 2 workers\n"));
  EXPECT_EQ(files(), before);
}

TEST_F(ErrorsTest, ADryRunIsRefusedAsTheJobWouldBe) {
  WriteText(place_ / "file", "mine");
  std::filesystem::create_directory(place_ / "foreign");
  WriteText(place_ / "foreign/notes.txt", "mine");
  ASSERT_EQ(Train({"--set", "output.dir=first", "--set", "model.bias=false"}).exit_code, 0);
  WriteText(place_ / "csv.yaml",
            "data: {train: {files: [t.csv]}, format: csv, header: true}\noutput: {dir: table}\n");
  WriteText(place_ / "t.csv", "label,a\n1,x\n0,y\n");
  ASSERT_EQ(RunProgram("ps_train", {"--config", "csv.yaml"}, place_.path()).exit_code, 0);
  using Settings = std::vector<std::string>;
  const std::vector<std::pair<Settings, int>> refused = {
      {{"--set", "output.dir=file"}, 2},
      {{"--set", "output.dir=file/out"}, 2},
      {{"--set", "output.dir=foreign"}, 2},
      {{"--local", "1x1", "--set", "checkpoint.dir=file"}, 2},
      {{"--local", "1x1", "--set", "checkpoint.dir=file/kept"}, 2},
      {{"--set", "model={type: gbdt}", "--set", "checkpoint.dir=file/kept"}, 2},
      {{"--set", "model.warm_start=table"}, 3},
      {{"--local", "1x1", "--set", "model.warm_start=table"}, 3},
      {{"--set", "model={type: gbdt, warm_start: first}"}, 3},
      {{"--local", "1x1", "--set", "cluster.curve_key_file=absent"}, 3},
  };
  for (const auto& [settings, code] : refused) {
    const Finished run = Train(settings);
    Settings dry = settings;
    dry.push_back("--dry_run");
    const Finished planned = Train(dry);
    SCOPED_TRACE(settings.back() + "\n" + run.err + "\n" + planned.err);
    EXPECT_EQ(run.exit_code, code);
    EXPECT_EQ(planned.exit_code, code);
    const std::size_t at = run.err.rfind("ps_train: ");
    ASSERT_NE(at, std::string::npos);
    EXPECT_THAT(planned.err, HasSubstr(run.err.substr(at)));
    EXPECT_THAT(run.err, testing::Not(HasSubstr("valid loss"))) << "it trained first";
    EXPECT_FALSE(HasModel());
  }
  for (const Settings& job : {Settings{"model.type=lr"}, {"model.type=gbdt"}, {"model.type=gbdt", "--local", "1x2"},
                             {"model.type=lr", "--local", "1x2"}, {"cluster={servers: 1, workers: 2}"}, {"train.staleness=0"}}) {
    Settings settings = {"--dry_run", "--set", "device=cuda", "--set"};
    settings.insert(settings.end(), job.begin(), job.end());
    const Finished planned = Train(settings);
    if (planned.exit_code == 0) continue;  // there is one
    EXPECT_EQ(planned.exit_code, 5) << planned.err;
    EXPECT_THAT(planned.err, HasSubstr("device: cuda cannot be had"));
  }
}

TEST_F(ErrorsTest, KeysWithoutEffectAreNamed) {
  const Finished here = Train({"--set", "train.staleness=4"});
  EXPECT_EQ(here.exit_code, 0) << here.err;
  EXPECT_THAT(here.err, HasSubstr("note: train.staleness has no effect here: the job runs in one process"));
  const Finished cluster = Train({"--dry_run", "--set", "train.staleness=4", "--local=1x1"});
  EXPECT_EQ(cluster.exit_code, 0) << cluster.err;
  EXPECT_THAT(cluster.err, testing::Not(HasSubstr("note:")));
}

TEST_F(ErrorsTest, ModelProgramSaysItsCommands) {
  for (const char* help : {"help", "--help"}) {
    const Finished run = RunProgram("ps_model", {help}, place_.path());
    EXPECT_EQ(run.exit_code, 0) << help;
    for (const char* command : {"inspect", "dump", "diff", "export", "import", "explain"})
      EXPECT_THAT(run.out, HasSubstr(std::string("\n  ") + command + " ")) << help;
  }
  const Finished unknown = RunProgram("ps_model", {"show", "out"}, place_.path());
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.err, AllOf(HasSubstr("unknown command \"show\""), HasSubstr("\n  inspect ")));
}

// As the commands of the README have it in a fresh clone.
TEST(GeneratorTest, TheDirectoryOfTheOutputIsMade) {
  const Workplace place;
  EXPECT_EQ(RunProgram("ps_datagen", {"--format", "libsvm", "--rows", "10", "--out", "a/b/rows.svm"}, place.path()).exit_code, 0);
  EXPECT_EQ(RunProgram("gbdt_datagen", {"--shape", "dense", "--rows", "10", "--out", "c/rows.tsv"}, place.path()).exit_code, 0);
  EXPECT_FALSE(ReadText(place / "a/b/rows.svm").empty());
  EXPECT_FALSE(ReadText(place / "c/rows.tsv").empty());
  WriteText(place / "file", "");
  EXPECT_EQ(RunProgram("ps_datagen", {"--rows", "10", "--out", "file/rows.svm"}, place.path()).exit_code, 3);
  EXPECT_EQ(RunProgram("gbdt_datagen", {"--rows", "10", "--out", "file/rows.tsv"}, place.path()).exit_code, 3);
}

}  // namespace
}  // namespace ps
