#include "kernels/cuda/linear_kernels.h"

#include <cuda_runtime.h>

#include "kernels/cuda/entry_segments.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/relaxed.h"
#include "kernels/logistic.h"

namespace ps {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kPartialSums = 8;     // of a row, as kernels/row_learner.h has them
constexpr unsigned kPlacesAhead = 4;     // of a row, which a thread fetches at once
constexpr std::uint32_t kNoFeature = 0;  // its kPaddingId

__device__ float* StateOf(const LinearModelView& model, std::uint32_t id) {
  const EntrySegment segment = EntrySegment::Of(id, 31 - __clz(static_cast<int>(id)));
  unsigned char* const entries = model.segments[segment.number];
  return reinterpret_cast<float*>(entries + std::uint64_t{id - segment.first_id} * model.stride);
}
__device__ unsigned long long* SumsOf(const LinearModelView& model, std::uint32_t id) {
  return reinterpret_cast<unsigned long long*>(StateOf(model, id) + 2 * model.lanes);
}
__device__ std::uint32_t* MarkOf(const LinearModelView& model, std::uint32_t id) {
  return reinterpret_cast<std::uint32_t*>(SumsOf(model, id) + 2 * model.lanes);
}

template <int K>
__device__ void ReadLane(const LinearModelView& model, std::uint32_t id, unsigned lane,
                         float* state) {
  const float* const from = StateOf(model, id);
  state[0] = from[lane];
  state[1] = from[K + lane];
}

__device__ GradientSum PartsAt(const LinearRowsView& rows, std::uint32_t at, float error,
                               const SumScale& scale) {
  return PartsOfGradient(error * (rows.values != nullptr ? rows.values[at] : 1.0f), scale);
}
template <int K>
__device__ void AddToSums(const LinearModelView& model, std::uint32_t id, unsigned lane,
                          const GradientSum& parts) {
  unsigned long long* const sums = SumsOf(model, id);
  if (parts.high != 0) atomicAdd(sums + lane, static_cast<unsigned long long>(parts.high));
  if (parts.low != 0) atomicAdd(sums + K + lane, static_cast<unsigned long long>(parts.low));
}

// Adds the gradients at the first places of a warp's rows, of which each row's part 0 has its own;
// all threads of the warp come. Where that is one feature, as the bias is, their sum goes to memory
// instead of each: all rows of a batch meet there.
template <int K, int Q>
__device__ void AddFirstPlaces(const LinearModelView& model, std::uint32_t id, GradientSum parts) {
  constexpr unsigned kOfRow = K * Q;
  const unsigned of_warp = threadIdx.x % kWarp, lane = of_warp % K;
  const bool has_own = of_warp % kOfRow < K;
  bool adds = has_own && id != kNoFeature;
  if constexpr (kOfRow < kWarp) {
    // Rows that are not there come last and bring nothing.
    const std::uint32_t of_first = __shfl_sync(kAllLanes, id, lane);
    const bool is_same = !has_own || id == of_first || id == kNoFeature;
    if (__ballot_sync(kAllLanes, is_same) == kAllLanes) {
#pragma unroll
      for (unsigned half = kWarp / 2; half >= kOfRow; half /= 2) {
        parts.high += __shfl_down_sync(kAllLanes, parts.high, half);
        parts.low += __shfl_down_sync(kAllLanes, parts.low, half);
      }
      adds = adds && of_warp < kOfRow;
    }
  }
  if (adds) AddToSums<K>(model, id, lane, parts);
}

// K lanes x Q threads for a row, so that lanes of a feature are read and summed side by side; each
// thread has 8 / Q of the row's partial sums.
template <int K, int Q, bool kWithGradients>
__global__ void __launch_bounds__(kThreads)
    MarginsKernel(LinearModelView model, LinearRowsView rows, SumScale scale, std::uint32_t first,
                  std::uint32_t end, float* margins) {
  constexpr unsigned kOfRow = K * Q, kOwn = kPartialSums / Q;
  const unsigned member = threadIdx.x % kOfRow, lane = member % K, part = member / K;
  const std::uint32_t row = first + (blockIdx.x * kThreads + threadIdx.x) / kOfRow;
  const bool there = row < end;
  const std::uint32_t from = there ? rows.row_begin[row] - rows.base : 0;
  const std::uint32_t to = there ? rows.row_begin[row + 1] - rows.base : 0;
  const OptimizerParams setting = model.settings[lane];
  // Several places are fetched before the first is summed, which else would wait for each in turn.
  constexpr unsigned kFetched = kOwn < kPlacesAhead ? kPlacesAhead : kOwn;
  float partial[kOwn] = {};
  for (std::uint32_t begin = from + part; begin < to; begin += kFetched * Q) {
    std::uint32_t id[kFetched];
    float value[kFetched], state[kFetched][2];
#pragma unroll
    for (unsigned i = 0; i < kFetched; ++i) {
      const std::uint32_t at = begin + i * Q;
      id[i] = at < to ? rows.ids[at] : kNoFeature;
      value[i] = id[i] == kNoFeature ? 0.0f : 1.0f;
      if (rows.values != nullptr && at < to) value[i] = rows.values[at];
    }
#pragma unroll
    for (unsigned i = 0; i < kFetched; ++i) ReadLane<K>(model, id[i], lane, state[i]);
#pragma unroll
    for (unsigned i = 0; i < kFetched; ++i) {
      // Nothing is added behind the row: zeros would change the sign of a zero.
      if (begin + i * Q < to)
        partial[i % kOwn] = fmaf(WeightOf(setting, state[i]), value[i], partial[i % kOwn]);
    }
  }
  // Folded in halves: first those that the thread has itself.
#pragma unroll
  for (unsigned half = kOwn / 2; half > 0; half /= 2) {
    for (unsigned own = 0; own < half; ++own) partial[own] += partial[own + half];
  }
  float margin = partial[0];
#pragma unroll
  for (unsigned half = Q / 2; half > 0; half /= 2)
    margin += __shfl_down_sync(kAllLanes, margin, half * K);
  const unsigned of_warp = threadIdx.x % kWarp;
  margin = __shfl_sync(kAllLanes, margin, of_warp - part * K);
  if (there && part == 0) margins[std::uint64_t{row} * K + lane] = margin;
  if constexpr (!kWithGradients) return;
  float error = 0;
  if (there) {
    const float weight = rows.weights != nullptr ? rows.weights[row] : 1.0f;
    error = (Logistic(margin) - rows.labels[row]) * weight;
  }
  std::uint32_t first_id = kNoFeature;
  GradientSum of_first;
  if (part == 0 && from < to) first_id = rows.ids[from];
  if (first_id != kNoFeature) of_first = PartsAt(rows, from, error, scale);
  AddFirstPlaces<K, Q>(model, first_id, of_first);
  for (std::uint32_t at = from + (part == 0 ? Q : part); at < to; at += Q) {
    const std::uint32_t id = rows.ids[at];
    if (id != kNoFeature) AddToSums<K>(model, id, lane, PartsAt(rows, at, error, scale));
  }
}

// A thread a feature of a row and lane. The first to mark a feature takes its step.
template <int K>
__global__ void __launch_bounds__(kThreads)
    StepsKernel(LinearModelView model, const std::uint32_t* ids, std::uint64_t begin,
                std::uint64_t end, SumScale scale, std::uint32_t batch) {
  const std::uint64_t thread = std::uint64_t{blockIdx.x} * kThreads + threadIdx.x;
  const unsigned lane = threadIdx.x % K;
  const std::uint64_t at = begin + thread / K;
  const std::uint32_t id = at < end ? ids[at] : kNoFeature;
  int is_first = 0;
  if (lane == 0 && id != kNoFeature) {
    // Looked at before it is taken: of a feature that many rows have, almost all find it marked.
    std::uint32_t* const mark = MarkOf(model, id);
    is_first = LoadRelaxed(mark) != batch && atomicExch(mark, batch) != batch;
  }
  is_first = __shfl_sync(kAllLanes, is_first, threadIdx.x % kWarp - lane);
  if (is_first == 0) return;
  float state[2];
  ReadLane<K>(model, id, lane, state);
  unsigned long long* const sums = SumsOf(model, id);
  const GradientSum sum = {static_cast<std::int64_t>(sums[lane]),
                           static_cast<std::int64_t>(sums[K + lane])};
  sums[lane] = 0;
  sums[K + lane] = 0;
  ApplyGradient(model.settings[lane], GradientOf(sum, scale), state);
  float* const to = StateOf(model, id);
  to[lane] = state[0];
  to[K + lane] = state[1];
}

__global__ void SetBiasKernel(const std::uint32_t* row_begin, std::uint32_t base,
                              std::uint32_t rows, std::uint32_t id, std::uint32_t* ids) {
  const std::uint32_t row = blockIdx.x * kThreads + threadIdx.x;
  if (row < rows) ids[row_begin[row] - base] = id;
}

// ---- States in and out: a thread a float of the dense array.

__global__ void StoreStatesKernel(LinearModelView model, int floats, std::uint64_t first,
                                  std::uint64_t count, const float* states) {
  const std::uint64_t thread = std::uint64_t{blockIdx.x} * kThreads + threadIdx.x;
  const unsigned each = static_cast<unsigned>(floats * model.lanes);
  if (thread >= count * each) return;
  StateOf(model, static_cast<std::uint32_t>(first + thread / each))[thread % each] = states[thread];
}

__global__ void FetchStatesKernel(LinearModelView model, int floats, std::uint64_t first,
                                  std::uint64_t count, float* states) {
  const std::uint64_t thread = std::uint64_t{blockIdx.x} * kThreads + threadIdx.x;
  const unsigned each = static_cast<unsigned>(floats * model.lanes);
  if (thread >= count * each) return;
  states[thread] = StateOf(model, static_cast<std::uint32_t>(first + thread / each))[thread % each];
}

__global__ void ClearMarksKernel(LinearModelView model, std::uint64_t count) {
  const std::uint64_t thread = std::uint64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (thread < count) *MarkOf(model, static_cast<std::uint32_t>(thread)) = 0;
}

template <int K>
cudaError_t LaunchStepsOf(const LinearModelView& model, const std::uint32_t* ids,
                          std::uint64_t begin, std::uint64_t end, const SumScale& scale,
                          std::uint32_t batch, cudaStream_t stream) {
  return Launch(StepsKernel<K>, {BlocksFor((end - begin) * K, kThreads)}, kThreads, stream, model,
                ids, begin, end, scale, batch);
}

template <int K, int Q, bool kWithGradients>
cudaError_t LaunchMarginsOf(const LinearModelView& model, const LinearRowsView& rows,
                            const SumScale& scale, std::uint32_t first, std::uint32_t end,
                            float* margins, cudaStream_t stream) {
  return Launch(MarginsKernel<K, Q, kWithGradients>,
                {BlocksFor(std::uint64_t{end - first} * K * Q, kThreads)}, kThreads, stream, model,
                rows, scale, first, end, margins);
}

template <bool kWithGradients>
cudaError_t LaunchForLanes(const LinearModelView& model, const LinearRowsView& rows,
                           const SumScale& scale, std::uint32_t first, std::uint32_t end,
                           float* margins, cudaStream_t stream) {
  constexpr bool kWith = kWithGradients;
  switch (model.lanes) {
    case 1:
      return LaunchMarginsOf<1, 8, kWith>(model, rows, scale, first, end, margins, stream);
    case 2:
      return LaunchMarginsOf<2, 8, kWith>(model, rows, scale, first, end, margins, stream);
    case 4:
      return LaunchMarginsOf<4, 8, kWith>(model, rows, scale, first, end, margins, stream);
    case 8:
      return LaunchMarginsOf<8, 4, kWith>(model, rows, scale, first, end, margins, stream);
    default:
      return LaunchMarginsOf<16, 2, kWith>(model, rows, scale, first, end, margins, stream);
  }
}

template <int K, int Q>
cudaError_t LoadForLanes() {
  return LoadKernels(MarginsKernel<K, Q, false>, MarginsKernel<K, Q, true>, StepsKernel<K>);
}

}  // namespace

