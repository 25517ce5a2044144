// A job with tune.search, and its search run as a user runs it.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <regex>
#include <string>
#include <vector>

#include "tests/end_to_end/program.h"

namespace ps {

class SearchTest : public testing::Test {
 protected:
  void SetUp() override {
    Generate(place_.path(), "train.csv", "csv", 6000);
    Generate(place_.path(), "test.csv", "csv", 2000, 6000);
    WriteText(place_ / "job.yaml",
              "data: {train: {files: [train.csv]}, test: {files: [test.csv]}, format: csv, header: true,"
              " label: {column: label}, split: {by: ratio, valid: 0.2}}\n"
              "features: [{column: I1, op: bucket}, {column: C1, op: hash}, {op: cross, of: [C1, C2]}]\n"
              "model: {gbdt: {trees: 10}}\n"
              "tune:\n  search:\n    trials: 6\n    vary:\n"
              "      model.type: [lr, gbdt]\n"
              "      model.optimizer.alpha: [0.05, 0.2]\n"
              "      model.gbdt.max_leaves: [7, 15]\n"
              "      features: [[{column: I1, op: bucket}, {column: C1, op: hash}],"
              " [{column: I1, op: bucket}, {column: I2, op: bucket}, {column: C1, op: hash}, {column: C2, op: hash}]]\n");
  }

  std::vector<std::string> Arguments(const std::vector<std::string>& settings) const {
    std::vector<std::string> arguments{"--config", "job.yaml"};
    for (const std::string& setting : settings) arguments.insert(arguments.end(), {"--set", setting});
    return arguments;
  }
  Finished Train(const std::vector<std::string>& settings, const std::vector<std::string>& flags = {}) const {
    std::vector<std::string> arguments = Arguments(settings);
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    return RunProgram("ps_train", arguments, place_.path());
  }
  // What is the same whenever it is run.
  std::string Trace() const {
    return std::regex_replace(ReadText(place_ / "out/search.json"), std::regex("\"seconds\":[0-9.e-]+"), "");
  }

  std::vector<JsonValue> Trials() const {
    const std::optional<JsonValue> trace = JsonReader::Read(ReadText(place_ / "out/search.json"));
    EXPECT_TRUE(trace.has_value());
    return trace ? trace->members.at("trials").items : std::vector<JsonValue>();
  }

  const Workplace place_;
};

}  // namespace ps
