#include "trainer/warm_start.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "ps/base/status_macros.h"

namespace ps {

absl::StatusOr<std::unique_ptr<Bundle>> OpenWarmStart(const PreparedJob& job) {
  const std::string& dir = job.config.model.warm_start;
  if (dir.empty()) return std::unique_ptr<Bundle>();
  PS_ASSIGN_OR_RETURN(std::unique_ptr<Bundle> bundle, Bundle::Open(dir));
  const std::string digest = ExtractorDigest(job.extractor->Serialize());
  if (bundle->info().extractor_digest != digest) {
    return absl::InvalidArgumentError(absl::StrCat(
        "model.warm_start: '", dir, "' was trained with another feature plan (digest ",
        bundle->info().extractor_digest, ", this job's is ", digest,
        "): its weights would belong to other features"));
  }
  return bundle;
}

}  // namespace ps
