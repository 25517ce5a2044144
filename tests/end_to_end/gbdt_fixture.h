// Rows and a job of trees, and the program that runs it.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "tests/end_to_end/program.h"

namespace ps {

// color,size,x,label rows of a rule that a linear model cannot have: x counts only for some
// colours.
inline std::string Table(int rows, unsigned seed, bool numbers = false) {
  static constexpr const char* kColors[] = {"red", "green", "blue", "grey", "pink", "teal"};
  std::mt19937 random(seed);
  std::string text = "color,size,x,label\n";
  for (int r = 0; r < rows; ++r) {
    const unsigned color = random() % 6;
    const double size = random() % 1000 / 100.0, x = random() % 2001 / 1000.0 - 1;
    const double signal = (color % 2 == 0 ? 3 * x : -3 * x) + (size > 6 ? 1.5 : -0.5);
    const bool positive = random() % 1000 / 1000.0 < 1 / (1 + std::exp(-2 * signal));
    const std::string size_text = random() % 10 == 0 ? "NA" : std::to_string(size);
    text += std::string(kColors[color]) + "," + size_text + "," + std::to_string(x) + ",";
    text += (numbers ? std::to_string(50 + 10 * signal) : positive ? "yes" : "no") + "\n";
  }
  return text;
}

inline constexpr char kJob[] =
    "data:\n"
    "  train: {files: [train.csv]}\n"
    "  test: {files: [test.csv]}\n"
    "  format: csv\n"
    "  header: true\n"
    "  label: {column: label, positive: \"yes\"}\n"
    "  split: {by: ratio, valid: 0.1}\n"
    "model: {type: gbdt, gbdt: {trees: 60}}\n";

class GbdtTest : public testing::Test {
 protected:
  void SetUp() override {
    WriteText(place_ / "train.csv", Table(20000, 1));
    WriteText(place_ / "test.csv", Table(5000, 2));
    WriteText(place_ / "job.yaml", kJob);
  }

  Finished Train(const std::vector<std::string>& settings, const std::string& job = "job.yaml") {
    return TrainJob(place_.path(), settings, job);
  }

  const Workplace place_;
};

}  // namespace ps
