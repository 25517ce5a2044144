// The one extractor: from a raw row to keys, compiled from the declared configuration into an
// immutable plan with a digest. Training, evaluation and (later) serving run the same plan.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "models/config/job_config.h"
#include "models/data/data_files.h"
#include "models/data/row_parser.h"
#include "models/features/key_groups.h"

namespace ps {

class Extractor {
 public:
  // Reads a bounded, deterministic sample of the training files where the configuration leaves
  // something open (column names, types, quantile cuts); never reads any of libsvm and VW
  // text. InvalidArgument names the configuration path at fault; a missing column names the known
  // ones.
  static absl::StatusOr<std::unique_ptr<Extractor>> Compile(const JobConfig& config,
                                                            const DataFiles& train);
  // For a job that declares no features: those of an earlier job's plan (as serialized), on the columns of these
  // files, which are found by name. InvalidArgument: it cannot be run on them.
  static absl::StatusOr<std::unique_ptr<Extractor>> CompileAs(const std::string& start, const JobConfig& config,
                                                              const DataFiles& train);
  static absl::StatusOr<std::unique_ptr<Extractor>> Parse(const std::string& serialized);
  virtual ~Extractor() = default;

  virtual std::string Serialize() const = 0;  // extractor.pb; equal plans give equal bytes
  // What was understood, for a person: format, columns with types and operations; several lines.
  virtual std::string Describe() const = 0;
  // A parser of this format. Immutable, may be shared by threads.
  virtual std::unique_ptr<RowParser> MakeParser() const = 0;
  // Of the keys that such a parser makes. Null: nothing tells them apart.
  virtual std::unique_ptr<KeyGroups> MakeKeyGroups() const = 0;
};

}  // namespace ps
