#include "models/features/extractor.h"

#include <xxhash.h>

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "models/data/libsvm_parser.h"
#include "models/data/vw_parser.h"
#include "models/features/plan.h"
#include "models/features/plan_compiler.h"
#include "models/features/table_parser.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

class PlanExtractor final : public Extractor {
 public:
  explicit PlanExtractor(features::Plan plan) : plan_(std::move(plan)) {}

  std::string Serialize() const override { return plan_.SerializeAsString(); }
  std::string Describe() const override { return DescribePlan(plan_); }

  std::unique_ptr<RowParser> MakeParser() const override {
    if (plan_.format() == "libsvm") return std::make_unique<LibsvmParser>(plan_.index_base());
    if (plan_.format() == "vw") return std::make_unique<VwParser>();
    return MakeTableParser(plan_);
  }

 private:
  const features::Plan plan_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Extractor>> Extractor::Compile(const JobConfig& config,
                                                              const DataFiles& train) {
  PS_ASSIGN_OR_RETURN(features::Plan plan, CompilePlan(config, train));
  return std::make_unique<PlanExtractor>(std::move(plan));
}

absl::StatusOr<std::unique_ptr<Extractor>> Extractor::Parse(const std::string& serialized) {
  features::Plan plan;
  if (!plan.ParseFromString(serialized)) {
    return absl::InvalidArgumentError("malformed extractor plan: not a plan at all");
  }
  PS_RETURN_IF_ERROR(ValidatePlan(plan));
  return std::make_unique<PlanExtractor>(std::move(plan));
}

std::string ExtractorDigest(const std::string& serialized) {
  XXH128_canonical_t bytes;
  XXH128_canonicalFromHash(&bytes, XXH3_128bits(serialized.data(), serialized.size()));
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(bytes.digest), sizeof bytes.digest));
}

}  // namespace ps
