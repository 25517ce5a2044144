#include "models/gbdt/split_choice.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace ps {
namespace {

// Categories of a node with less than this part of the smoothing hessian have one place in the order
// together: alone they would be put on the side that their few labels ask for, and fit noise.
constexpr double kRareShare = 0.25;
constexpr int kRare = kBinsPerColumn;  // stands for their bins

ColumnSplit BestCut(const ColumnCells& cells, const ScanParams& params, const ValueBounds& bounds,
                    Direction direction) {
  return bounds.any() || direction != Direction::kFree
             ? BestBoundedSplit(cells, params, bounds, direction)
             : BestSplit(cells, params);
}

// Absent values enter the bin of 0, and then nothing is missing.
SplitChoice BestCutAroundZero(const ColumnCells& numbers, const BinColumn& column,
                              const ScanParams& params, const ValueBounds& bounds) {
  const int zero_bin = BinOf(column, 0.0f);
  WideSum cells[kBinsPerColumn];
  std::copy_n(numbers.cells, numbers.bins, cells);
  cells[zero_bin - 1] += numbers.missing;
  const ColumnSplit cut = BestCut({cells, numbers.bins, 0, numbers.total}, params, bounds,
                                  column.direction);
  return ChoiceOfCutAroundZero(cut, column, numbers.total);
}

}  // namespace

SplitChoice BestCategorySplit(const WideSum* cells, int bins, WideSum total,
                              const ScanParams& params, double smooth_hessian,
                              const ValueBounds& bounds) {
  std::pair<double, int> order[kBinsPerColumn];
  int count = 0;
  WideSum rare = 0;
  const auto is_rare = [&](WideSum cell) {
    return cell != 0 && WideHessian(cell) < kRareShare * smooth_hessian;
  };
  const auto add = [&](WideSum cell, int bin) {
    order[count++] = {WideGradient(cell) / (WideHessian(cell) + smooth_hessian), bin};
  };
  for (int bin = 0; bin <= bins; ++bin) {
    if (is_rare(cells[bin])) {
      // Sums from the wire may be anything: these wrap around.
      rare = static_cast<WideSum>(static_cast<std::uint64_t>(rare) +
                                  static_cast<std::uint64_t>(cells[bin]));
    } else if (cells[bin] != 0) {
      add(cells[bin], bin);
    }
  }
  if (rare != 0) add(rare, kRare);
  std::sort(order, order + count);
  // Categories ordered by the data fit it better than cuts of a given order: they pay with a larger
  // λ.
  ScanParams careful = params;
  careful.l2 += count > 4 ? smooth_hessian : 0;
  WideSum sorted[kBinsPerColumn];
  for (int i = 0; i < count; ++i)
    sorted[i] = order[i].second == kRare ? rare : cells[order[i].second];
  const ColumnSplit cut = BestCut({sorted, count, 0, total}, careful, bounds, Direction::kFree);
  SplitChoice choice;
  if (cut.score < 0) return choice;
  choice.score = cut.score;
  choice.kind = ColumnKind::kCategory;
  choice.left = cut.left;
  for (int i = 0; i < cut.bin; ++i) {
    if (order[i].second != kRare) {
      Insert(&choice.left_bins, static_cast<std::uint8_t>(order[i].second));
      continue;
    }
    for (int bin = 0; bin <= bins; ++bin) {
      if (is_rare(cells[bin])) Insert(&choice.left_bins, static_cast<std::uint8_t>(bin));
    }
  }
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
  choice.missing_left = missing != 0 ? cut.missing_left
                                     : 2 * std::int64_t{WideHessian(cut.left)} > WideHessian(total);
  return choice;
}

SplitChoice ChoiceOfCutAroundZero(const ColumnSplit& cut, const BinColumn& column, WideSum total) {
  SplitChoice choice = ChoiceOfCut(cut, 0, total);
  choice.missing_left = choice.bin >= BinOf(column, 0.0f);
  return choice;
}

void ImproveSplit(const ColumnHistogram& histogram, std::uint32_t number, const BinColumn& column,
                  const SplitRules& rules, const ValueBounds& bounds, SplitChoice* best) {
  const ColumnCells& numbers = histogram.numbers;
  SplitChoice choice;
  if (column.kind == ColumnKind::kCategory) {
    choice = BestCategorySplit(histogram.with_missing, column.bins(), numbers.total, rules.scan,
                               rules.smooth_hessian, bounds);
  } else {
    // Each side needs min_hessian, and one of the two has only rows with a value.
    const WideSum present = numbers.total - numbers.missing;
    if (WideHessian(present) < rules.scan.min_hessian) return;
    // Of columns with few values most are seen at a glance to have no better cut than one before.
    const bool few = 2 * std::int64_t{WideHessian(present)} < WideHessian(numbers.total);
    const bool free = !bounds.any() && column.direction == Direction::kFree;
    if (few && free && best->score >= 0 && MostScore(numbers, rules.scan) < best->score) return;
    if (rules.absent_is_zero) {
      choice = BestCutAroundZero(numbers, column, rules.scan, bounds);
    } else {
      const ColumnSplit cut = BestCut(numbers, rules.scan, bounds, column.direction);
      choice = ChoiceOfCut(cut, numbers.missing, numbers.total);
    }
  }
  choice.column = number;
  if (choice.score >= 0 && choice.BetterThan(*best)) *best = choice;
}

std::array<ValueBounds, 2> BoundsOfChildren(const SplitChoice& choice, WideSum total,
                                            const ValueBounds& bounds, Direction direction,
                                            const ScanParams& params) {
  std::array<ValueBounds, 2> children = {bounds, bounds};
  if (direction == Direction::kFree) return children;
  // Unsigned: sums that no rows can have wrap.
  const auto rest = static_cast<WideSum>(static_cast<std::uint64_t>(total) -
                                         static_cast<std::uint64_t>(choice.left));
  const double left = BoundedValue(choice.left, params, bounds),
               right = BoundedValue(rest, params, bounds);
  const double middle = left + 0.5 * (right - left);
  if (direction == Direction::kIncreasing) {
    children[0].high = children[1].low = middle;
  } else {
    children[0].low = children[1].high = middle;
  }
  return children;
}

}  // namespace ps
