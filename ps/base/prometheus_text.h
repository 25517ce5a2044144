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

namespace ps {

class PrometheusText {
 public:
  using Labels = std::vector<std::pair<const char*, std::string>>;

  // `name` ends with its unit, counters with _total; `type` is counter or gauge.
  PrometheusText& Begin(const char* name, const char* type, const char* help);
  PrometheusText& Sample(double value, const Labels& labels = {});
  // A metric with one sample.
  PrometheusText& Gauge(const char* name, const char* help, double value);
  PrometheusText& Counter(const char* name, const char* help, double value);

  const std::string& text() const { return text_; }

 private:
  std::string name_;
  std::string text_;
};

// process_cpu_seconds_total and the like, as every Prometheus client names them, and the memory
// limit of the container.
void AppendProcessMetrics(PrometheusText* out);

}  // namespace ps
