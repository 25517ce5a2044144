// Keys for the table benchmarks: distinct keys to insert, and batches of distinct keys drawn from
// them. One thread.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "ps/base/key.h"

namespace ps {

// The i-th of the benchmark's keys.
inline Key NthKey(std::uint64_t i) { return NonZeroKey(Mix64(i)); }

// Draws keys among the first `keys`, uniformly (zipf = 0) or with density x^-zipf over the rank.
// Within a batch keys are distinct, as a push wants them.
class KeySampler {
 public:
  KeySampler(std::uint64_t keys, double zipf, std::size_t batch)
      : keys_(keys), zipf_(zipf), batch_(batch), seen_(SeenSize(batch)) {}

  // Replaces *out by `count` keys, in batches of the constructor's size.
  void Draw(std::size_t count, std::vector<Key>* out) {
    out->clear();
    while (out->size() < count) {
      if (out->size() % batch_ == 0) ++stamp_;
      const std::uint64_t index = zipf_ == 0 ? Next() % keys_ : ZipfIndex();
      if (FirstInBatch(index)) out->push_back(NthKey(index));
    }
  }

 private:
  struct Seen {
    std::uint64_t index = 0;
    std::uint64_t stamp = 0;  // of the batch that wrote it
  };
  static std::size_t SeenSize(std::size_t batch) {
    std::size_t size = 4;
    while (size < 4 * batch) size *= 2;
    return size;
  }

  std::uint64_t Next() { return Mix64(state_ += 0x9e3779b97f4a7c15u); }

  std::uint64_t ZipfIndex() {
    const double uniform = static_cast<double>(Next() >> 11) * 0x1p-53;
    const double power = 1 - zipf_;
    const double x = zipf_ == 1
                         ? std::pow(keys_ + 1.0, uniform)
                         : std::pow(1 + uniform * (std::pow(keys_ + 1.0, power) - 1), 1 / power);
    const auto rank = static_cast<std::uint64_t>(x);
    return rank > keys_ ? keys_ - 1 : rank - 1;
  }

  bool FirstInBatch(std::uint64_t index) {
    for (std::size_t i = Mix64(index);; ++i) {
      Seen& seen = seen_[i & (seen_.size() - 1)];
      if (seen.stamp != stamp_) {
        seen = {index, stamp_};
        return true;
      }
      if (seen.index == index) return false;
    }
  }

  std::uint64_t keys_;
  double zipf_;
  std::size_t batch_;
  std::vector<Seen> seen_;
  std::uint64_t stamp_ = 0;
  std::uint64_t state_ = 12345;
};

}  // namespace ps
