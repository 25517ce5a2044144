// The finaliser of keys over an array: a row's categories at once, because one at a time Mix64
// costs more than everything else about a short text. Pure; any thread.
#pragma once

#include <cstddef>

#include "ps/base/key.h"

namespace ps {

inline constexpr std::size_t kMixSlack = 8;

// keys[i] = NonZeroKey(Mix64(keys[i])) for i < count. Up to kMixSlack - 1 keys behind the last are
// overwritten. AVX-512 where the processor has it, with the same results.
void MixKeys(Key* keys, std::size_t count);
// What MixKeys does where there is no AVX-512.
void MixKeysAvx2(Key* keys, std::size_t count);

}  // namespace ps
