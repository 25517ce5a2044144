// What ps_serve counts, and /metrics shows. Any thread; a count is one relaxed addition.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "serving/model_watch.h"

namespace ps {

class ServingMetrics {
 public:
  // An answer to a request for predictions; rows: that were predicted.
  void CountPredictions(int http_status, std::size_t rows, double seconds);

  // As Prometheus reads it. `name`: of the model.
  std::string Text(const ModelWatch& models, const std::string& name) const;

 private:
  // Upper bounds in seconds; what takes longer is in one more bucket.
  static constexpr std::array<double, 14> kBounds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                                     0.025,  0.05,    0.1,    0.25,  0.5,    1,     2.5};
  static constexpr std::array<int, 4> kStatuses = {200, 400, 413, 500};  // of answers; others count as the last

  std::array<std::atomic<std::uint64_t>, kStatuses.size()> requests_{};
  std::array<std::atomic<std::uint64_t>, kBounds.size() + 1> buckets_{};
  std::atomic<std::uint64_t> nanoseconds_{0};
  std::atomic<std::uint64_t> rows_{0};
};

}  // namespace ps
