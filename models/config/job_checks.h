// What the checks of a job's sections have in common. Pure; any thread.
#pragma once

#include <string>

#include "models/config/checks.h"

namespace ps {

class JobChecks {
 public:
  JobChecks(const JobConfig& config, const GivenKeys& given, ConfigErrors* errors)
      : config_(config), given_(given), errors_(errors) {}

 protected:
  bool IsGiven(const std::string& path) const { return given_.count(path) > 0; }
  void Add(const std::string& path, const std::string& what);
  bool IsDelimited() const {
    return config_.data.format == DataFormat::kCsv || config_.data.format == DataFormat::kTsv;
  }
  // A column that is named must be one of the names known so far; a header is not read yet.
  void CheckColumn(const std::string& path, const ColumnRef& column);
  // The same, and it must not be the label.
  void CheckInput(const std::string& path, const ColumnRef& column);

  const JobConfig& config_;
  const GivenKeys& given_;
  ConfigErrors* const errors_;

 private:
  Place PlaceOf(std::string path) const;
};

void CheckFeatures(const JobConfig& config, const GivenKeys& given, ConfigErrors* errors);
void CheckTuning(const JobConfig& config, const GivenKeys& given, ConfigErrors* errors);

}  // namespace ps
