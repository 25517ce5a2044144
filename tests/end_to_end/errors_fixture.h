// A job on 5,000 rows, for what goes wrong with it.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/end_to_end/program.h"

namespace ps {

class ErrorsTest : public testing::Test {
 protected:
  void SetUp() override {
    Generate(place_.path(), "train.svm", "libsvm", 5000);
    WriteText(place_ / "job.yaml", "data:\n  train: {files: [train.svm]}\n");
  }

  Finished Train(const std::vector<std::string>& arguments) const {
    std::vector<std::string> all{"--config", "job.yaml"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return RunProgram("ps_train", all, place_.path());
  }
  Finished TrainWith(const std::string& setting) const { return Train({"--set", setting}); }

  // Trains on the text.
  Finished TrainOn(const std::string& text, const std::string& setting = "job=x") const {
    WriteText(place_ / "text.svm", text);
    return Train({"--set", "data.train.files=[text.svm]", "--set", setting});
  }

  bool HasModel() const { return std::filesystem::exists(place_ / "out"); }
  std::string Rows() const { return ReadText(place_ / "train.svm"); }

  const Workplace place_;
};

}  // namespace ps
