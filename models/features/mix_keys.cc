#include "models/features/mix_keys.h"

#include <immintrin.h>

namespace ps {
namespace {

constexpr long long kAdd = static_cast<long long>(0x9e3779b97f4a7c15u);
constexpr long long kFirst = static_cast<long long>(0xbf58476d1ce4e5b9u);
constexpr long long kSecond = static_cast<long long>(0x94d049bb133111ebu);

// The product of 64-bit lanes, modulo 2^64: AVX2 has none.
inline __m256i MultiplyLanes(__m256i a, __m256i b) {
  const __m256i low = _mm256_mul_epu32(a, b);
  const __m256i cross = _mm256_mullo_epi32(a, _mm256_shuffle_epi32(b, 0xb1));
  const __m256i sum = _mm256_add_epi32(cross, _mm256_srli_epi64(cross, 32));
  return _mm256_add_epi64(low, _mm256_slli_epi64(sum, 32));
}

}  // namespace

void MixKeysAvx2(Key* keys, std::size_t count) {
  for (std::size_t i = 0; i < count; i += 4) {
    auto* const at = reinterpret_cast<__m256i*>(keys + i);
    __m256i x = _mm256_add_epi64(_mm256_loadu_si256(at), _mm256_set1_epi64x(kAdd));
    x = MultiplyLanes(_mm256_xor_si256(x, _mm256_srli_epi64(x, 30)), _mm256_set1_epi64x(kFirst));
    x = MultiplyLanes(_mm256_xor_si256(x, _mm256_srli_epi64(x, 27)), _mm256_set1_epi64x(kSecond));
    x = _mm256_xor_si256(x, _mm256_srli_epi64(x, 31));
    // Equal to zero is minus one: subtracted, it makes key 0 key 1.
    x = _mm256_sub_epi64(x, _mm256_cmpeq_epi64(x, _mm256_setzero_si256()));
    _mm256_storeu_si256(at, x);
  }
}

namespace {

[[gnu::target("avx512f,avx512dq")]] void MixKeysAvx512(Key* keys, std::size_t count) {
  for (std::size_t i = 0; i < count; i += 8) {
    __m512i x = _mm512_add_epi64(_mm512_loadu_si512(keys + i), _mm512_set1_epi64(kAdd));
    x = _mm512_xor_si512(x, _mm512_srli_epi64(x, 30));
    x = _mm512_mullo_epi64(x, _mm512_set1_epi64(kFirst));
    x = _mm512_xor_si512(x, _mm512_srli_epi64(x, 27));
    x = _mm512_mullo_epi64(x, _mm512_set1_epi64(kSecond));
    x = _mm512_xor_si512(x, _mm512_srli_epi64(x, 31));
    const __mmask8 is_zero = _mm512_testn_epi64_mask(x, x);
    _mm512_storeu_si512(keys + i, _mm512_mask_set1_epi64(x, is_zero, 1));
  }
}

const auto kMixKeys = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")
                          ? MixKeysAvx512
                          : MixKeysAvx2;

}  // namespace

void MixKeys(Key* keys, std::size_t count) { kMixKeys(keys, count); }

}  // namespace ps
