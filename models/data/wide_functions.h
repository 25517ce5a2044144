// What functions on 64-byte vectors are compiled for: AVX-512 with VBMI and VBMI2 (WideRow::Supported()).
#pragma once

// The same of all of them, so that they become one.
#define PS_WIDE                                                                                  \
  [[gnu::target(                                                                                 \
      "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx512vbmi,avx512vbmi2,avx2,bmi,bmi2,popcnt," \
      "lzcnt")]]
#define PS_WIDE_INLINE PS_WIDE [[gnu::always_inline]] inline
