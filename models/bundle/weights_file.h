// A weights.bin, checked and mapped read-only. Immutable: any thread. The spans live as long as the
// object.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "models/bundle/weights_format.h"
#include "ps/base/file.h"
#include "ps/base/key.h"

namespace ps {

class WeightsFile {
 public:
  // Reads the file once, front to back. DataLoss names the path and the offset for whatever differs
  // from the format: checksums, sizes, gaps, the order of keys, the index.
  static absl::StatusOr<WeightsFile> Open(const std::string& path);

  const WeightsHeader& header() const { return header_; }
  absl::Span<const Key> keys() const { return keys_; }
  absl::Span<const float> weights() const { return weights_; }
  absl::Span<const std::uint64_t> slot_begin() const { return slot_begin_; }

 private:
  explicit WeightsFile(MappedFile file) : file_(std::move(file)) {}

  MappedFile file_;
  WeightsHeader header_;
  absl::Span<const Key> keys_;
  absl::Span<const float> weights_;
  absl::Span<const std::uint64_t> slot_begin_;
};

}  // namespace ps
