#include "evaluation/tree_explainer.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "evaluation/key_names.h"
#include "models/gbdt/bundle_trees.h"
#include "models/gbdt/contributions.h"
#include "models/gbdt/json_value.h"
#include "models/gbdt/tree_scorer.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr std::size_t kRowsAtOnce = 64;

std::string CsvCell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

// What the linear model makes of the rows of a block.
struct LinearRows {
  RowBlock rows;
  std::vector<float> weights, margins;
  std::size_t at = 0;  // rows of the trees are some of these, in the same order
};

class TreesExplainer final : public RowExplainer {
 public:
  TreesExplainer(std::unique_ptr<const TreeScorer> scorer,
                 std::vector<TreeContributions> contributions, ExplanationFormat format)
      : scorer_(std::move(scorer)),
        contributions_(std::move(contributions)),
        csv_(format == ExplanationFormat::kCsv) {
    for (const TreeColumn& column : scorer_->model().columns)
      names_.push_back(JsonString(column.name));
    if (scorer_->base() != nullptr) keys_.emplace(scorer_->bundle(), kBaseExtractorName);
  }

  std::vector<std::string> ClassNames() const override {
    std::vector<std::string> names;
    for (const std::string& name : scorer_->model().classes)
      names.push_back(csv_ ? CsvCell(name) : JsonString(name));
    return names;
  }

  std::string Heading() const override {
    if (!csv_) return "";
    std::string text =
        scorer_->model().outputs() > 1 ? "row,label,class,margin,base" : "row,label,margin,base";
    for (const TreeColumn& column : scorer_->model().columns)
      absl::StrAppend(&text, ",", CsvCell(column.name));
    if (scorer_->base() != nullptr) absl::StrAppend(&text, ",linear model");
    return text + "\n";
  }

  void Explain(const BlockStream::Block& block, const RowWriter& writer,
               ExplainedRows* to) const override {
    const std::size_t columns = scorer_->model().columns.size();
    LinearRows linear = ReadLinear(block);
    scorer_->VisitText(
        block.text, {block.file, block.offset}, &to->rows,
        [&](const RowBlock& rows, std::size_t first, std::size_t count, const float* values) {
          for (std::size_t r = 0; r < count; r += kRowsAtOnce) {
            ExplainSome(rows, first + r, std::min(kRowsAtOnce, count - r), values + r * columns,
                        &linear, writer, to);
          }
        });
  }

  void AppendName(const Contribution& feature, std::string* text) const override {
    if (!feature.linear) {
      text->append(names_[feature.feature]);
      return;
    }
    const std::string name = keys_->NameOf(feature.feature);
    absl::StrAppend(text, JsonString(absl::StrCat("linear ", name.empty() ? absl::StrFormat("%016x", feature.feature) : name)));
  }

 private:
  LinearRows ReadLinear(const BlockStream::Block& block) const {
    LinearRows linear;
    if (scorer_->base() == nullptr) return linear;
    scorer_->base()->Parse(block.text, {block.file, block.offset}, &linear.rows);
    scorer_->base()->scorer().Score(linear.rows, &linear.margins);
    linear.weights.resize(linear.rows.features());
    scorer_->bundle().Lookup(linear.rows.key, absl::MakeSpan(linear.weights));
    return linear;
  }

  void ExplainSome(const RowBlock& rows, std::size_t first, std::size_t count, const float* values,
                   LinearRows* linear, const RowWriter& writer, ExplainedRows* to) const {
    const std::size_t columns = scorer_->model().columns.size(), outputs = contributions_.size();
    std::vector<float> margins(count * outputs);
    scorer_->Margins(values, count, margins.data());
    std::vector<std::vector<double>> of_columns(outputs);
    for (std::size_t m = 0; m < outputs; ++m) {
      of_columns[m].resize(count * columns);
      contributions_[m].Explain(values, count, of_columns[m].data());
    }
    std::vector<ExplainedMargin> explained(outputs);
    for (std::size_t r = 0; r < count; ++r) {
      for (std::size_t m = 0; m < outputs; ++m) {
        explained[m].margin = margins[r * outputs + m];
        explained[m].base = contributions_[m].base() + scorer_->bundle().info().margin_offset;
        explained[m].contributions.clear();
        for (std::size_t c = 0; c < columns; ++c)
          explained[m].contributions.push_back({c, of_columns[m][r * columns + c]});
      }
      if (scorer_->base() != nullptr)
        AddLinear(rows.row_offset[first + r], linear, &explained.front());
      writer.Append(rows.label[first + r], &explained, to);
    }
  }

  void AddLinear(std::uint64_t row_offset, LinearRows* linear, ExplainedMargin* to) const {
    const RowBlock& rows = linear->rows;
    while (rows.row_offset[linear->at] < row_offset) ++linear->at;
    to->margin += linear->margins[linear->at];
    to->base += scorer_->bundle().info().bias;
    double sum = 0;
    for (std::uint32_t i = rows.row_begin[linear->at]; i < rows.row_begin[linear->at + 1]; ++i) {
      const double value = linear->weights[i] * (rows.value.empty() ? 1.0 : double{rows.value[i]});
      sum += value;
      if (!csv_) to->contributions.push_back({rows.key[i], value, /*linear=*/true});
    }
    if (csv_) to->contributions.push_back({0, sum, /*linear=*/true});
  }

  const std::unique_ptr<const TreeScorer> scorer_;
  const std::vector<TreeContributions> contributions_;  // of each margin
  const bool csv_;
  std::vector<std::string> names_;  // of columns, for JSON
  std::optional<KeyNames> keys_;    // of the linear model
};

}  // namespace

absl::StatusOr<std::unique_ptr<RowExplainer>> ExplainerOfTrees(std::unique_ptr<const Bundle> bundle,
                                                               ExplanationFormat format) {
  PS_ASSIGN_OR_RETURN(std::unique_ptr<TreeScorer> scorer,
                      TreeScorer::FromBundle(std::move(bundle)));
  const auto sayable = [&](const char* what, const std::string& name) {
    if (format == ExplanationFormat::kCsv || IsUtf8(name)) return absl::OkStatus();
    return absl::UnimplementedError(absl::StrCat(
        "the name of ", what, " '", name, "' is not UTF-8, as JSON has to be: use --format csv"));
  };
  for (const TreeColumn& column : scorer->model().columns)
    PS_RETURN_IF_ERROR(sayable("column", column.name));
  for (const std::string& name : scorer->model().classes)
    PS_RETURN_IF_ERROR(sayable("class", name));
  std::vector<TreeContributions> contributions;
  for (std::size_t m = 0; m < scorer->model().outputs(); ++m) {
    PS_ASSIGN_OR_RETURN(TreeContributions of_margin, TreeContributions::Of(scorer->model(), m));
    contributions.push_back(std::move(of_margin));
  }
  return std::make_unique<TreesExplainer>(std::move(scorer), std::move(contributions), format);
}

}  // namespace ps
