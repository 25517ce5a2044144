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

}  // namespace ps
