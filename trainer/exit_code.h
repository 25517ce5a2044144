// What a program's exit status means; the same for all of them. Pure.
#pragma once

#include "absl/status/status.h"

namespace ps {

enum class ExitCode {
  kOk = 0,
  kConfiguration = 2,
  kData = 3,
  kDiverged = 4,
  kImpossible = 5,   // the plan cannot work here: memory, disk, a GPU; a failure that is not the data's
  kWithoutTest = 6,    // the model is written, but the test rows could not be read: it has no test metrics
  kTryAgain = 75,    // a peer or a store was away too long
  kTerminated = 143,
};

// Of a failure while training.
inline ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk: return ExitCode::kOk;
    case absl::StatusCode::kOutOfRange: return ExitCode::kDiverged;
    case absl::StatusCode::kCancelled: return ExitCode::kTerminated;
    case absl::StatusCode::kInternal:  // a GPU that fails, above all
    case absl::StatusCode::kResourceExhausted: return ExitCode::kImpossible;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded: return ExitCode::kTryAgain;
    default: return ExitCode::kData;
  }
}

}  // namespace ps
