// Bundles with made-up weights, and what they should contain.
#pragma once

#include <map>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "models/bundle/bundle.h"

namespace ps {

inline std::map<Key, float> DrawWeights(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::map<Key, float> weights;
  while (weights.size() < count) {
    const Key key = NonZeroKey(random());
    const float weight = normal(random);
    if (key != kBiasKey && weight != 0) weights[key] = weight;
  }
  return weights;
}

inline BundleInfo SomeInfo() {
  BundleInfo info;
  info.job_name = "a \"job\"\twith \\ and \xc3\xa4";
  info.complete = false;
  info.rows_learnt = 123456789012;
  info.bias = -1.25;
  info.margin_offset = 0.1;
  info.optimizer = "ftrl alpha=0.1 beta=1 l1=0 l2=0";
  return info;
}

inline void WriteBundle(const std::string& dir, const std::map<Key, float>& weights,
                        const BundleInfo& info = SomeInfo()) {
  auto writer = BundleWriter::Create(dir);
  ASSERT_TRUE(writer.ok()) << writer.status();
  std::vector<Key> keys;
  std::vector<float> values;
  const auto append = [&] {
    ASSERT_TRUE((*writer)->AppendWeights(keys, values).ok());
    keys.clear();
    values.clear();
  };
  for (const auto& [key, weight] : weights) {
    keys.push_back(key);
    values.push_back(weight);
    if (keys.size() == 1000) append();
  }
  append();
  ASSERT_TRUE((*writer)->AddFile("extractor.pb", std::string("plan\0of bytes", 13)).ok());
  ASSERT_TRUE((*writer)->AddFile("job.yaml", "job: x\n").ok());
  const absl::Status status = (*writer)->Finish(info);
  ASSERT_TRUE(status.ok()) << status;
}

}  // namespace ps
