// What a person may ask of a running cluster, and how the answer comes back.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace ps {

struct ClusterCommand {
  enum class Kind { kScale, kDrain, kCheckpoint, kStop };
  Kind kind = Kind::kStop;
  std::optional<std::uint32_t> servers, workers;  // kScale: how many there shall be
  std::uint32_t node = 0;                         // kDrain
};

// Called exactly once, with a sentence for the person who asked. InvalidArgument: the command makes
// no sense; NotFound: no such node; FailedPrecondition: not now; Unimplemented: not in this job.
using CommandReply = std::function<void(absl::StatusOr<std::string>)>;

}  // namespace ps
