// All that is wrong with a job file, collected so that one run shows everything.
//
// One thread; owned by the load of one file.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "models/config/yaml_tree.h"

namespace ps {

class ConfigErrors {
 public:
  ConfigErrors(std::string file_name, std::vector<std::string> overrides)
      : file_name_(std::move(file_name)), overrides_(std::move(overrides)) {}

  void Add(Place place, std::string message);  // a place of line 0 means the file as a whole
  bool empty() const { return errors_.empty(); }

  // OK, or InvalidArgument: "job.yaml:3: what" for one error, a heading and a line each for
  // several.
  absl::Status ToStatus() const;

 private:
  struct Error {
    Place place;
    std::string message;
  };

  const std::string file_name_;
  const std::vector<std::string> overrides_;
  std::vector<Error> errors_;
};

}  // namespace ps
