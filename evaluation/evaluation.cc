#include "evaluation/evaluation.h"

#include <string>
#include <vector>

#include "evaluation/block_work.h"
#include "models/bundle/manifest.h"
#include "models/features/header_check.h"
#include "models/gbdt/bundle_trees.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

struct ScoredRows {
  RowBlock rows;
  std::vector<float> margins;
};

void AddErrors(const ScoredRows& scored, SquaredErrors* errors) {
  const RowBlock& rows = scored.rows;
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    const double weight = rows.weight.empty() ? 1 : rows.weight[r];
    const double difference = double{scored.margins[r]} - rows.label[r];
    errors->sum += weight * difference * difference;
    errors->weights += weight;
  }
}

}  // namespace

absl::Status CheckHeadersOf(const Bundle& bundle, const DataFiles& files) {
  // What trees start from reads columns of its own.
  for (const char* name : {kExtractorName, kBaseExtractorName}) {
    const absl::StatusOr<std::string> extractor = bundle.ReadFile(name);
    if (name == kBaseExtractorName && absl::IsNotFound(extractor.status())) continue;
    if (!extractor.ok()) return extractor.status();
    features::Plan plan;
    if (!plan.ParseFromString(*extractor)) return absl::DataLossError("the model's feature plan cannot be read");
    PS_RETURN_IF_ERROR(CheckHeaders(plan, files));
  }
  return absl::OkStatus();
}

absl::StatusOr<MetricState> Evaluate(const ScoreText& score, const DataFiles& files, const EvaluationOptions& options,
                                     BadRows* bad_rows) {
  MetricState metrics;
  const auto prepare = [&](const BlockStream::Block& block, ScoredRows* scored) {
    scored->rows.Clear();
    score(block.text, TextOrigin{block.file, block.offset}, &scored->rows, &scored->margins);
  };
  const auto measure = [&](const ScoredRows& scored) {
    if (options.errors != nullptr) {
      AddErrors(scored, options.errors);
    } else if (options.classes != nullptr) {
      options.classes->AddRows(scored.margins, scored.rows.label, scored.rows.weight);
    } else {
      metrics.AddRows(scored.margins, scored.rows.label, scored.rows.weight);
    }
  };
  const auto take = [&](const ScoredRows& scored) {
    bad_rows->Add(scored.rows);
    PS_RETURN_IF_ERROR(bad_rows->Check(/*at_end=*/false));
    if (options.labels) measure(scored);
    return options.predictions == nullptr ? absl::OkStatus()
                                          : options.predictions->Append(scored.rows.label, scored.margins);
  };
  PS_RETURN_IF_ERROR(WorkInOrder<ScoredRows>(files, {options.threads, options.block_bytes}, prepare, take));
  PS_RETURN_IF_ERROR(bad_rows->Check(/*at_end=*/true));
  return metrics;
}

absl::StatusOr<MetricState> Evaluate(const Scorer& scorer, const RowParser& parser, const DataFiles& files,
                                     const EvaluationOptions& options, BadRows* bad_rows) {
  const ScoreText score = [&](std::string_view text, TextOrigin origin, RowBlock* rows, std::vector<float>* margins) {
    parser.Parse(text, origin, rows);
    scorer.Score(*rows, margins);
  };
  return Evaluate(score, files, options, bad_rows);
}

}  // namespace ps
