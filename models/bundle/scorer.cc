#include "models/bundle/scorer.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "models/bundle/manifest.h"
#include "models/features/extractor_digest.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr std::size_t kFeaturesAtOnce = 1024;

}  // namespace

absl::StatusOr<std::unique_ptr<Scorer>> Scorer::FromBundle(std::unique_ptr<const Bundle> bundle) {
  if (bundle->info().model_type != "lr") {
    return absl::FailedPreconditionError(absl::StrCat(bundle->dir(), ": a model of type ", bundle->info().model_type,
                                                      " has no weights to score with"));
  }
  const absl::StatusOr<std::string> plan = bundle->ReadFile(kExtractorName);
  if (absl::IsNotFound(plan.status())) {
    return absl::FailedPreconditionError(absl::StrCat(
        bundle->dir(), ": without its ", kExtractorName, " the model cannot read rows"));
  }
  PS_RETURN_IF_ERROR(plan.status());
  if (ExtractorDigest(*plan) != bundle->info().extractor_digest) {
    return absl::FailedPreconditionError(
        absl::StrCat(bundle->dir(), "/", kExtractorName, ": digest ", ExtractorDigest(*plan),
                     ", but the model was trained with ", bundle->info().extractor_digest));
  }
  const Bundle* model = bundle.get();
  auto scorer =
      std::make_unique<Scorer>([model](absl::Span<const Key> keys,
                                       absl::Span<float> weights) { model->Lookup(keys, weights); },
                               model->info().bias + model->info().margin_offset);
  PS_ASSIGN_OR_RETURN(scorer->extractor_, Extractor::Parse(*plan));
  scorer->parser_ = scorer->extractor_->MakeParser();
  scorer->bundle_ = std::move(bundle);
  return scorer;
}

void Scorer::Score(const RowBlock& block, std::vector<float>* margins) const {
  margins->resize(block.rows());
  std::array<float, kFeaturesAtOnce> weights;
  std::size_t row = 0;
  double margin = bias_;
  // Pieces of features go over the ends of rows; `row` is the one that the next feature belongs to.
  const auto finish_rows = [&](std::size_t feature) {
    for (; row < block.rows() && block.row_begin[row + 1] == feature; ++row) {
      (*margins)[row] = static_cast<float>(margin);
      margin = bias_;
    }
  };
  finish_rows(0);
  for (std::size_t first = 0; first < block.features(); first += kFeaturesAtOnce) {
    const std::size_t count = std::min(kFeaturesAtOnce, block.features() - first);
    lookup_(absl::MakeConstSpan(block.key).subspan(first, count),
            absl::MakeSpan(weights).subspan(0, count));
    for (std::size_t i = 0; i < count; ++i) {
      const double value = block.value.empty() ? 1.0 : block.value[first + i];
      margin += weights[i] * value;
      finish_rows(first + i + 1);
    }
  }
}

}  // namespace ps
