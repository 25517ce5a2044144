// An error of what a job says, for the code that makes a plan of it.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace ps {

template <typename... Parts>
absl::Status Invalid(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

}  // namespace ps
