// A file of results that takes its place when it is whole: until then what was there before stays, and after a failure it
// still does. What is no regular file (a terminal, a pipe) is written to directly. One thread.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "models/data/data_files.h"

namespace ps {

class OutputFile {
 public:
  // Errors name `path`.
  static absl::StatusOr<std::unique_ptr<OutputFile>> Create(const std::string& path);
  ~OutputFile();  // without Finish: nothing is left
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  std::FILE* file() { return file_; }
  const std::string& path() const { return path_; }
  absl::Status Finish();  // once, as the last call; reports what buffering has hidden so far

 private:
  OutputFile(std::string path, std::string temporary, std::FILE* file)
      : path_(std::move(path)), temporary_(std::move(temporary)), file_(file) {}

  const std::string path_, temporary_;  // the same: written to directly
  std::FILE* file_;
};

// Whether what is written to `path` goes where standard output goes.
bool IsStandardOutput(const std::string& path);

// A whole file of results.
absl::Status WriteOutputFile(const std::string& path, std::string_view content);

// InvalidArgument: `path`, of the flag, is one of the files that are read (null: there are none), or in the model's
// directory.
absl::Status CheckOutput(const char* flag, const std::string& path, const std::string& model, const DataFiles* files);

}  // namespace ps
