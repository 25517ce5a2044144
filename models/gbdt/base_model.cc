#include "models/gbdt/base_model.h"

#include <algorithm>
#include <string>
#include <utility>

#include "models/bundle/manifest.h"
#include "models/features/extractor_digest.h"
#include "models/gbdt/bundle_trees.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

// Takes rows out, those of `bad` that are among them as malformed ones.
void DropRows(const std::vector<bool>& dropped, std::size_t columns, const std::vector<BadRow>& bad,
              ValueRows* values) {
  RowBlock& rows = values->rows;
  const bool indices = columns == 0;
  const std::size_t targets = dropped.empty() ? 0 : values->targets.size() / dropped.size();
  std::size_t to = 0, to_value = 0;
  for (std::size_t r = 0; r < dropped.size(); ++r) {
    const std::uint64_t offset = rows.row_offset[r];
    const std::size_t begin = indices ? rows.row_begin[r] : r * columns,
                      end = indices ? rows.row_begin[r + 1] : begin + columns;
    if (dropped[r]) {
      ++rows.bad_rows;
      const auto quoted = std::find_if(bad.begin(), bad.end(), [&](const BadRow& one) {
        return one.offset == offset;
      });
      if (quoted != bad.end() && rows.bad.size() < RowBlock::kMaxQuoted) rows.bad.push_back(*quoted);
      continue;
    }
    std::copy_n(values->targets.begin() + static_cast<std::ptrdiff_t>(r * targets), targets,
                values->targets.begin() + static_cast<std::ptrdiff_t>(to * targets));
    rows.label[to] = rows.label[r];
    if (!rows.weight.empty()) rows.weight[to] = rows.weight[r];
    rows.row_offset[to] = offset;
    std::copy(values->values.begin() + static_cast<std::ptrdiff_t>(begin),
              values->values.begin() + static_cast<std::ptrdiff_t>(end),
              values->values.begin() + static_cast<std::ptrdiff_t>(to_value));
    if (indices) {
      std::copy(values->index.begin() + static_cast<std::ptrdiff_t>(begin),
                values->index.begin() + static_cast<std::ptrdiff_t>(end),
                values->index.begin() + static_cast<std::ptrdiff_t>(to_value));
    }
    to_value += end - begin;
    rows.row_begin[++to] = static_cast<std::uint32_t>(indices ? to_value : 0);
  }
  values->targets.resize(to * targets);
  rows.label.resize(to);
  if (!rows.weight.empty()) rows.weight.resize(to);
  rows.row_offset.resize(to);
  rows.row_begin.resize(to + 1);
  values->values.resize(to_value);
  if (indices) values->index.resize(to_value);
}

}  // namespace

// The manifest has the checksums of all files.
std::string BaseModel::Digest() const {
  const absl::StatusOr<std::string> manifest = scorer_->bundle()->ReadFile(kManifestName);
  return manifest.ok() ? ExtractorDigest(*manifest) : "";
}

absl::StatusOr<std::unique_ptr<BaseModel>> BaseModel::FromLinear(
    std::unique_ptr<const Bundle> bundle) {
  auto base = std::make_unique<BaseModel>();
  PS_ASSIGN_OR_RETURN(base->scorer_, Scorer::FromBundle(std::move(bundle)));
  base->parser_ = base->scorer_->parser();
  return base;
}

absl::StatusOr<std::unique_ptr<BaseModel>> BaseModel::OfTrees(const Bundle& bundle) {
  if (!HasBaseModel(bundle)) return std::unique_ptr<BaseModel>();
  auto base = std::make_unique<BaseModel>();
  PS_ASSIGN_OR_RETURN(const std::string plan, bundle.ReadFile(kBaseExtractorName));
  PS_ASSIGN_OR_RETURN(base->extractor_, Extractor::Parse(plan));
  base->own_parser_ = base->extractor_->MakeParser();
  base->parser_ = base->own_parser_.get();
  base->scorer_ = std::make_unique<Scorer>(
      [model = &bundle](absl::Span<const Key> keys, absl::Span<float> weights) {
        model->Lookup(keys, weights);
      },
      bundle.info().bias);
  return base;
}

void BaseModel::Score(std::string_view text, TextOrigin origin, std::size_t columns,
                      ValueRows* values, std::vector<float>* margins) const {
  RowBlock parsed;
  parser_->Parse(text, origin, &parsed);
  std::vector<float> all;
  scorer_->Score(parsed, &all);
  // Both lists of rows are in the order of the text.
  RowBlock& rows = values->rows;
  margins->clear();
  std::vector<bool> dropped(rows.rows());
  std::size_t at = 0;
  bool any = false;
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    while (at < parsed.rows() && parsed.row_offset[at] < rows.row_offset[r]) ++at;
    dropped[r] = at == parsed.rows() || parsed.row_offset[at] != rows.row_offset[r];
    any |= dropped[r];
    if (!dropped[r]) margins->push_back(all[at]);
  }
  if (any) DropRows(dropped, columns, parsed.bad, values);
}

}  // namespace ps
