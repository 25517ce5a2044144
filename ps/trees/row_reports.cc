#include "ps/trees/row_reports.h"

#include "absl/types/span.h"
#include "models/metrics/class_metrics.h"
#include "models/metrics/metrics.h"

namespace ps {

void ReportLoaded(const LoadedPart& part, const BinnedRows& rows, const RowStretch& stretch,
                  std::uint32_t classes, wire::TreeReport::Loaded* loaded) {
  const LabelSums sums = LabelSums::Of(rows, stretch.first, stretch.end, classes);
  loaded->set_rows(sums.rows);
  loaded->set_dropped(part.dropped);
  loaded->set_good_rows(part.good_rows);
  loaded->set_bad_rows(part.bad_rows);
  loaded->set_bad_row_text(part.bad_row_text);
  loaded->set_heaviest(sums.heaviest);
  loaded->set_lowest_label(sums.lowest);
  loaded->set_highest_label(sums.highest);
  loaded->set_label_sum(sums.labels.Serialize());
  loaded->set_weight_sum(sums.weights.Serialize());
  for (const ExactSum& weights : sums.of_class) loaded->add_class_weights(weights.Serialize());
}

void ReportMetrics(const BinnedRows& rows, const RowStretch& stretch,
                   const std::vector<float>& margins, const wire::TreePlan& plan,
                   wire::TreeReport* report) {
  const auto part_of = [&](const std::vector<float>& all) {
    return all.empty() ? absl::Span<const float>()
                       : absl::MakeConstSpan(all).subspan(stretch.first, stretch.size());
  };
  const absl::Span<const float> labels = part_of(rows.labels), weights = part_of(rows.weights);
  if (plan.classes_size() > 0) {
    const auto classes = static_cast<std::size_t>(plan.classes_size());
    std::vector<float> of_stretch;
    of_stretch.reserve(classes * stretch.size());
    for (std::size_t m = 0; m < classes; ++m) {
      const auto first =
          margins.begin() + static_cast<std::ptrdiff_t>(m * rows.rows + stretch.first);
      of_stretch.insert(of_stretch.end(), first,
                        first + static_cast<std::ptrdiff_t>(stretch.size()));
    }
    ClassMetricState state(static_cast<std::uint32_t>(classes));
    state.AddColumns(of_stretch, labels, weights);
    report->set_metrics(state.Serialize());
    return;
  }
  if (plan.squared()) {
    double sum = 0, all = 0;
    for (std::size_t i = 0; i < stretch.size(); ++i) {
      const double weight = weights.empty() ? 1 : weights[i],
                   error = margins[stretch.first + i] - labels[i];
      sum += weight * error * error;
      all += weight;
    }
    report->set_squared_error(sum);
    report->set_weight(all);
    return;
  }
  std::vector<float> shifted(margins.begin() + static_cast<std::ptrdiff_t>(stretch.first),
                             margins.begin() + static_cast<std::ptrdiff_t>(stretch.end));
  for (float& margin : shifted) margin += static_cast<float>(plan.margin_offset());
  MetricState state;
  state.AddRows(shifted, labels, weights);
  report->set_metrics(state.Serialize());
}

}  // namespace ps
