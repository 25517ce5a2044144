// Random key lists of the wire's tests and benchmarks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <random>
#include <vector>

#include "ps/base/key.h"

namespace ps {

// At most `count` sorted distinct keys, uniform among those of `bits` bits.
inline std::vector<Key> RandomKeys(std::mt19937_64& random, std::size_t count, int bits = 64) {
  std::vector<Key> keys(count);
  for (Key& key : keys) key = NonZeroKey(random() >> (64 - bits));
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

}  // namespace ps
