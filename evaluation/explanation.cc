#include "evaluation/explanation.h"

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "evaluation/block_work.h"
#include "evaluation/explained_rows.h"
#include "evaluation/key_names.h"
#include "evaluation/tree_explainer.h"
#include "models/bundle/scorer.h"
#include "ps/base/file.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

class WeightsExplainer final : public RowExplainer {
 public:
  WeightsExplainer(std::unique_ptr<const Scorer> scorer, KeyNames names)
      : scorer_(std::move(scorer)), names_(std::move(names)) {}

  void Explain(const BlockStream::Block& block, const RowWriter& writer,
               ExplainedRows* to) const override {
    const Bundle& bundle = *scorer_->bundle();
    RowBlock& rows = to->rows;
    scorer_->parser()->Parse(block.text, {block.file, block.offset}, &rows);
    std::vector<float> margins, weights(rows.features());
    scorer_->Score(rows, &margins);
    bundle.Lookup(rows.key, absl::MakeSpan(weights));
    std::vector<ExplainedMargin> of_row(1);
    of_row[0].base = bundle.info().bias + bundle.info().margin_offset;
    for (std::size_t r = 0; r < rows.rows(); ++r) {
      of_row[0].margin = margins[r];
      of_row[0].contributions.clear();
      for (std::uint32_t i = rows.row_begin[r]; i < rows.row_begin[r + 1]; ++i) {
        const double value = rows.value.empty() ? 1.0 : rows.value[i];
        of_row[0].contributions.push_back({rows.key[i], weights[i] * value});
      }
      writer.Append(rows.label[r], &of_row, to);
    }
  }

  void AppendName(const Contribution& feature, std::string* text) const override {
    const std::string name = names_.NameOf(feature.feature);
    absl::StrAppend(text, JsonString(name.empty() ? absl::StrFormat("%016x", feature.feature) : name));
  }

 private:
  const std::unique_ptr<const Scorer> scorer_;
  const KeyNames names_;
};

absl::StatusOr<std::unique_ptr<RowExplainer>> ExplainerOf(std::unique_ptr<const Bundle> bundle,
                                                          const ExplanationOptions& options) {
  const bool csv = options.format == ExplanationFormat::kCsv;
  if (bundle->info().model_type != "gbdt") {
    if (csv) {
      return absl::UnimplementedError(
          "a linear model has too many features for columns of a table: use --format jsonl");
    }
    KeyNames names(*bundle);
    PS_ASSIGN_OR_RETURN(std::unique_ptr<Scorer> scorer, Scorer::FromBundle(std::move(bundle)));
    return std::make_unique<WeightsExplainer>(std::move(scorer), std::move(names));
  }
  return ExplainerOfTrees(std::move(bundle), options.format);
}

absl::Status Write(const std::string& text, std::FILE* out) {
  return std::fwrite(text.data(), 1, text.size(), out) == text.size()
             ? absl::OkStatus()
             : FileError("write", "the explanation", errno);
}

}  // namespace

absl::Status ExplainRows(std::unique_ptr<const Bundle> bundle, const DataFiles& files,
                         const ExplanationOptions& options, BadRows* bad_rows, std::FILE* out) {
  PS_ASSIGN_OR_RETURN(const std::unique_ptr<RowExplainer> explainer,
                      ExplainerOf(std::move(bundle), options));
  const RowWriter writer(options, explainer->ClassNames(),
                         [&](const Contribution& feature, std::string* text) {
                           explainer->AppendName(feature, text);
                         });
  PS_RETURN_IF_ERROR(Write(explainer->Heading(), out));
  const auto prepare = [&](const BlockStream::Block& block, ExplainedRows* rows) {
    rows->Clear();
    explainer->Explain(block, writer, rows);
  };
  const auto take = [&](const ExplainedRows& rows) {
    const std::uint64_t first = bad_rows->rows();
    bad_rows->Add(rows.rows);
    PS_RETURN_IF_ERROR(bad_rows->Check(/*at_end=*/false));
    return Write(writer.Number(rows, first), out);
  };
  PS_RETURN_IF_ERROR(
      WorkInOrder<ExplainedRows>(files, {.threads = options.threads}, prepare, take));
  PS_RETURN_IF_ERROR(bad_rows->Check(/*at_end=*/true));
  if (bad_rows->rows() == 0) return absl::InvalidArgumentError("the data have no rows to explain");
  return std::fflush(out) == 0 ? absl::OkStatus() : FileError("write", "the explanation", errno);
}

}  // namespace ps
