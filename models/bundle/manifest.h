// manifest.json: what a reader must know of a bundle, and the checksums of its other files.
// The last member is the checksum of all the text before it, so no byte of the file can change
// unnoticed. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "models/bundle/bundle.h"

namespace ps {

inline constexpr char kManifestName[] = "manifest.json";
inline constexpr char kWeightsName[] = "weights.bin";
inline constexpr char kExtractorName[] = "extractor.pb";
inline constexpr int kBundleVersion = 1;

struct ManifestFile {
  std::uint64_t bytes = 0;
  std::uint32_t crc32c = 0;  // of the content; of weights.bin: of its header, which covers the rest
};

struct Manifest {
  BundleInfo info;
  std::map<std::string, ManifestFile> files;
};

std::string WriteManifest(const Manifest& manifest);

// `path` is for messages. DataLoss: damaged. FailedPrecondition: of a version that this program
// cannot read.
absl::StatusOr<Manifest> ParseManifest(const std::string& path, std::string_view text);

// Whether a file of a bundle may be called so: plain, and of the bundle's own directory.
bool IsBundleFileName(std::string_view name);

// JSON string literal of UTF-8 text.
std::string JsonString(std::string_view text);

}  // namespace ps
