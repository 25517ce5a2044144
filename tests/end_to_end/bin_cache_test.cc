// Binned rows kept on disk: the same model with and without, whatever happens to the files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <random>

#include "absl/strings/str_cat.h"
#include "ps/wire/zeromq_transport.h"
#include "tests/end_to_end/program.h"

namespace ps {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string Table(int rows, unsigned seed) {
  static constexpr const char* kColors[] = {"red", "green", "blue", "grey"};
  std::mt19937 random(seed);
  std::string text = "color,x,w,label\n";
  for (int r = 0; r < rows; ++r) {
    const unsigned color = random() % 4, x = random() % 1000;
    absl::StrAppend(&text, kColors[color], ",", random() % 8 == 0 ? "" : absl::StrCat(x), ",",
                    1 + random() % 3, ",", (x > 500) == (color < 2) ? 1 : random() % 2, "\n");
  }
  return text;
}

class BinCacheTest : public testing::Test {
 protected:
  void SetUp() override {
    WriteText(place_ / "train.csv", Table(6000, 1));
    WriteText(place_ / "test.csv", Table(2000, 2));
    WriteText(place_ / "table.yaml",
              "data:\n  train: {files: [train.csv]}\n  test: {files: [test.csv]}\n  format: csv\n"
              "  header: true\n  weight: w\n  split: {by: ratio, valid: 0.2}\n"
              "  keep_negatives: 0.8\n"
              "model: {type: gbdt, gbdt: {trees: 8}}\n");
    Generate(place_.path(), "train.svm", "libsvm", 4000);
    WriteText(place_ / "sparse.yaml",
              "data: {train: {files: [train.svm]}, split: {by: ratio, test: 0.2}}\n"
              "model: {type: gbdt, gbdt: {trees: 8}}\n");
  }

  Finished Train(const std::string& job, const std::string& cache,
                 const std::vector<std::string>& settings = {}) {
    std::vector<std::string> arguments{"--config", job, "--set", "data.cache=" + cache};
    for (const std::string& setting : settings)
      arguments.insert(arguments.end(), {"--set", setting});
    const Finished run = RunProgram("ps_train", arguments, place_.path());
    EXPECT_EQ(run.exit_code, 0) << run.err;
    return run;
  }
  // What a model is, and what was said of it.
  std::string Model() {
    const JsonValue metrics = MetricsOf(place_ / "out");
    std::string text = ReadText(place_ / "out/trees.pb");
    for (const char* number : {"train.logloss", "train.auc", "rows_learnt", "rows_test", "bad_rows"})
      absl::StrAppend(&text, " ", NumberAt(metrics, number));
    return text;
  }
  std::vector<std::filesystem::path> Files(const std::string& extension, const std::string& dir = "kept") {
    std::vector<std::filesystem::path> files;
    for (const auto& file : std::filesystem::directory_iterator(place_ / dir)) {
      if (file.path().extension() == extension) files.push_back(file.path());
    }
    return files;
  }

  const Workplace place_;
};

constexpr char kFound[] = "binned rows from kept/";
constexpr char kAnew[] = "it is made anew";

TEST_F(BinCacheTest, TheSameModelWithoutReadingText) {
  for (const char* job : {"table.yaml", "sparse.yaml"}) {
    Train(job, "''");
    const std::string model = Model();
    EXPECT_THAT(Train(job, "kept").err, Not(HasSubstr(kFound)));
    EXPECT_EQ(Model(), model);
    EXPECT_THAT(Train(job, "kept", {"train.threads=3"}).err, HasSubstr(kFound));
    EXPECT_EQ(Model(), model);
    // Settings of trees do not matter to it.
    EXPECT_THAT(Train(job, "kept", {"model.gbdt.max_leaves=7"}).err, HasSubstr(kFound));
    EXPECT_NE(Model(), model);
  }
}

TEST_F(BinCacheTest, OtherDataAndSettingsAreReadAnew) {
  std::string job = ReadText(place_ / "table.yaml");
  job.erase(job.find("  test: "), std::string("  test: {files: [test.csv]}\n").size());
  WriteText(place_ / "table.yaml", job);
  Train("table.yaml", "kept");
  for (const char* other : {"train.seed=2", "model.gbdt.max_bins=20", "data.split.valid=0.1",
                            "data.keep_negatives=0.7", "data.missing=['']",
                            "features=[{column: x, op: numeric}]"}) {
    EXPECT_THAT(Train("table.yaml", "kept", {other}).err, Not(HasSubstr(kFound))) << other;
  }
  // The same number of bytes, written later.
  std::string rows = ReadText(place_ / "train.csv");
  rows[rows.find("red")] = 'b';
  WriteText(place_ / "train.csv", rows);
  std::filesystem::last_write_time(
      place_ / "train.csv",
      std::filesystem::last_write_time(place_ / "train.csv") + std::chrono::seconds(1));
  EXPECT_THAT(Train("table.yaml", "kept").err, Not(HasSubstr(kFound)));
  const std::string found = Model();
  Train("table.yaml", "''");
  EXPECT_EQ(Model(), found);
}

TEST_F(BinCacheTest, DamageIsNoticedAndMended) {
  for (const char* job : {"table.yaml", "sparse.yaml"}) {
    Train(job, "kept");
    const std::string model = Model();
    for (const char* extension : {".bins", ".rows"}) {
      for (const std::filesystem::path& file : Files(extension)) {
        const std::string whole = ReadText(file);
        for (int damage = 0; damage < (job[0] == 't' ? 3 : 1); ++damage) {
          std::string bytes = whole;
          if (damage == 0) bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 4);
          if (damage == 1) bytes.resize(bytes.size() - 1000 % bytes.size());
          if (damage == 2) bytes.clear();
          WriteText(file, bytes);
          EXPECT_THAT(Train(job, "kept").err, HasSubstr(kAnew)) << file << damage;
          EXPECT_EQ(Model(), model);
          EXPECT_TRUE(ReadText(file) == whole) << file << damage;
        }
      }
    }
    EXPECT_THAT(Train(job, "kept").err, Not(HasSubstr(kAnew)));
    std::filesystem::remove_all(place_ / "kept");
  }
}

