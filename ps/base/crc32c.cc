#include "ps/base/crc32c.h"

#include <nmmintrin.h>
#include <wmmintrin.h>

#include <cstddef>
#include <cstring>

namespace ps {
namespace {

// The instruction has a latency of three cycles and one begins every cycle: three stretches at a time keep it busy.
constexpr std::size_t kStretch = 1024;
constexpr std::uint32_t kPolynomial = 0x82f63b78u;  // reflected: the top bit is the constant term

// x^bits modulo the polynomial.
constexpr std::uint32_t PowerOfX(std::size_t bits) {
  std::uint32_t power = 0x80000000u;
  for (; bits > 0; --bits) power = (power >> 1) ^ ((power & 1) != 0 ? kPolynomial : 0);
  return power;
}

std::uint64_t Word(const char* at) {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

// The state after `bytes` zeros. A product of reflected numbers lies one bit lower than it should, and the instruction
// multiplies by x^32 itself.
template <std::size_t bytes>
__attribute__((target("pclmul,sse4.2"))) std::uint64_t AfterZeros(std::uint64_t state) {
  constexpr std::uint32_t kPower = PowerOfX(bytes * 8 - 33);
  const __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<long long>(state)),
                                               _mm_cvtsi64_si128(kPower), 0);
  return _mm_crc32_u64(0, static_cast<std::uint64_t>(_mm_cvtsi128_si64(product)));
}

}  // namespace

std::uint32_t ExtendCrc32c(std::uint32_t crc, std::string_view bytes) {
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t state = crc ^ 0xffffffffu;
  for (; left >= 3 * kStretch; at += 3 * kStretch, left -= 3 * kStretch) {
    std::uint64_t second = 0, third = 0;
    for (std::size_t i = 0; i < kStretch; i += 8) {
      state = _mm_crc32_u64(state, Word(at + i));
      second = _mm_crc32_u64(second, Word(at + kStretch + i));
      third = _mm_crc32_u64(third, Word(at + 2 * kStretch + i));
    }
    state = AfterZeros<2 * kStretch>(state) ^ AfterZeros<kStretch>(second) ^ third;
  }
  for (; left >= 8; at += 8, left -= 8) state = _mm_crc32_u64(state, Word(at));
  for (; left > 0; ++at, --left) {
    state = _mm_crc32_u8(static_cast<std::uint32_t>(state), static_cast<unsigned char>(*at));
  }
  return static_cast<std::uint32_t>(state) ^ 0xffffffffu;
}

}  // namespace ps
