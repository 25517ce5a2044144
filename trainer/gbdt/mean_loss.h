// How wrong predictions of held-out rows are: what trees are stopped by, and settings chosen.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "models/gbdt/binned_rows.h"
#include "ps/base/crew.h"

namespace ps {

struct RowLoss {
  bool squared = false;       // squared error; else log loss in nats
  std::uint32_t classes = 1;  // above 1: of softmax
  double offset = 0;          // of margins; not of softmax
};

// The weighted mean over all rows, 0 without any; the same bits for any number of threads. Margins are as StartMargins
// lays them out. `of_rows`: null, or gets the loss of each row, unweighted.
double MeanLoss(const RowLoss& loss, const BinnedRows& rows, const std::vector<float>& margins, Crew* crew,
                std::vector<float>* of_rows = nullptr);

// Of squared errors.
inline double RootMeanSquare(const BinnedRows& rows, const std::vector<float>& margins, Crew* crew) {
  return std::sqrt(MeanLoss({.squared = true}, rows, margins, crew));
}

}  // namespace ps
