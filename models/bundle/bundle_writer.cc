#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "models/bundle/bundle.h"
#include "models/bundle/bundle_directory.h"
#include "models/bundle/manifest.h"
#include "models/bundle/weights_writer.h"
#include "models/features/extractor_digest.h"
#include "ps/base/crc32c.h"
#include "ps/base/file.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

absl::Status CheckFileName(const std::string& name, const Manifest& manifest) {
  if (!IsBundleFileName(name)) {
    return absl::InvalidArgumentError(absl::StrCat("\"", name, "\" is not a file name"));
  }
  if (name == kManifestName || name == kWeightsName || manifest.files.count(name) != 0) {
    return absl::InvalidArgumentError(absl::StrCat(name, " is in the bundle already"));
  }
  return absl::OkStatus();
}

}  // namespace

struct BundleWriter::Rep {
  std::unique_ptr<BundleStaging> staging;
  std::unique_ptr<WeightsWriter> weights;
  Manifest manifest;
  std::string extractor_digest;

  std::string PathOf(const std::string& name) const {
    return absl::StrCat(staging->path(), "/", name);
  }
};

absl::StatusOr<std::unique_ptr<BundleWriter>> BundleWriter::Create(std::string dir) {
  std::unique_ptr<BundleWriter> writer(new BundleWriter());
  writer->rep_ = std::make_unique<Rep>();
  Rep& rep = *writer->rep_;
  PS_ASSIGN_OR_RETURN(rep.staging, BundleStaging::Create(dir));
  PS_ASSIGN_OR_RETURN(rep.weights, WeightsWriter::Create(rep.PathOf(kWeightsName)));
  return writer;
}

BundleWriter::~BundleWriter() = default;

absl::Status BundleWriter::AppendWeights(absl::Span<const Key> keys,
                                         absl::Span<const float> weights) {
  return rep_->weights->Append(keys, weights);
}

absl::Status BundleWriter::AddFile(const std::string& name, const std::string& content) {
  PS_RETURN_IF_ERROR(CheckFileName(name, rep_->manifest));
  PS_RETURN_IF_ERROR(WriteFileAtomically(rep_->PathOf(name), content));
  rep_->manifest.files[name] = {content.size(), Crc32c(content)};
  if (name == kExtractorName) rep_->extractor_digest = ExtractorDigest(content);
  return absl::OkStatus();
}

absl::Status BundleWriter::Finish(BundleInfo info) {
  if (!std::isfinite(info.bias) || !std::isfinite(info.margin_offset)) {
    return absl::InvalidArgumentError(
        absl::StrCat(rep_->staging->path(), ": bias and margin offset must be finite"));
  }
  PS_ASSIGN_OR_RETURN(const WeightsHeader header, rep_->weights->Finish());
  Manifest& manifest = rep_->manifest;
  manifest.files[kWeightsName] = {header.file_bytes, header.header_crc32c};
  manifest.info = std::move(info);
  manifest.info.features = header.count;
  manifest.info.extractor_digest = rep_->extractor_digest;
  const std::string text = WriteManifest(manifest);
  const std::string path = rep_->PathOf(kManifestName);
  // Names and other text come from people; what no reader would accept must not replace a good
  // bundle.
  if (const auto parsed = ParseManifest(path, text); !parsed.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("the model's description cannot be stored: ",
                                                   std::string(parsed.status().message())));
  }
  PS_RETURN_IF_ERROR(WriteFileAtomically(path, text));
  return rep_->staging->Publish();
}

}  // namespace ps
