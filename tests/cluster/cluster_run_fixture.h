// Jobs for real clusters on this machine, on small libsvm files, and what is collected of them. One thread.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "models/features/extractor.h"
#include "trainer/cluster/cluster_run.h"

namespace ps {

struct Collected : JobEvents {
  std::vector<Key> keys;
  std::vector<float> weights;
  std::vector<PassReport> passes;
  bool OnPassEnd(const PassReport& report) override {
    passes.push_back(report);
    return true;
  }
  std::string Describe(absl::Span<const BadRow> rows) override {
    std::string text;
    for (const BadRow& row : rows) absl::StrAppend(&text, row.file, ":", row.offset, " ");
    return text;
  }
  void OnRollback() override {
    keys.clear();
    weights.clear();
  }
  void OnWeights(std::uint32_t, absl::Span<const Key> k, absl::Span<const float> w) override {
    keys.insert(keys.end(), k.begin(), k.end());
    weights.insert(weights.end(), w.begin(), w.end());
  }
};

class ClusterRunTest : public ::testing::Test {
 protected:
  static constexpr int kRows = 6000;

  ClusterRunTest()
      : directory_(std::filesystem::temp_directory_path() /
                   absl::StrCat("cluster_run_", ::getpid())) {
    std::filesystem::create_directories(directory_);
  }
  ~ClusterRunTest() override { std::filesystem::remove_all(directory_); }

  // Label 1 where more odd features than even ones are on, with some noise.
  ClusterJob MakeJob(int staleness, int bad_rows = 0) {
    WriteRows("train.svm", 0, kRows, bad_rows);
    return JobOf({"train.svm"}, staleness);
  }

  std::string PathOf(const std::string& name) const { return (directory_ / name).string(); }

  // Rows [begin, end), of which those below bad_rows are malformed.
  void WriteRows(const std::string& name, int begin, int end, int bad_rows) {
    std::ofstream file(PathOf(name));
    std::mt19937_64 random(5 + begin);
    for (int r = begin; r < end; ++r) {
      int odd = 0;
      std::string features;
      std::uint64_t index = 0;
      for (int f = 0; f < 8; ++f) {
        index += 1 + random() % 40;
        distinct_.insert(index);
        odd += (index & 1) != 0 ? 1 : -1;
        absl::StrAppend(&features, " ", index, ":1");
      }
      const bool positive = (odd > 0) != (random() % 20 == 0);
      if (r < bad_rows) features = " nonsense";
      file << (positive ? "1" : "0") << features << "\n";
    }
  }

  ClusterJob JobOf(const std::vector<std::string>& names, int staleness) const {
    ClusterJob job;
    job.config.data.format = DataFormat::kLibsvm;
    job.config.train.staleness = staleness;
    job.config.train.passes = 2;
    job.config.train.batch_rows = 32;
    std::vector<std::string> paths;
    for (const std::string& name : names) paths.push_back(PathOf(name));
    absl::StatusOr<DataFiles> files = DataFiles::Open(paths);
    EXPECT_TRUE(files.ok()) << files.status();
    job.train = *std::move(files);
    auto extractor = Extractor::Compile(job.config, job.train);
    EXPECT_TRUE(extractor.ok()) << extractor.status();
    job.extractor = (*extractor)->Serialize();
    return job;
  }

  static std::string Program(const std::string& name) {
    const char* directory = std::getenv("PS_BIN_DIR");
    return absl::StrCat(directory != nullptr ? directory : ".", "/", name);
  }

  static LocalClusterOptions LocalOptions() {
    LocalClusterOptions options;
    const char* directory = std::getenv("PS_BIN_DIR");
    if (directory != nullptr) options.program_dir = directory;
    options.dead_after = std::chrono::seconds(60);  // a busy machine is no failure here
    return options;
  }

  void ExpectLearnt(const Collected& got) const {
    ASSERT_EQ(got.passes.size(), 2u);
    for (const PassReport& report : got.passes) {
      EXPECT_EQ(report.counts.learnt, kRows);
      EXPECT_EQ(report.counts.rows, kRows);
      EXPECT_EQ(report.counts.lines, kRows);
      EXPECT_EQ(report.progressive.rows(), kRows);
    }
    EXPECT_LT(got.passes[1].progressive.Finish().logloss, 0.5);
    EXPECT_GT(got.keys.size(), 200u);
    EXPECT_EQ(got.passes[1].entries, distinct_.size() + 1) << "the features and the intercept";
  }

  static void ExpectSameBytes(const Collected& a, const Collected& b) {
    ASSERT_EQ(a.keys, b.keys);
    EXPECT_EQ(std::memcmp(a.weights.data(), b.weights.data(), a.weights.size() * 4), 0);
  }

  const std::filesystem::path directory_;
  std::set<std::uint64_t> distinct_;  // indices in the file
};

}  // namespace ps
