// Random margins and labels for tests of the metrics.
#pragma once

#include <cmath>
#include <random>
#include <vector>

#include "models/metrics/metrics.h"

namespace ps {

struct Sample {
  std::vector<float> margin, label, weight;
  std::size_t rows() const { return margin.size(); }
};

struct Shape {
  const char* name;
  int rows;
  double scale;  // of the margins; large ones leave the binned range
  double grid;   // margins are multiples of it: ties; 0: none
  bool weighted;
};

inline Sample Draw(const Shape& shape, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(-1, shape.scale);
  std::uniform_real_distribution<double> uniform(0, 1);
  Sample sample;
  for (int i = 0; i < shape.rows; ++i) {
    double margin = normal(random);
    if (shape.grid > 0) margin = std::round(margin / shape.grid) * shape.grid;
    sample.margin.push_back(static_cast<float>(margin));
    sample.label.push_back(uniform(random) < Sigmoid(0.7 * margin) ? 1 : 0);
    sample.weight.push_back(shape.weighted ? static_cast<float>(std::exp(uniform(random))) : 1);
  }
  return sample;
}

}  // namespace ps
