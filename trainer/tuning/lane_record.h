// How lanes predicted the same rows, compared row by row: the evidence of tuning.
//
// Losses of two lanes on one row have most of their noise in common, so their paired differences
// decide with far fewer rows than two means would: Compare gives their mean and its standard error.
// A row counts in proportion to its importance weight and, in a learning pass, to its number: what
// a lane did with young weights says little of how it ends. Sums of a stretch of rows are in single
// precision, all others in double; the order is fixed, so the same rows give the same bits.
//
// One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "kernels/lane_learner.h"

namespace ps {

class LaneRecord {
 public:
  enum class Rows { kLaterWeighMore, kAllAlike };
  LaneRecord(int lanes, Rows rows);

  // losses: rows x lanes, nats; weights of the rows, or empty: all 1. A loss that is not finite
  // makes only its own lane's figures so.
  void Add(absl::Span<const float> losses, absl::Span<const float> weights);
  // Lane k is from now on a lane that was origins[k].from before, and has its record. That is also
  // true of a lane that was reborn: up to there it is its parent.
  void Change(absl::Span<const LaneOrigin> origins);

  int lanes() const { return lanes_; }
  std::uint64_t rows() const { return rows_; }
  double Mean(int lane) const;  // loss a row; NaN without rows

  struct Gap {
    double mean = 0;   // nats a row
    double error = 0;  // standard error of it
  };
  Gap Compare(int lane, int other) const;  // loss of `lane` less that of `other`

 private:
  friend struct TunerAccess;  // tuner_state.h

  double* Square(int a) { return squares_.data() + std::size_t(a) * lanes_; }
  const double* Square(int a) const { return squares_.data() + std::size_t(a) * lanes_; }

  int lanes_;
  const Rows kind_;
  std::uint64_t rows_ = 0;
  double weight_ = 0, weight_square_ = 0;  // sums of v and v^2, v the row's weight here
  std::vector<double> loss_;               // sum of v l, a lane
  std::vector<double> loss_square_;        // sum of v^2 l, a lane
  std::vector<double> squares_;            // sum of v^2 (l_a - l_b)^2, a pair
};

}  // namespace ps
