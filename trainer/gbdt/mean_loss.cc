#include "trainer/gbdt/mean_loss.h"

#include <algorithm>
#include <cmath>

#include "models/metrics/class_metrics.h"
#include "models/metrics/logistic_loss.h"

namespace ps {
namespace {

// Rows that are added up by one thread, one after the other.
constexpr std::size_t kPieceRows = 4096;

double LossOf(const RowLoss& loss, const BinnedRows& rows, const std::vector<float>& margins, std::size_t row) {
  const float label = rows.labels[row];
  if (loss.classes > 1) return SoftmaxLoss(margins.data() + row, rows.rows, loss.classes, label);
  if (loss.squared) {
    const double error = double{margins[row]} - label;
    return error * error;
  }
  const double margin = margins[row] + loss.offset;
  const double wrong = label > 0.5f ? -margin : margin;  // above 0 where it is wrong
  return LogisticTable::Get().At(std::fabs(margin)).softplus + std::max(wrong, 0.0);  // NaN stays NaN
}

}  // namespace

double MeanLoss(const RowLoss& loss, const BinnedRows& rows, const std::vector<float>& margins, Crew* crew,
                std::vector<float>* of_rows) {
  struct Sums {
    double losses = 0, weights = 0;
  };
  std::vector<Sums> pieces((rows.rows + kPieceRows - 1) / kPieceRows);
  if (of_rows != nullptr) of_rows->resize(rows.rows);
  crew->ForEach(pieces.size(), [&](int, std::size_t piece) {
    Sums sums;
    const std::size_t end = std::min(rows.rows, (piece + 1) * kPieceRows);
    for (std::size_t row = piece * kPieceRows; row < end; ++row) {
      const double of_row = LossOf(loss, rows, margins, row);
      const double weight = rows.weights.empty() ? 1 : rows.weights[row];
      sums.losses += weight * of_row;
      sums.weights += weight;
      if (of_rows != nullptr) (*of_rows)[row] = static_cast<float>(of_row);
    }
    pieces[piece] = sums;
  });
  Sums all;
  for (const Sums& piece : pieces) {
    all.losses += piece.losses;
    all.weights += piece.weights;
  }
  return all.weights > 0 ? all.losses / all.weights : 0;
}

}  // namespace ps