TEST_F(BinCacheTest, WhatCannotBeWrittenIsSaidAndNoMore) {
  WriteText(place_ / "file", "no directory");
  const std::string said = Train("table.yaml", "file/kept").err, warning = "binned rows are not kept: ";
  EXPECT_THAT(said, HasSubstr(warning));
  EXPECT_EQ(said.find(warning), said.rfind(warning)) << said;
  const std::string model = Model();
  // A limit on the size of files fails the write in its middle, as a full disk does.
  WriteText(place_ / "run.sh",
            "trap '' XFSZ\nulimit -f 40\n"
            "exec \"$PS_BIN_DIR/ps_train\" --config table.yaml --set data.cache=kept\n");
  const Finished run = RunProgram("bash", {"run.sh"}, place_.path());
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("binned rows are not kept: "));
  EXPECT_EQ(Model(), model);
  for (const auto& file : std::filesystem::directory_iterator(place_ / "kept"))
    EXPECT_LT(file.file_size(), 40u << 10) << file;
}

TEST_F(BinCacheTest, OnAClusterToo) {
  for (const char* job : {"table.yaml", "sparse.yaml"}) {
    Train(job, "''");
    const std::string trees = ReadText(place_ / "out/trees.pb");
    for (const bool again : {false, true}) {
      const Finished run = RunProgram(
          "ps_train", {"--config", job, "--local", "1x2", "--set", "data.cache=kept"},
          place_.path());
      ASSERT_EQ(run.exit_code, 0) << run.err;
      EXPECT_EQ(run.err.find(kFound) != std::string::npos, again) << run.err;
      EXPECT_TRUE(ReadText(place_ / "out/trees.pb") == trees);
    }
  }
  // By workers too, each for its part; what is wrong with a file they say.
  const std::string listen = [] {
    const auto transport = OpenZeroMqTransport({.bind = "tcp://127.0.0.1:0"});
    return transport.ok() ? (*transport)->endpoint() : std::string();
  }();
  const std::string node = "--scheduler=" + listen;
  for (const char* said : {"", "binned rows from ", kAnew}) {
    if (said == kAnew) {
      for (const std::filesystem::path& file : Files(".rows", "of_nodes")) {
        std::string bytes = ReadText(file);
        bytes[bytes.size() / 2] ^= 1;
        WriteText(file, bytes);
      }
    }
    Program server("ps_server", {node}, place_.path());
    Program one("ps_worker", {node, "--minloglevel=0"}, place_.path()),
        other("ps_worker", {node, "--minloglevel=0"}, place_.path());
    const Finished run = RunProgram("ps_train",
                                    {"--config", "sparse.yaml", "--listen", listen, "--set", "data.cache=of_nodes",
                                     "--set", "cluster={servers: 1, workers: 2}"},
                                    place_.path());
    ASSERT_EQ(run.exit_code, 0) << run.err;
    for (Program* worker : {&one, &other}) {
      const Finished ended = worker->Wait();
      EXPECT_EQ(ended.exit_code, 0);
      if (*said != 0) {
        EXPECT_THAT(ended.err, HasSubstr(said));
      } else {
        EXPECT_THAT(ended.err, Not(HasSubstr("binned rows")));
      }
    }
  }
  const Finished linear = RunProgram(
      "ps_train", {"--config", "table.yaml", "--set", "model={type: lr}", "--set", "data.cache=kept"},
      place_.path());
  EXPECT_EQ(linear.exit_code, 2);
  EXPECT_THAT(linear.err, HasSubstr("data.cache: only for model.type gbdt"));
}

}  // namespace
}  // namespace ps
