// Writes weights.bin front to back: keys as they come, weights beside them in a second file that is
// appended at the end, then the slot index. Memory is a few buffers, whatever the number of
// weights. One thread. Errors name the path; after an error the object is only good for
// destruction.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "models/bundle/weights_format.h"
#include "ps/base/key.h"

namespace ps {

class SectionFile;

class WeightsWriter {
 public:
  // Creates `path`, which must not exist, and for the time of writing `path`.part.
  static absl::StatusOr<std::unique_ptr<WeightsWriter>> Create(const std::string& path);
  ~WeightsWriter();

  // Keys strictly ascending over all calls. Zero weights are left out. InvalidArgument: keys out of
  // order, key 0, the bias key, spans of unequal length, a weight that is not finite.
  absl::Status Append(absl::Span<const Key> keys, absl::Span<const float> weights);

  // Completes and syncs the file.
  absl::StatusOr<WeightsHeader> Finish();

  std::uint64_t count() const { return count_; }

 private:
  WeightsWriter();
  absl::Status AppendWeightSection(WeightsHeader* header);
  absl::Status AppendIndex(WeightsHeader* header);

  std::string path_;
  std::unique_ptr<SectionFile> keys_;     // weights.bin itself
  std::unique_ptr<SectionFile> weights_;  // the part file
  std::uint64_t count_ = 0;
  Key last_key_ = kEmptyKey;
};

}  // namespace ps
