// From a YAML job file and the command line's overrides to a JobConfig, strictly.
//
// An unknown or duplicate key, a wrong type or an impossible value is an error; all errors of a
// file are listed together: InvalidArgument, each with file and line (or the override), the dotted
// path, what is wrong and, for an unknown key, the nearest known one. NotFound: there is no such
// file. Pure but for reading the file and the environment (texts written env:NAME); any thread.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "models/config/job_config.h"

namespace ps {

// An override is "a.b=c": c is read as YAML (numbers, lists "[x, y]", quoted texts) and replaces
// whatever the file says at a.b; later ones win. Items of a list are reached by number:
// "features.0.buckets=64".
using Overrides = std::vector<std::string>;

absl::StatusOr<JobConfig> LoadJobConfig(const std::string& path, const Overrides& overrides);

absl::StatusOr<JobConfig> ParseJobConfig(const std::string& yaml_text,
                                         const std::string& file_name_for_errors,
                                         const Overrides& overrides);

// A job and the text that says the same: overrides applied, defaults left out, env:NAME as written
// (so that no secret lands in a file). Parsing the text gives an equal config.
struct LoadedJob {
  JobConfig config;
  std::string effective_yaml;
};

absl::StatusOr<LoadedJob> LoadJob(const std::string& path, const Overrides& overrides);
absl::StatusOr<LoadedJob> ParseJob(const std::string& yaml_text,
                                   const std::string& file_name_for_errors,
                                   const Overrides& overrides);

absl::StatusOr<std::string> EffectiveYaml(const std::string& yaml_text,
                                          const std::string& file_name_for_errors,
                                          const Overrides& overrides);

}  // namespace ps
