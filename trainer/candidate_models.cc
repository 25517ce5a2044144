#include "trainer/candidate_models.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/lane_learner.h"
#include "ps/base/file.h"
#include "ps/base/status_macros.h"

namespace ps {

CandidateModels::~CandidateModels() {
  Drop();
  if (remove_best_ && has_best_) RemoveTree(BestDir()).IgnoreError();
}

std::string CandidateModels::DirOf(std::uint32_t lane) const {
  return absl::StrCat(output_, ".ps_train_candidate", lane == 0 ? "" : absl::StrCat("_", lane));
}

absl::Status CandidateModels::Append(std::uint32_t lane, absl::Span<const Key> keys,
                                     absl::Span<const float> weights) {
  if (writing_.size() <= lane) writing_.resize(lane + 1);
  Writing& model = writing_[lane];
  if (model.writer == nullptr) {
    PS_ASSIGN_OR_RETURN(model.writer, BundleWriter::Create(DirOf(lane)));
  }
  // The bias is not stored among the weights.
  const auto bias = std::lower_bound(keys.begin(), keys.end(), kBiasKey) - keys.begin();
  if (bias == static_cast<std::ptrdiff_t>(keys.size()) || keys[bias] != kBiasKey) {
    return model.writer->AppendWeights(keys, weights);
  }
  model.bias = weights[bias];
  PS_RETURN_IF_ERROR(model.writer->AppendWeights(keys.subspan(0, bias), weights.subspan(0, bias)));
  return model.writer->AppendWeights(keys.subspan(bias + 1), weights.subspan(bias + 1));
}

void CandidateModels::Abandon() { writing_.clear(); }

absl::StatusOr<std::vector<std::unique_ptr<Scorer>>> CandidateModels::Open(std::uint32_t lanes) {
  std::vector<std::unique_ptr<Scorer>> scorers;
  for (std::uint32_t lane = 0; lane < lanes; ++lane) {
    PS_RETURN_IF_ERROR(Append(lane, {}, {}));
    BundleInfo info;
    info.bias = writing_[lane].bias;
    info.margin_offset = margin_offset_;
    PS_RETURN_IF_ERROR(writing_[lane].writer->AddFile("extractor.pb", extractor_));
    PS_RETURN_IF_ERROR(writing_[lane].writer->Finish(std::move(info)));
    writing_[lane].writer.reset();
    wrote_ = true;
    PS_ASSIGN_OR_RETURN(std::unique_ptr<Bundle> bundle, Bundle::Open(DirOf(lane)));
    PS_ASSIGN_OR_RETURN(scorers.emplace_back(), Scorer::FromBundle(std::move(bundle)));
  }
  writing_.clear();
  return scorers;
}

absl::Status CandidateModels::Keep(std::uint32_t lane) {
  PS_RETURN_IF_ERROR(RemoveTree(BestDir()));
  // A bundle is mapped, so it survives being moved.
  if (std::rename(DirOf(lane).c_str(), BestDir().c_str()) != 0) {
    return absl::InternalError(absl::StrCat("cannot rename '", DirOf(lane), "'"));
  }
  has_best_ = true;
  Drop();
  return absl::OkStatus();
}

void CandidateModels::Drop() {
  // Of a process that was killed there may be more than of this one.
  for (std::uint32_t lane = 0; wrote_ && lane < kMostLanes; ++lane)
    RemoveTree(DirOf(lane)).IgnoreError();
  wrote_ = false;
}

absl::Status CandidateModels::RemoveFormer() {
  wrote_ = true;
  Drop();
  return RemoveTree(BestDir());
}

absl::StatusOr<std::unique_ptr<Scorer>> CandidateModels::OpenBest() {
  PS_ASSIGN_OR_RETURN(std::unique_ptr<Bundle> bundle, Bundle::Open(BestDir()));
  has_best_ = true;
  return Scorer::FromBundle(std::move(bundle));
}

}  // namespace ps
