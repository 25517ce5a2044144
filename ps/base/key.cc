#include "ps/base/key.h"

#include <xxhash.h>

namespace ps {

std::uint64_t FieldSeed(std::string_view field_name) {
  return XXH3_64bits(field_name.data(), field_name.size());
}

Key CategoryKey(std::uint64_t field_seed, std::string_view value) {
  if (value.size() <= 8) {
    std::uint64_t packed = 0;
    std::memcpy(&packed, value.data(), value.size());
    return NonZeroKey(Mix64((field_seed + value.size()) ^ packed));
  }
  return NonZeroKey(Mix64(XXH3_64bits_withSeed(value.data(), value.size(), field_seed)));
}

}  // namespace ps
