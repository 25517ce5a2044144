#include "ps/base/crc32c.h"

#include <nmmintrin.h>

#include <cstring>

namespace ps {

std::uint32_t ExtendCrc32c(std::uint32_t crc, std::string_view bytes) {
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t state = crc ^ 0xffffffffu;
  for (; left >= 8; at += 8, left -= 8) {
    std::uint64_t word;
    std::memcpy(&word, at, sizeof word);
    state = _mm_crc32_u64(state, word);
  }
  for (; left > 0; ++at, --left) {
    state = _mm_crc32_u8(static_cast<std::uint32_t>(state), static_cast<unsigned char>(*at));
  }
  return static_cast<std::uint32_t>(state) ^ 0xffffffffu;
}

}  // namespace ps
