// A small model of libsvm rows: the weight of index i is WeightOfIndex(i), the bias -0.5, the
// margin offset 0.25.
#pragma once

#include <map>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "models/bundle/bundle.h"
#include "models/features/extractor.h"

namespace ps {

inline constexpr double kLibsvmBias = -0.5 + 0.25;

inline float WeightOfIndex(std::uint64_t index) {
  return static_cast<float>(static_cast<int>(index * 7 % 19) - 9) / 8;
}

inline std::string LibsvmPlan() {
  JobConfig config;
  config.data.format = DataFormat::kLibsvm;
  const auto extractor = Extractor::Compile(config, DataFiles());
  EXPECT_TRUE(extractor.ok()) << extractor.status();
  return extractor.ok() ? (*extractor)->Serialize() : "";
}

inline void WriteLibsvmModel(const std::string& dir, std::uint64_t features, float shift = 0) {
  std::map<Key, float> weights;
  for (std::uint64_t i = 1; i <= features; ++i) weights[IndexKey(i)] = WeightOfIndex(i) + shift;
  auto writer = BundleWriter::Create(dir);
  ASSERT_TRUE(writer.ok()) << writer.status();
  for (const auto& [key, weight] : weights) {
    ASSERT_TRUE((*writer)->AppendWeights({key}, {weight}).ok());
  }
  ASSERT_TRUE((*writer)->AddFile("extractor.pb", LibsvmPlan()).ok());
  BundleInfo info;
  info.job_name = "tiny";
  info.rows_learnt = 4200;
  info.bias = -0.5;
  info.margin_offset = 0.25;
  info.optimizer = "ftrl alpha=0.1 beta=1 l1=0 l2=0";
  ASSERT_TRUE((*writer)->Finish(info).ok());
}

struct LibsvmData {
  std::string text;
  std::vector<float> label, margin;
};

// Rows of up to 6 features among indices 1 to `range` (those above the model's have no weight).
inline LibsvmData DrawLibsvmData(std::size_t rows, std::uint64_t features, std::uint64_t range) {
  std::mt19937_64 random(11);
  LibsvmData data;
  for (std::size_t r = 0; r < rows; ++r) {
    double margin = kLibsvmBias;
    const float label = random() % 3 == 0;
    data.text += label > 0 ? "1" : "-1";
    std::uint64_t index = 0;
    for (int left = static_cast<int>(random() % 7); left > 0 && index < range; --left) {
      index += 1 + random() % (range / 6);
      const int quarters = static_cast<int>(random() % 9) - 4;
      data.text += " " + std::to_string(index) + ":" + std::to_string(quarters * 0.25);
      if (index <= features) margin += double{WeightOfIndex(index)} * (quarters * 0.25);
    }
    data.text += "\n";
    data.label.push_back(label);
    data.margin.push_back(static_cast<float>(margin));
  }
  return data;
}

}  // namespace ps
