// A strict reader of the Prometheus text format 0.0.4, for tests: what it takes, Prometheus takes,
// and what breaks the naming conventions it refuses too.
#pragma once

#include <map>
#include <optional>
#include <string>

namespace ps {

struct PrometheusSample {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;
};

class PrometheusPage {
 public:
  // Empty, with `error` set, where a line breaks the format: no HELP or TYPE before a metric,
  // samples of one metric apart, a sample twice, a counter without _total, a bad name, label or
  // number, no line end at the end.
  static std::optional<PrometheusPage> Read(const std::string& text, std::string* error);

  // The value of a sample; nothing where it is not there.
  std::optional<double> Value(const std::string& name,
                              const std::map<std::string, std::string>& labels = {}) const;
  std::size_t Count(const std::string& name) const;  // its samples
  const std::map<std::string, std::string>& types() const { return types_; }

 private:
  std::map<std::string, std::string> types_;
  std::multimap<std::string, PrometheusSample> samples_;
};

}  // namespace ps
