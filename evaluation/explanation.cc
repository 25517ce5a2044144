#include "evaluation/explanation.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "evaluation/block_work.h"
#include "evaluation/key_names.h"
#include "models/bundle/manifest.h"
#include "models/bundle/scorer.h"
#include "models/gbdt/contributions.h"
#include "models/gbdt/json_value.h"
#include "models/gbdt/tree_scorer.h"
#include "ps/base/file.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr std::size_t kRowsAtOnce = 64;

void AppendNumber(double number, std::string* text) {
  char digits[32];
  const auto rounded = static_cast<float>(number);
  char* const end = std::isfinite(rounded)
                        ? std::to_chars(digits, digits + sizeof(digits), rounded).ptr
                        : std::to_chars(digits, digits + sizeof(digits), number).ptr;
  text->append(digits, end);
}

// The rows of a block as text, each without its number, which is known in the block's turn.
struct ExplainedRows {
  RowBlock rows;
  std::string text;
  std::vector<std::size_t> end;  // of each row's text

  void Clear() {
    rows.Clear();
    text.clear();
    end.clear();
  }
};

struct RowFacts {
  float label = 0, margin = 0;
  double base = 0;
};

struct Contribution {
  std::uint64_t feature = 0;
  double value = 0;
};

// What rows look like in a format.
class RowWriter {
 public:
  // Appends a feature's name to the text, as a string of JSON.
  using AppendName = std::function<void(std::uint64_t feature, std::string* text)>;
  RowWriter(const ExplanationOptions& options, AppendName name)
      : json_(options.format == ExplanationFormat::kJsonLines),
        top_(options.top),
        name_(std::move(name)) {}

  // May reorder the contributions. CSV: they are of all columns, in order.
  void Append(const RowFacts& row, std::vector<Contribution>* contributions,
              ExplainedRows* to) const {
    if (json_) {
      AppendObject(row, contributions, &to->text);
    } else {
      for (const double number : {double{row.label}, double{row.margin}, row.base})
        AppendCell(number, &to->text);
      for (const Contribution& one : *contributions) AppendCell(one.value, &to->text);
      to->text.push_back('\n');
    }
    to->end.push_back(to->text.size());
  }

  // The rows with their numbers; `row` is the first one's.
  std::string Number(const ExplainedRows& rows, std::uint64_t row) const {
    std::string text;
    std::size_t begin = 0;
    for (const std::size_t end : rows.end) {
      absl::StrAppend(&text, json_ ? "{\"row\": " : "", row++);
      text.append(rows.text, begin, end - begin);
      begin = end;
    }
    return text;
  }

 private:
  static void AppendCell(double number, std::string* text) {
    text->push_back(',');
    AppendNumber(number, text);
  }
  static void AppendMember(const char* name, double number, std::string* text) {
    absl::StrAppend(text, ", \"", name, "\": ");
    AppendNumber(number, text);
  }

  void AppendObject(const RowFacts& row, std::vector<Contribution>* contributions,
                    std::string* text) const {
    std::erase_if(*contributions, [](const Contribution& one) { return one.value == 0; });
    std::stable_sort(contributions->begin(), contributions->end(),
                     [](const Contribution& a, const Contribution& b) {
                       return std::fabs(a.value) > std::fabs(b.value);
                     });
    AppendMember("label", row.label, text);
    AppendMember("margin", row.margin, text);
    AppendMember("base", row.base, text);
    text->append(", \"contributions\": {");
    double others = 0;
    for (std::size_t i = 0; i < contributions->size(); ++i) {
      const Contribution& one = (*contributions)[i];
      if (top_ != 0 && i >= top_) {
        others += one.value;
        continue;
      }
      if (i > 0) text->append(", ");
      name_(one.feature, text);
      text->append(": ");
      AppendNumber(one.value, text);
    }
    text->push_back('}');
    if (top_ != 0) AppendMember("others", others, text);
    text->append("}\n");
  }

  const bool json_;
  const std::uint64_t top_;
  const AppendName name_;
};

class RowExplainer {
 public:
  virtual ~RowExplainer() = default;
  virtual std::string Heading() const { return ""; }  // before the first row
  // From any thread; `to` is empty.
  virtual void Explain(const BlockStream::Block& block, const RowWriter& writer,
                       ExplainedRows* to) const = 0;
  // As RowWriter::AppendName.
  virtual void AppendName(std::uint64_t feature, std::string* text) const = 0;
};

