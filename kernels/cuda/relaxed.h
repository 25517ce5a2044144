// Loads and stores of words that other threads of the launch change, by atomics or by such stores:
// each is whole, and there is no order among them. They go past the first level of cache, which
// would not show what other processors have written.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace ps {

#ifdef __CUDACC__
__device__ inline std::uint32_t LoadRelaxed(const std::uint32_t* at) {
  std::uint32_t value;
  asm volatile("ld.relaxed.gpu.global.u32 %0, [%1];"
               : "=r"(value)
               : "l"(__cvta_generic_to_global(at)));
  return value;
}
__device__ inline unsigned long long LoadRelaxed(const unsigned long long* at) {
  unsigned long long value;
  asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];"
               : "=l"(value)
               : "l"(__cvta_generic_to_global(at)));
  return value;
}
// Each of the two is whole; they are not one.
__device__ inline ulonglong2 LoadRelaxed(const ulonglong2* at) {
  ulonglong2 values;
  asm volatile("ld.relaxed.gpu.global.v2.u64 {%0, %1}, [%2];"
               : "=l"(values.x), "=l"(values.y)
               : "l"(__cvta_generic_to_global(at)));
  return values;
}
__device__ inline void StoreRelaxed(std::uint32_t* at, std::uint32_t value) {
  asm volatile("st.relaxed.gpu.global.u32 [%0], %1;" ::"l"(__cvta_generic_to_global(at)), "r"(value)
               : "memory");
}
#else  // run on the host, one thread at a time
template <typename T>
T LoadRelaxed(const T* at) {
  return *at;
}
template <typename T>
void StoreRelaxed(T* at, T value) {
  *at = value;
}
#endif

}  // namespace ps
