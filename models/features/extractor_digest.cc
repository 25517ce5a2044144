#include "models/features/extractor_digest.h"

#include <xxhash.h>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"

namespace ps {

std::string ExtractorDigest(const std::string& serialized) {
  XXH128_canonical_t bytes;
  XXH128_canonicalFromHash(&bytes, XXH3_128bits(serialized.data(), serialized.size()));
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(bytes.digest), sizeof bytes.digest));
}

}  // namespace ps
