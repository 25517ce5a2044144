// The settings of trees that tuning looks among. A place is a point of the unit cube, one coordinate a
// setting, so that a step means about as much in each: rates and penalties go by their logarithm.
// Settings have at most three digits, so that they are the same when written down. Immutable; any
// thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "models/config/job_config.h"

namespace ps {

// Leaves of a tree, at most, among the settings.
inline constexpr int kMostTunedLeaves = 255;

class SettingSpace {
 public:
  // learning_rate, max_leaves, max_depth, min_hessian, l1, l2, row_sample, column_sample.
  using Place = std::array<double, 8>;

  // Whatever is not tuned, and the number of trees, stays as in `job`.
  SettingSpace(const GbdtConfig& job, std::uint64_t seed);

  Place Default() const;
  // `number` decides the draw.
  Place Draw(std::uint64_t number) const;
  // Near `parent`, with some of its coordinates taken from `other`.
  Place Challenger(const Place& parent, const Place& other, std::uint64_t number) const;

  GbdtConfig At(const Place& place) const;

  // The same in fewer trees with larger steps: what a short training tells of a long one.
  static GbdtConfig Shortened(const GbdtConfig& setting, int trees);

 private:
  GbdtConfig job_;
  std::uint64_t seed_;
  double lowest_rate_, highest_rate_;
};

// "learning_rate 0.1 max_leaves 31 ...".
std::string SettingText(const GbdtConfig& setting);

}  // namespace ps
