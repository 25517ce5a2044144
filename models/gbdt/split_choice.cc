#include "models/gbdt/split_choice.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace ps {

SplitChoice BestCategorySplit(const WideSum* cells, int bins, WideSum total,
                              const ScanParams& params, double smooth_hessian) {
  std::pair<double, int> order[kBinsPerColumn];
  int count = 0;
  for (int bin = 0; bin <= bins; ++bin) {
    if (cells[bin] == 0) continue;
    order[count++] = {WideGradient(cells[bin]) / (WideHessian(cells[bin]) + smooth_hessian), bin};
  }
  std::sort(order, order + count);
  // Categories ordered by the data fit it better than cuts of a given order: they pay with a larger
  // λ.
  ScanParams careful = params;
  careful.l2 += count > 4 ? smooth_hessian : 0;
  WideSum sorted[kBinsPerColumn];
  for (int i = 0; i < count; ++i) sorted[i] = cells[order[i].second];
  const ColumnSplit cut = BestSplit({sorted, count, 0, total}, careful);
  SplitChoice choice;
  if (cut.score < 0) return choice;
  choice.score = cut.score;
  choice.kind = ColumnKind::kCategory;
  choice.left = cut.left;
  for (int i = 0; i < cut.bin; ++i)
    Insert(&choice.left_bins, static_cast<std::uint8_t>(order[i].second));
  choice.missing_left = Contains(choice.left_bins, 0);
  return choice;
}

SplitChoice ChoiceOfCut(const ColumnSplit& cut, WideSum missing, WideSum total) {
  SplitChoice choice;
  if (cut.score < 0) return choice;
  choice.score = cut.score;
  choice.bin = static_cast<std::uint8_t>(cut.bin);
  choice.left = cut.left;
  // Where the node has nothing missing, what is met later goes with the heavier side.
  choice.missing_left =
      missing != 0 ? cut.missing_left : 2 * std::int64_t{WideHessian(cut.left)} > WideHessian(total);
  return choice;
}

SplitChoice BestColumnSplit(const ColumnHistogram& column, std::uint32_t number, ColumnKind kind,
                            int bins, int zero_bin, const SplitRules& rules) {
  const WideSum total = column.numbers.total;
  SplitChoice choice;
  if (kind == ColumnKind::kCategory) {
    choice = BestCategorySplit(column.with_missing, bins, total, rules.scan, rules.smooth_hessian);
  } else {
    // Each side needs min_hessian, and one of the two has only rows with a value.
    const WideSum present = total - column.numbers.missing;
    if (WideHessian(present) < rules.scan.min_hessian) return choice;
    MissingSides sides;
    // All bins before that of 0 hold negative numbers.
    if (rules.absent_is_zero) sides = {zero_bin - 1, zero_bin - 1};
    const ColumnSplit cut = BestSplit(column.numbers, rules.scan, sides);
    choice = ChoiceOfCut(cut, column.numbers.missing, total);
  }
  choice.column = number;
  return choice;
}

}  // namespace ps
