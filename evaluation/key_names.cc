#include "evaluation/key_names.h"

#include <memory>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "evaluation/table_keys.h"
#include "models/features/extractor.h"
#include "models/features/extractor.pb.h"
#include "models/features/header_check.h"
#include "models/features/plan.h"
#include "models/gbdt/leaf_keys.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

bool IsTablePlan(const features::Plan& plan) { return plan.column_size() > 0; }

// Without its line end.
std::string_view LineAt(std::string_view text, std::size_t begin) {
  std::string_view line = text.substr(begin, text.substr(begin).find('\n'));
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

}  // namespace

KeyNames::KeyNames(const Bundle& bundle, const std::string& extractor) { Read(bundle, extractor); }

KeyNames::KeyNames(const Bundle& bundle, absl::Span<const Key> wanted) : wanted_(wanted) { Read(bundle, kExtractorName); }

void KeyNames::Read(const Bundle& bundle, const std::string& extractor) {
  const absl::StatusOr<std::string> serialized = bundle.ReadFile(extractor);
  features::Plan plan;
  if (!serialized.ok() || !plan.ParseFromString(*serialized) || !ValidatePlan(plan).ok()) return;
  plan_ = *serialized;
  indices_ = plan.format() == "libsvm";
  if (indices_) title_ = "index";
  if (IsTablePlan(plan) && plan.feature_size() > 0) {
    title_ = "feature";
    TableKeys(plan).OfPlan([this](Key key, const std::function<std::string()>& name) {
      if (IsWanted(key)) names_.emplace(key, name());
    });
  }
  if (plan.trees().empty()) return;
  const absl::StatusOr<TreeModel> trees = TreesOfPlan(plan);
  if (!trees.ok()) return;
  for (auto& [key, name] : LeafNames(*trees)) {
    if (IsWanted(key)) names_.emplace(key, std::move(name));
  }
  title_ = title_.empty() ? "leaf" : "feature";
}

absl::Status KeyNames::LearnFrom(const DataFiles& files, BadRows* bad_rows) {
  features::Plan plan;
  if (!plan.ParseFromString(plan_) || !IsTablePlan(plan)) {
    return absl::InvalidArgumentError("the model is of no csv, tsv or criteo data: data can name none of its keys");
  }
  PS_ASSIGN_OR_RETURN(const std::unique_ptr<Extractor> extractor, Extractor::Parse(plan_));
  const TextLayout layout = LayoutOf(plan);
  const std::unique_ptr<RowParser> parser = extractor->MakeParser();
  const std::unique_ptr<BlockStream> stream = BlockStream::Create(files, 256 << 10);
  const TableKeys keys(plan);
  std::size_t unnamed = wanted_->size() - names_.size();
  const auto add = [&](Key key, const std::function<std::string()>& name) {
    if (names_.count(key) == 0 && IsWanted(key)) {
      names_.emplace(key, name());
      --unnamed;
    }
  };
  BlockStream::Block text;
  RowBlock rows;
  SplitRow split;
  while (unnamed > 0) {
    PS_ASSIGN_OR_RETURN(const bool more, stream->Next(&text));
    if (!more) return bad_rows->Check(/*at_end=*/true);
    rows.Clear();
    parser->Parse(text.text, {text.file, text.offset}, &rows);
    bad_rows->Add(rows);
    PS_RETURN_IF_ERROR(bad_rows->Check(/*at_end=*/false));
    for (const std::uint64_t offset : rows.row_offset) {
      if (split.Split(LineAt(text.text, offset - text.offset), layout)) keys.OfRow(split, add);
    }
  }
  return absl::OkStatus();
}

std::string KeyNames::NameOf(Key key) const {
  if (const auto named = names_.find(key); named != names_.end()) return named->second;
  return indices_ ? absl::StrCat(UnmixKey64(key)) : "";
}

}  // namespace ps
