#include "trainer/warm_start.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "models/features/extractor_digest.h"
#include "ps/base/status_macros.h"

namespace ps {

absl::StatusOr<std::unique_ptr<Bundle>> OpenStartBundle(const std::string& dir) {
  absl::StatusOr<std::unique_ptr<Bundle>> bundle = Bundle::Open(dir);
  if (bundle.ok()) return bundle;
  return absl::Status(bundle.status().code(), absl::StrCat("model.warm_start: ", bundle.status().message()));
}

absl::StatusOr<std::unique_ptr<Bundle>> OpenWarmStart(const PreparedJob& job) {
  const std::string& dir = job.config.model.warm_start;
  if (dir.empty()) return std::unique_ptr<Bundle>();
  PS_ASSIGN_OR_RETURN(std::unique_ptr<Bundle> bundle, OpenStartBundle(dir));
  if (bundle->info().model_type != "lr") {
    return absl::InvalidArgumentError(absl::StrCat("model.warm_start: '", dir, "' is a model of type ",
                                                   bundle->info().model_type, ", not lr; its leaves can be features (op: tree_leaves)"));
  }
  const std::string digest = ExtractorDigest(job.extractor->Serialize());
  // Features that were taken from it are its own, also where columns lie elsewhere.
  if (!job.start_features && bundle->info().extractor_digest != digest) {
    return absl::InvalidArgumentError(absl::StrCat(
        "model.warm_start: '", dir, "' was trained with another feature plan (digest ",
        bundle->info().extractor_digest, ", this job's is ", digest,
        "): its weights would belong to other features; without `features` a job takes those of the model"));
  }
  return bundle;
}

bool StartWeights::Next(std::vector<Key>* keys, std::vector<float>* weights) {
  constexpr std::size_t kAtOnce = 64 << 10;
  if (bundle_ == nullptr || at_ >= bundle_->keys().size()) return false;
  const std::size_t count = std::min(kAtOnce, bundle_->keys().size() - at_);
  const auto from = bundle_->keys().subspan(at_, count);
  const auto values = bundle_->weights().subspan(at_, count);
  keys->assign(from.begin(), from.end());
  weights->assign(values.begin(), values.end());
  at_ += count;
  const bool last = at_ == bundle_->keys().size();
  if (bias_ && !bias_given_ && (last || kBiasKey < keys->back())) {
    const auto at = std::lower_bound(keys->begin(), keys->end(), kBiasKey) - keys->begin();
    keys->insert(keys->begin() + at, kBiasKey);
    weights->insert(weights->begin() + at, static_cast<float>(bundle_->info().bias));
    bias_given_ = true;
  }
  return true;
}

}  // namespace ps
