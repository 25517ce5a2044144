// Writes the Prometheus text exposition format, version 0.0.4
// (prometheus.io/docs/instrumenting/exposition_formats). One thread.
//
// All samples of a metric stand together under its HELP and TYPE, so a metric is begun once and its
// samples follow before the next is begun.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"

namespace ps {

class PrometheusText {
 public:
  using Labels = std::vector<std::pair<const char*, std::string>>;

  // `name` ends with its unit, counters with _total; `type` is counter, gauge or histogram.
  PrometheusText& Begin(const char* name, const char* type, const char* help);
  PrometheusText& Sample(double value, const Labels& labels = {});
  // A metric with one sample.
  PrometheusText& Gauge(const char* name, const char* help, double value);
  PrometheusText& Counter(const char* name, const char* help, double value);
  // Of observations in buckets: counts[i] of those up to bounds[i] that are in no bucket before, and one
  // more count of the rest. `bounds` ascend; `sum` is that of all observations.
  PrometheusText& Histogram(const char* name, const char* help, absl::Span<const double> bounds,
                            absl::Span<const std::uint64_t> counts, double sum);

  const std::string& text() const { return text_; }

 private:
  std::string name_;
  std::string text_;
};

// process_cpu_seconds_total and the like, as every Prometheus client names them, and the memory
// limit of the container.
void AppendProcessMetrics(PrometheusText* out);

}  // namespace ps