class TreesExplainer final : public RowExplainer {
 public:
  TreesExplainer(std::unique_ptr<const TreeScorer> scorer, TreeContributions contributions,
                 bool heading)
      : scorer_(std::move(scorer)), contributions_(std::move(contributions)), heading_(heading) {
    for (const TreeColumn& column : scorer_->model().columns)
      names_.push_back(JsonString(column.name));
  }

  std::string Heading() const override {
    if (!heading_) return "";
    std::string text = "row,label,margin,base";
    for (const TreeColumn& column : scorer_->model().columns) {
      const bool plain = column.name.find_first_of(",\"\r\n") == std::string::npos;
      const std::string quoted = absl::StrReplaceAll(column.name, {{"\"", "\"\""}});
      absl::StrAppend(&text, ",", plain ? column.name : absl::StrCat("\"", quoted, "\""));
    }
    return text + "\n";
  }

  void Explain(const BlockStream::Block& block, const RowWriter& writer,
               ExplainedRows* to) const override {
    const std::size_t columns = contributions_.columns();
    RowFacts facts;
    facts.base = contributions_.base() + scorer_->bundle().info().margin_offset;
    float margins[kRowsAtOnce];
    std::vector<double> values(kRowsAtOnce * columns);
    std::vector<Contribution> of_row;
    const auto explain = [&](const RowBlock& rows, std::size_t first, std::size_t count,
                             const float* of_rows) {
      scorer_->Margins(of_rows, count, margins);
      contributions_.Explain(of_rows, count, values.data());
      for (std::size_t r = 0; r < count; ++r) {
        facts.label = rows.label[first + r];
        facts.margin = margins[r];
        of_row.clear();
        for (std::size_t c = 0; c < columns; ++c) of_row.push_back({c, values[r * columns + c]});
        writer.Append(facts, &of_row, to);
      }
    };
    scorer_->VisitText(
        block.text, {block.file, block.offset}, &to->rows,
        [&](const RowBlock& rows, std::size_t first, std::size_t count, const float* of_rows) {
          for (std::size_t r = 0; r < count; r += kRowsAtOnce)
            explain(rows, first + r, std::min(kRowsAtOnce, count - r), of_rows + r * columns);
        });
  }

  void AppendName(std::uint64_t feature, std::string* text) const override {
    text->append(names_[feature]);
  }

 private:
  const std::unique_ptr<const TreeScorer> scorer_;
  const TreeContributions contributions_;
  const bool heading_;
  std::vector<std::string> names_;
};

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
    RowFacts facts;
    facts.base = bundle.info().bias + bundle.info().margin_offset;
    std::vector<Contribution> of_row;
    for (std::size_t r = 0; r < rows.rows(); ++r) {
      facts.label = rows.label[r];
      facts.margin = margins[r];
      of_row.clear();
      for (std::uint32_t i = rows.row_begin[r]; i < rows.row_begin[r + 1]; ++i) {
        const double value = rows.value.empty() ? 1.0 : rows.value[i];
        of_row.push_back({rows.key[i], weights[i] * value});
      }
      writer.Append(facts, &of_row, to);
    }
  }

  void AppendName(std::uint64_t feature, std::string* text) const override {
    const std::string name = names_.NameOf(feature);
    absl::StrAppend(text, "\"", name.empty() ? absl::StrFormat("%016x", feature) : name, "\"");
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
  PS_ASSIGN_OR_RETURN(std::unique_ptr<TreeScorer> scorer,
                      TreeScorer::FromBundle(std::move(bundle)));
  if (scorer->model().outputs() > 1)
    return absl::UnimplementedError("the model has several classes; explain takes models of one margin a row in this version");
  if (scorer->base() != nullptr)
    return absl::UnimplementedError("the trees begin with a linear model (model.gbdt.base_model); explain takes trees alone in this version");
  for (const TreeColumn& column : scorer->model().columns) {
    if (csv || IsUtf8(column.name)) continue;
    return absl::UnimplementedError(
        absl::StrCat("the name of column '", column.name,
                     "' is not UTF-8, as JSON has to be: use --format csv"));
  }
  PS_ASSIGN_OR_RETURN(TreeContributions contributions, TreeContributions::Of(scorer->model()));
  return std::make_unique<TreesExplainer>(std::move(scorer), std::move(contributions), csv);
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
  const RowWriter writer(options, [&](std::uint64_t feature, std::string* text) {
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
