#include "serving/served_model.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "models/bundle/bundle_directory.h"
#include "models/bundle/manifest.h"
#include "models/gbdt/json_value.h"
#include "ps/base/crc32c.h"
#include "ps/base/file.h"
#include "ps/base/seconds.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr int kMostOpenings = 5;

bool ReadsAsNumber(const features::Feature& feature) {
  switch (feature.op()) {
    case features::Feature::BUCKET:
    case features::Feature::NUMERIC:
    case features::Feature::LOG:
    case features::Feature::RAW:
      return true;
    default:
      return false;
  }
}

RowFormat FormatOf(const features::Plan& plan) {
  if (plan.format() == "libsvm") return RowFormat::kLibsvm;
  return plan.format() == "vw" ? RowFormat::kVowpalWabbit : RowFormat::kTable;
}

}  // namespace

absl::StatusOr<std::string> ServedModel::VersionAt(const std::string& dir) {
  PS_ASSIGN_OR_RETURN(const std::string located, LocateBundle(dir));
  PS_ASSIGN_OR_RETURN(const std::string manifest, ReadWholeFile(absl::StrCat(located, "/", kManifestName)));
  return absl::StrCat(Crc32c(manifest));
}

absl::StatusOr<std::shared_ptr<const ServedModel>> ServedModel::Open(const std::string& dir) {
  for (int opening = 0; opening < kMostOpenings; ++opening) {
    const absl::StatusOr<std::string> before = VersionAt(dir);
    absl::StatusOr<std::shared_ptr<ServedModel>> model = OpenOnce(dir);
    const absl::StatusOr<std::string> after = VersionAt(dir);
    // Another bundle took its place meanwhile: of which one the files were is not known, nor whether what
    // is wrong with them is wrong with it.
    if (before.ok() != after.ok() || (before.ok() && *before != *after)) continue;
    if (!model.ok()) return model.status();
    if (!before.ok()) return before.status();
    (*model)->version_ = *before;
    return *std::move(model);
  }
  return absl::UnavailableError(absl::StrCat(dir, ": the model is replaced faster than it can be opened"));
}

absl::StatusOr<std::shared_ptr<ServedModel>> ServedModel::OpenOnce(const std::string& dir) {
  PS_ASSIGN_OR_RETURN(std::unique_ptr<Bundle> bundle, Bundle::Open(dir));
  std::shared_ptr<ServedModel> model(new ServedModel);
  PS_ASSIGN_OR_RETURN(model->scorer_, ModelScorer::FromBundle(std::move(bundle)));
  model->opened_at_ = Seconds(std::chrono::system_clock::now().time_since_epoch());
  model->ReadPlan();
  return model;
}

void ServedModel::ReadPlan() {
  const features::Plan& plan = scorer_->plan();
  format_ = FormatOf(plan);
  rows_ = UnlabelledRows::OfLines(*scorer_);
  for (const features::Column& column : plan.column()) {
    columns_.emplace(column.name(), static_cast<std::uint32_t>(numeric_.size()));
    numeric_.push_back(column.numeric());
  }
  for (const features::Feature& feature : plan.feature()) {
    if (ReadsAsNumber(feature)) numeric_[feature.column()] = true;
    for (const features::Feature& member : feature.member()) {
      if (ReadsAsNumber(member)) numeric_[member.column()] = true;
    }
  }
  text_.resize(numeric_.size());
  for (const std::uint32_t column : scorer_->TextColumns()) text_[column] = true;
  // What a job takes for missing need not be the empty text.
  const auto& missing = plan.missing();
  if (!missing.empty() && std::find(missing.begin(), missing.end(), "") == missing.end()) missing_text_ = missing[0];
  for (const std::string& name : scorer_->classes()) {
    class_names_.push_back(IsUtf8(name) ? name : absl::CHexEscape(name));
  }
}

std::optional<std::uint32_t> ServedModel::ColumnNamed(std::string_view name) const {
  const auto found = columns_.find(absl::string_view(name.data(), name.size()));
  if (found == columns_.end()) return std::nullopt;
  return found->second;
}

}  // namespace ps
