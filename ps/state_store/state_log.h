// The bytes of a file store: one frame a commit. docs/checkpoint_format.md describes them.
//
// Pure functions over bytes; any thread. Little-endian.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace ps {

using StateRecords = std::map<std::string, std::string>;

inline constexpr std::size_t kStateFrameHeaderBytes = 32;

// A frame's place in its log: `sequence` goes up by one from frame to frame; `term` is the same for
// a whole file.
struct StateFrameName {
  std::uint64_t sequence = 0;
  std::uint64_t term = 0;
};

// InvalidArgument when the records take 4 GiB or more.
absl::StatusOr<std::string> EncodeStateFrame(
    const StateFrameName& name, absl::Span<const std::pair<std::string, std::string>> records);

struct StateLog {
  StateRecords records;
  StateFrameName last;  // of the last whole frame
  std::size_t whole_bytes =
      0;  // up to the end of the last whole frame; what follows is a torn commit
};

// Reads a log. What was being written when the machine died is at the end and is ignored. DataLoss,
// with `path` and the offset, when the first frame is damaged (files appear by rename, so it was
// whole) or when a whole frame follows a damaged one.
absl::StatusOr<StateLog> ReadStateLog(const std::string& path, std::string_view bytes);

}  // namespace ps