cudaError_t LoadLinearKernels() {
  for (const cudaError_t error :
       {LoadForLanes<1, 8>(), LoadForLanes<2, 8>(), LoadForLanes<4, 8>(), LoadForLanes<8, 4>(),
        LoadForLanes<16, 2>(),
        LoadKernels(SetBiasKernel, StoreStatesKernel, FetchStatesKernel, ClearMarksKernel)}) {
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

cudaError_t LaunchSetBias(const std::uint32_t* row_begin, std::uint32_t base, std::uint32_t rows,
                          std::uint32_t id, std::uint32_t* ids, cudaStream_t stream) {
  return Launch(SetBiasKernel, {BlocksFor(rows, kThreads)}, kThreads, stream, row_begin, base, rows,
                id, ids);
}

cudaError_t LaunchMargins(const LinearModelView& model, const LinearRowsView& rows,
                          std::uint32_t first, std::uint32_t end, float* margins,
                          cudaStream_t stream) {
  return LaunchForLanes<false>(model, rows, {}, first, end, margins, stream);
}

cudaError_t LaunchGradientSums(const LinearModelView& model, const LinearRowsView& rows,
                               const SumScale& scale, std::uint32_t first, std::uint32_t end,
                               float* margins, cudaStream_t stream) {
  return LaunchForLanes<true>(model, rows, scale, first, end, margins, stream);
}

cudaError_t LaunchSteps(const LinearModelView& model, const std::uint32_t* ids, std::uint64_t begin,
                        std::uint64_t end, const SumScale& scale, std::uint32_t batch,
                        cudaStream_t stream) {
  switch (model.lanes) {
    case 1:
      return LaunchStepsOf<1>(model, ids, begin, end, scale, batch, stream);
    case 2:
      return LaunchStepsOf<2>(model, ids, begin, end, scale, batch, stream);
    case 4:
      return LaunchStepsOf<4>(model, ids, begin, end, scale, batch, stream);
    case 8:
      return LaunchStepsOf<8>(model, ids, begin, end, scale, batch, stream);
    default:
      return LaunchStepsOf<16>(model, ids, begin, end, scale, batch, stream);
  }
}

cudaError_t LaunchStoreStates(const LinearModelView& model, int floats, std::uint64_t first,
                              std::uint64_t count, const float* states, cudaStream_t stream) {
  const auto each = static_cast<std::uint64_t>(floats) * model.lanes;
  return Launch(StoreStatesKernel, {BlocksFor(count * each, kThreads)}, kThreads, stream, model,
                floats, first, count, states);
}

cudaError_t LaunchFetchStates(const LinearModelView& model, int floats, std::uint64_t first,
                              std::uint64_t count, float* states, cudaStream_t stream) {
  const auto each = static_cast<std::uint64_t>(floats) * model.lanes;
  return Launch(FetchStatesKernel, {BlocksFor(count * each, kThreads)}, kThreads, stream, model,
                floats, first, count, states);
}

cudaError_t LaunchClearMarks(const LinearModelView& model, std::uint64_t count,
                             cudaStream_t stream) {
  return Launch(ClearMarksKernel, {BlocksFor(count, kThreads)}, kThreads, stream, model, count);
}

}  // namespace ps
