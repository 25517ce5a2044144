#include "bench/gbdt/tree_rows.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "ps/base/key.h"

namespace ps {
namespace {

// Numbers of one row: a counter, mixed.
class Draws {
 public:
  Draws(std::uint64_t seed, std::uint64_t row) : state_(Mix64(seed * 0x9e3779b97f4a7c15u + row)) {}

  double Uniform() {  // in (0, 1)
    state_ += 0x9e3779b97f4a7c15u;
    return (static_cast<double>(Mix64(state_) >> 11) + 0.5) * 0x1p-53;
  }
  double Normal() {
    const double radius = std::sqrt(-2 * std::log(Uniform()));
    return radius * std::cos(6.283185307179586 * Uniform());
  }

 private:
  std::uint64_t state_;
};

void AppendNumber(double value, int decimals, std::string* text) {
  char digits[40];
  const auto end =
      std::to_chars(digits, digits + sizeof digits, value, std::chars_format::fixed, decimals).ptr;
  text->append(digits, end);
}

double Window(double x, double centre, double width) {
  const double d = (x - centre) / width;
  return std::exp(-0.5 * d * d);
}

}  // namespace

void DenseTreeRows::Append(std::uint64_t row, std::string* text) const {
  Draws draw(seed_, row);
  std::array<double, kDenseTreeColumns> x{};
  // Lepton and missing energy: momentum, (pseudorapidity,) angle.
  x[0] = std::exp(0.55 * draw.Normal() - 0.15);
  x[1] = draw.Normal();
  x[2] = 3.486 * (draw.Uniform() - 0.5);
  x[3] = std::exp(0.6 * draw.Normal() - 0.18);
  x[4] = 3.486 * (draw.Uniform() - 0.5);
  // Four jets: momentum, pseudorapidity, angle, tag.
  for (int jet = 0; jet < 4; ++jet) {
    double* const j = &x[5 + 4 * jet];
    j[0] = std::exp(0.5 * draw.Normal() - 0.12 - 0.05 * jet);
    j[1] = draw.Normal();
    j[2] = 3.486 * (draw.Uniform() - 0.5);
    const double tag = draw.Uniform();
    j[3] = tag < 0.5 ? 0 : tag < 0.75 ? 1.087 : 2.173;
  }
  // Seven masses: of pairs and triples, with the resolution of a detector.
  const auto pair = [&](double pt1, double eta1, double phi1, double pt2, double eta2,
                        double phi2) {
    return std::sqrt(std::max(0.0, pt1 * pt2 * (std::cosh(eta1 - eta2) - std::cos(phi1 - phi2))));
  };
  const double jj = pair(x[5], x[6], x[7], x[9], x[10], x[11]);
  const double kk = pair(x[13], x[14], x[15], x[17], x[18], x[19]);
  const double lv = pair(x[0], x[1], x[2], x[3], 0, x[4]);
  const double jlv = std::sqrt(lv * lv + x[5] * x[0]);
  x[21] = jj * std::exp(0.1 * draw.Normal());
  x[22] = std::sqrt(jj * jj + x[13] * x[5]) * std::exp(0.1 * draw.Normal());
  x[23] = 0.985 + 0.03 * std::abs(draw.Normal()) + 0.1 * lv * (draw.Uniform() < 0.2 ? 1 : 0);
  x[24] = jlv * std::exp(0.08 * draw.Normal());
  x[25] = kk * std::exp(0.1 * draw.Normal());
  x[26] = std::sqrt(jj * jj + lv * lv) * std::exp(0.07 * draw.Normal());
  x[27] = std::sqrt(jj * jj + lv * lv + kk * kk) * std::exp(0.07 * draw.Normal());
  const double margin = -1.35 + 2.2 * Window(x[25], 1.1, 0.35) * (x[12] + x[16] > 1 ? 1.2 : 0.5) +
                        1.4 * Window(x[24], 1.4, 0.4) - 1.1 * Window(x[26], 2.4, 0.8) +
                        1.3 * std::tanh(x[0] - x[3]) * std::cos(x[2] - x[4]) +
                        0.8 * std::log(x[27] + 0.1) - 0.9 * std::abs(x[6] - x[10]) / 2 +
                        0.5 * (x[8] > 1 ? 1 : -0.3) * std::sin(2 * x[7]) +
                        0.7 * std::tanh(x[13] * x[17] - 1);
  const double u = draw.Uniform();
  if (classes_ == 2) {
    text->push_back(u < 1 / (1 + std::exp(-margin)) ? '1' : '0');
  } else {
    constexpr double kStep = 1.5;
    const double noisy = margin - std::log(u / (1 - u));
    text->push_back(static_cast<char>(
        'A' + std::clamp(static_cast<int>(std::floor(noisy / kStep + classes_ / 2.0)), 0, classes_ - 1)));
  }
  for (const double value : x) {
    text->push_back('\t');
    AppendNumber(value, 3, text);
  }
  text->push_back('\n');
}

SparseTreeRows::SparseTreeRows(std::uint64_t seed, std::uint32_t columns)
    : seed_(seed), columns_(columns) {
  Draws draw(seed, ~std::uint64_t{0});
  column_.resize(columns);
  for (Column& column : column_) {
    column.scale = static_cast<float>(std::exp(0.5 * draw.Normal()));
    const double u = draw.Uniform();
    column.effect = static_cast<float>(u < 0.3 ? 0.55 * draw.Normal() : 0.1 * draw.Normal());
    column.threshold = static_cast<float>(
        column.scale * (draw.Uniform() < 0.5 ? 0 : std::exp(0.6 * draw.Normal())));
  }
}

void SparseTreeRows::Append(std::uint64_t row, std::string* text) const {
  Draws draw(seed_, row);
  const int count = std::max(1, static_cast<int>(std::lround(96 + 20 * draw.Normal())));
  std::vector<std::uint32_t> present;
  // Popularity falls like 1 / (rank + 40)^0.85: rank from a uniform number by the inverse of its
  // integral.
  constexpr double kShift = 40, kPower = 0.15;
  const double low = std::pow(kShift, kPower), high = std::pow(columns_ + kShift, kPower);
  for (int i = 0; i < count; ++i) {
    const double rank = std::pow(low + (high - low) * draw.Uniform(), 1 / kPower) - kShift;
    present.push_back(std::min(columns_ - 1, static_cast<std::uint32_t>(std::max(0.0, rank))));
  }
  std::sort(present.begin(), present.end());
  present.erase(std::unique(present.begin(), present.end()), present.end());
  std::string features;
  double margin = -0.2;
  for (const std::uint32_t c : present) {
    const double value = std::max(0.01, column_[c].scale * std::exp(0.6 * draw.Normal()));
    if (value >= column_[c].threshold) margin += column_[c].effect;
    features += ' ';
    features += std::to_string(c + 1);
    features += ':';
    AppendNumber(value, 2, &features);
  }
  text->push_back(draw.Uniform() < 1 / (1 + std::exp(-margin)) ? '1' : '0');
  *text += features;
  text->push_back('\n');
}

}  // namespace ps
