// A job as a library, from rows to its bundle; of the embedded trainer also the bundle's weights.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "models/bundle/bundle.h"
#include "models/config/load.h"
#include "trainer/embedded/embedded_trainer.h"
#include "trainer/prepared_job.h"

namespace ps {

inline std::string TempPath(const std::string& name) {
  return ::testing::TempDir() + "/embedded_" + std::to_string(getpid()) + "_" + name;
}

// Rows whose label follows from a few features, among many that say nothing.
inline std::string WriteRows(int rows) {
  const std::string path = TempPath(std::to_string(rows) + ".svm");
  std::ofstream out(path);
  std::mt19937 random(11);
  for (int r = 0; r < rows; ++r) {
    const int a = static_cast<int>(random() % 20), b = static_cast<int>(random() % 3'000);
    const int c = static_cast<int>(random() % 50'000);
    const bool positive = (a < 8) != (random() % 10 == 0);
    out << positive << ' ' << 1 + a << ":1 " << 100 + b << ":0.5 " << 10'000 + c << ":1\n";
  }
  return path;
}

// The system's protobuf is not built for ThreadSanitizer, and the maps behind a bundle's manifest crash under it:
// there, what threads do is tested up to the export of the weights, and figures are compared instead of weights.
#ifdef __SANITIZE_THREAD__
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif

// Open until the end of the process: a reporter may write when it is destroyed.
inline std::FILE* Nowhere() {
  static std::FILE* const file = std::fopen("/dev/null", "w");
  return file;
}

struct Trained {
  JobResult result;
  std::vector<Key> keys;
  std::vector<float> weights;
};

inline absl::StatusOr<PreparedJob> PreparedOf(const std::string& yaml, const Overrides& overrides) {
  absl::StatusOr<LoadedJob> loaded = ParseJob(yaml, "test.yaml", overrides);
  if (!loaded.ok()) return loaded.status();
  return PrepareJob(*std::move(loaded));
}

// Trains, and writes the bundle to the job's output.dir; under ThreadSanitizer only up to its weights. What was kept to
// go on from stays, as if the process had been killed before the bundle was there.
inline JobResult TrainAndWrite(const PreparedJob& job, Trainer* trainer) {
  absl::StatusOr<JobResult> result = trainer->Train();
  EXPECT_TRUE(result.ok()) << result.status();
  absl::StatusOr<std::unique_ptr<BundleWriter>> writer = BundleWriter::Create(job.config.output.dir);
  EXPECT_TRUE(writer.ok()) << writer.status();
  BundleInfo info;
  EXPECT_TRUE(trainer->Export(writer->get(), &info).ok());
  if (kThreadSanitizer) return *std::move(result);
  EXPECT_TRUE((*writer)->AddFile("extractor.pb", job.extractor->Serialize()).ok());
  EXPECT_TRUE((*writer)->Finish(std::move(info)).ok());
  return *std::move(result);
}

inline Trained Train(const std::string& yaml, const Overrides& overrides, const std::atomic<bool>& stop) {
  const absl::StatusOr<PreparedJob> job = PreparedOf(yaml, overrides);
  EXPECT_TRUE(job.ok()) << job.status();
  ProgressReporter reporter(Nowhere(), {});
  EmbeddedTrainer trainer(&*job, &reporter, &stop);
  Trained trained{TrainAndWrite(*job, &trainer), {}, {}};
  if (kThreadSanitizer) return trained;
  absl::StatusOr<std::unique_ptr<Bundle>> bundle = Bundle::Open(job->config.output.dir);
  EXPECT_TRUE(bundle.ok()) << bundle.status();
  trained.keys.assign((*bundle)->keys().begin(), (*bundle)->keys().end());
  trained.weights.assign((*bundle)->weights().begin(), (*bundle)->weights().end());
  return trained;
}

inline std::string Yaml(const std::string& data) {
  return "data:\n  train: {files: [" + data + "]}\n  format: libsvm\n  split: {by: ratio, valid: 0.1}\n" +
         "model: {optimizer: {type: ftrl, alpha: 0.2}}\noutput: {dir: " + TempPath("out") + "}\n";
}

}  // namespace ps
