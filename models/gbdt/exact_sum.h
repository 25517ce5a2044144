// Sums of floating-point numbers without rounding: the same sum in whatever order and grouping
// numbers are added, so that parts of the data can be summed apart. Plain data.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace ps {

// Of doubles that are products of two floats; those below 2^-298 in magnitude count nothing.
class ExactSum {
 public:
  void Add(double x) {
    if (x == 0 || !std::isfinite(x)) return;
    int exponent = 0;
    const auto mantissa = static_cast<std::int64_t>(std::ldexp(std::frexp(x, &exponent), 53));
    // x = mantissa * 2^(exponent - 53); limb i is worth 2^(32 i - kBias).
    const int shift = exponent - 53 + kBias;
    if (shift < 0) return;  // below any product of floats
    const auto limb = static_cast<std::size_t>(shift / 32);
    if (limb + 2 >= kLimbs) return;
    const __int128 wide = static_cast<__int128>(mantissa < 0 ? -mantissa : mantissa)
                          << (shift % 32);
    const std::int64_t sign = mantissa < 0 ? -1 : 1;
    if (++uncarried_ == kMostUncarried) Carry();
    for (std::size_t i = 0; i < 3; ++i)
      limbs_[limb + i] += sign * static_cast<std::int64_t>((wide >> (32 * i)) & 0xffffffff);
  }
  void Merge(const ExactSum& other) {
    for (std::size_t i = 0; i < kLimbs; ++i) limbs_[i] += other.limbs_[i];
    Carry();
  }
  // The nearest double, or a neighbour of it; the same for equal sums.
  double value() const {
    ExactSum carried = *this;
    carried.Carry();
    if (carried.limbs_[kLimbs - 1] < 0) {
      for (std::int64_t& limb : carried.limbs_) limb = -limb;
      return -carried.value();
    }
    double sum = 0;
    for (std::size_t i = kLimbs; i-- > 0;)
      sum += std::ldexp(static_cast<double>(carried.limbs_[i]), static_cast<int>(32 * i) - kBias);
    return sum;
  }

  std::string Serialize() const {
    ExactSum carried = *this;
    carried.Carry();
    return std::string(reinterpret_cast<const char*>(carried.limbs_.data()), sizeof(limbs_));
  }
  bool Parse(std::string_view bytes) {
    if (bytes.size() != sizeof(limbs_)) return false;
    std::memcpy(limbs_.data(), bytes.data(), bytes.size());
    uncarried_ = 0;
    // So that no sum of parts leaves its limbs.
    for (const std::int64_t limb : limbs_) {
      if (limb > kMostLimb || limb < -kMostLimb) return false;
    }
    return true;
  }

 private:
  void Carry() {
    for (std::size_t i = 0; i + 1 < kLimbs; ++i) {
      const std::int64_t carry = limbs_[i] >> 32;  // rounds down
      limbs_[i] -= carry * (std::int64_t{1} << 32);
      limbs_[i + 1] += carry;
    }
    uncarried_ = 0;
  }

  static constexpr std::uint32_t kMostUncarried = 1u << 30;  // a limb takes 2^31 additions
  static constexpr int kBias = 384;  // products of floats are multiples of 2^-298
  static constexpr std::size_t kLimbs = 24;
  static constexpr std::int64_t kMostLimb = std::int64_t{1} << 52;
  std::array<std::int64_t, kLimbs> limbs_{};
  std::uint32_t uncarried_ = 0;
};

}  // namespace ps
