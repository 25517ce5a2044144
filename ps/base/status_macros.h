// Early return for absl::Status and absl::StatusOr, so that every call's error is handled or passed on.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define PS_CONCAT_INNER(a, b) a##b
#define PS_CONCAT(a, b) PS_CONCAT_INNER(a, b)

#define PS_RETURN_IF_ERROR(expression)                           \
  do {                                                           \
    if (absl::Status ps_status = (expression); !ps_status.ok()) { \
      return ps_status;                                          \
    }                                                            \
  } while (false)

#define PS_ASSIGN_OR_RETURN(declaration, expression) \
  PS_ASSIGN_OR_RETURN_INNER(PS_CONCAT(ps_or_, __LINE__), declaration, expression)

#define PS_ASSIGN_OR_RETURN_INNER(holder, declaration, expression) \
  auto holder = (expression);                                      \
  if (!holder.ok()) return std::move(holder).status();             \
  declaration = *std::move(holder)
