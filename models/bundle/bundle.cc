#include "models/bundle/bundle.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "models/bundle/bundle_directory.h"
#include "models/bundle/manifest.h"
#include "models/bundle/weights_file.h"
#include "ps/base/crc32c.h"
#include "ps/base/file.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

absl::StatusOr<std::string> ReadChecked(const std::string& path, const ManifestFile& expected) {
  absl::StatusOr<std::string> content = ReadWholeFile(path);
  if (absl::IsNotFound(content.status())) {
    return absl::DataLossError(absl::StrCat(path, ": offset 0: the file is missing"));
  }
  PS_RETURN_IF_ERROR(content.status());
  if (content->size() != expected.bytes) {
    return absl::DataLossError(absl::StrCat(path, ": offset ", content->size(),
                                            ": the file should have ", expected.bytes, " bytes"));
  }
  if (Crc32c(*content) != expected.crc32c) {
    return absl::DataLossError(absl::StrCat(path, ": offset 0: the checksum of the ",
                                            expected.bytes, " bytes does not match"));
  }
  return content;
}

absl::StatusOr<WeightsFile> OpenWeights(const std::string& path, const Manifest& manifest) {
  absl::StatusOr<WeightsFile> weights = WeightsFile::Open(path);
  if (absl::IsNotFound(weights.status())) {
    return absl::DataLossError(absl::StrCat(path, ": offset 0: the file is missing"));
  }
  PS_RETURN_IF_ERROR(weights.status());
  const auto listed = manifest.files.find(kWeightsName);
  const WeightsHeader& header = weights->header();
  if (listed == manifest.files.end() || listed->second.crc32c != header.header_crc32c ||
      listed->second.bytes != header.file_bytes || manifest.info.features != header.count) {
    return absl::DataLossError(
        absl::StrCat(path, ": offset 0: these are not the weights that the manifest describes"));
  }
  return weights;
}

}  // namespace

struct Bundle::Mapping {
  WeightsFile weights;
  std::map<std::string, ManifestFile> files;
};

absl::StatusOr<std::unique_ptr<Bundle>> Bundle::Open(const std::string& dir) {
  PS_ASSIGN_OR_RETURN(const std::string target, BundlePath(dir));
  PS_ASSIGN_OR_RETURN(const std::string place, LocateBundle(target));
  const std::string manifest_path = absl::StrCat(place, "/", kManifestName);
  PS_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(manifest_path));
  PS_ASSIGN_OR_RETURN(Manifest manifest, ParseManifest(manifest_path, text));
  PS_ASSIGN_OR_RETURN(WeightsFile weights,
                      OpenWeights(absl::StrCat(place, "/", kWeightsName), manifest));
  std::unique_ptr<Bundle> bundle(new Bundle());
  bundle->dir_ = place;
  bundle->info_ = manifest.info;
  bundle->keys_ = weights.keys();
  bundle->weights_ = weights.weights();
  bundle->slot_begin_ = weights.slot_begin();
  bundle->mapping_ =
      std::make_unique<Mapping>(Mapping{std::move(weights), std::move(manifest.files)});
  for (const auto& [name, file] : bundle->mapping_->files) {
    if (name != kWeightsName) PS_RETURN_IF_ERROR(bundle->ReadFile(name).status());
  }
  return bundle;
}

Bundle::~Bundle() = default;

absl::StatusOr<std::string> Bundle::ReadFile(const std::string& name) const {
  const auto listed = mapping_->files.find(name);
  if (listed == mapping_->files.end() || name == kWeightsName) {
    return absl::NotFoundError(absl::StrCat(dir_, ": the bundle has no ", name));
  }
  return ReadChecked(absl::StrCat(dir_, "/", name), listed->second);
}

}  // namespace ps
