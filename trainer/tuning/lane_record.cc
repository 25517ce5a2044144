#include "trainer/tuning/lane_record.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ps {
namespace {

constexpr std::size_t kStretch = 128;  // rows summed in single precision

// Sums of a stretch, of rows x K losses.
template <int K>
struct Stretch {
  float weight = 0, weight_square = 0;
  float loss[K] = {}, loss_square[K] = {}, squares[K][K] = {};

  void Add(const float* losses, const float* weights, std::size_t rows) {
    for (std::size_t r = 0; r < rows; ++r, losses += K) {
      const float w = weights != nullptr ? weights[r] : 1.0f;
      const float w2 = w * w;
      weight += w;
      weight_square += w2;
      for (int a = 0; a < K; ++a) {
        loss[a] += w * losses[a];
        loss_square[a] += w2 * losses[a];
      }
      for (int a = 0; a < K; ++a) {
        for (int b = 0; b < K; ++b) {
          const float difference = losses[b] - losses[a];
          squares[a][b] += w2 * (difference * difference);
        }
      }
    }
  }
};

}  // namespace

LaneRecord::LaneRecord(int lanes, Rows rows)
    : lanes_(lanes),
      kind_(rows),
      loss_(lanes),
      loss_square_(lanes),
      squares_(std::size_t(lanes) * lanes) {}

void LaneRecord::Add(absl::Span<const float> losses, absl::Span<const float> weights) {
  const std::size_t rows = losses.size() / lanes_;
  const auto add = [&]<int K>(std::size_t begin, std::size_t count) {
    Stretch<K> sums;
    sums.Add(losses.data() + begin * K, weights.empty() ? nullptr : weights.data() + begin, count);
    const double v = kind_ == Rows::kAllAlike ? 1.0 : static_cast<double>(rows_ + count / 2 + 1);
    weight_ += v * sums.weight;
    weight_square_ += v * v * sums.weight_square;
    for (int a = 0; a < K; ++a) {
      loss_[a] += v * sums.loss[a];
      loss_square_[a] += v * v * sums.loss_square[a];
      for (int b = 0; b < K; ++b) Square(a)[b] += v * v * sums.squares[a][b];
    }
    rows_ += count;
  };
  for (std::size_t begin = 0; begin < rows; begin += kStretch) {
    const std::size_t count = std::min(kStretch, rows - begin);
    switch (lanes_) {
      case 1:
        add.template operator()<1>(begin, count);
        break;
      case 2:
        add.template operator()<2>(begin, count);
        break;
      case 4:
        add.template operator()<4>(begin, count);
        break;
      case 8:
        add.template operator()<8>(begin, count);
        break;
      default:
        add.template operator()<16>(begin, count);
        break;
    }
  }
}

void LaneRecord::Change(absl::Span<const LaneOrigin> origins) {
  const std::size_t lanes = origins.size();
  std::vector<double> loss(lanes), loss_square(lanes), squares(lanes * lanes);
  for (std::size_t a = 0; a < lanes; ++a) {
    loss[a] = loss_[origins[a].from];
    loss_square[a] = loss_square_[origins[a].from];
    for (std::size_t b = 0; b < lanes; ++b) {
      squares[a * lanes + b] = Square(origins[a].from)[origins[b].from];
    }
  }
  lanes_ = static_cast<int>(lanes);
  loss_ = std::move(loss);
  loss_square_ = std::move(loss_square);
  squares_ = std::move(squares);
}

double LaneRecord::Mean(int lane) const {
  return weight_ > 0 ? loss_[lane] / weight_ : std::numeric_limits<double>::quiet_NaN();
}

LaneRecord::Gap LaneRecord::Compare(int lane, int other) const {
  if (!(weight_ > 0)) return {};
  const double mean = (loss_[lane] - loss_[other]) / weight_;
  const double square = Square(lane)[other] -
                        2 * mean * (loss_square_[lane] - loss_square_[other]) +
                        mean * mean * weight_square_;
  return {mean, std::sqrt(std::max(0.0, square)) / weight_};
}

}  // namespace ps
