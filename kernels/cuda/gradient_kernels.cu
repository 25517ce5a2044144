#include <cuda_runtime.h>

#include "kernels/cuda/gradient_kernels.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/sort_kernels.h"
#include "kernels/logistic.h"

namespace ps {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kPlacesAhead = 4;  // of a row, which a thread fetches at once

// K lanes x Q threads for a row. Threads fetch places of the row side by side; each of a lane's
// threads then adds all of them, one after the other: the order of kernels/batch_gradients.h.
template <int K, int Q>
__global__ void __launch_bounds__(kThreads)
    BatchMarginsKernel(GradientBatchView batch, GradientArrays arrays) {
  constexpr unsigned kOfRow = K * Q, kRound = kPlacesAhead * Q;
  const unsigned of_warp = threadIdx.x % kWarp, member = threadIdx.x % kOfRow;
  const unsigned lane = member % K, part = member / K, first_of_lane = of_warp - part * K;
  const std::uint64_t thread = std::uint64_t{blockIdx.x} * kThreads + threadIdx.x;
  const std::uint64_t row = thread / kOfRow;
  const bool there = row < batch.rows;
  const std::uint32_t from = there ? batch.row_begin[row] - batch.base : 0;
  const std::uint32_t to = there ? batch.row_begin[row + 1] - batch.base : 0;
  float margin = 0;
  if (there && batch.bias_id != nullptr)
    margin = arrays.weight[std::uint64_t{*batch.bias_id} * K + lane];
  // All of the warp go on until its longest row ends: they exchange.
  for (std::uint32_t begin = from; __ballot_sync(kAllLanes, begin < to) != 0; begin += kRound) {
    const std::uint32_t left = begin < to ? to - begin : 0;
    float product[kPlacesAhead];
#pragma unroll
    for (unsigned i = 0; i < kPlacesAhead; ++i) {
      const std::uint32_t at = begin + i * Q + part;
      product[i] = 0;
      if (i * Q + part >= left) continue;
      product[i] = arrays.weight[std::uint64_t{batch.ids[at]} * K + lane];
      if (batch.values != nullptr) product[i] = product[i] * batch.values[at];
    }
#pragma unroll
    for (unsigned i = 0; i < kPlacesAhead; ++i) {
#pragma unroll
      for (unsigned q = 0; q < Q; ++q) {
        const float of_place = __shfl_sync(kAllLanes, product[i], first_of_lane + q * K);
        // Nothing is added behind the row: zeros would change the sign of a zero.
        if (i * Q + q < left) margin = margin + of_place;
      }
    }
  }
  if (!there) return;
  const float importance = batch.weights != nullptr ? batch.weights[row] : 1.0f;
  const float error = (Logistic(margin) - batch.labels[row]) * importance;
  if (part == 0) {
    arrays.margins[row * K + lane] = margin;
    arrays.errors[row * K + lane] = error;
  }
  for (std::uint32_t at = from + part; at < to; at += Q) {
    const float value = batch.values != nullptr ? batch.values[at] : 1.0f;
    arrays.parts[std::uint64_t{batch.sorted[at]} * K + lane] = error * value;
  }
}

// The sum of `count` rows of K values, each after the one before, by the first K threads of the
// block, while the others fetch what comes next. Only those have it. All threads of the block come.
template <int K>
__device__ float SumInOrder(const float* from, std::uint32_t count) {
  constexpr unsigned kTileRows = 1024 / K, kFetchers = kThreads - kWarp;
  __shared__ float tiles[2][kTileRows * K];
  float sum = 0;
  const std::uint32_t rounds = (count + kTileRows - 1) / kTileRows;
  for (std::uint32_t round = 0; round <= rounds; ++round) {
    const auto rows_of = [&](std::uint32_t of) {
      const std::uint32_t left = count - of * kTileRows;
      return left < kTileRows ? left : kTileRows;
    };
    if (threadIdx.x >= kWarp && round < rounds) {
      const float* const tile = from + std::uint64_t{round} * kTileRows * K;
      for (unsigned i = threadIdx.x - kWarp; i < rows_of(round) * K; i += kFetchers)
        tiles[round % 2][i] = tile[i];
    }
    if (threadIdx.x < K && round > 0) {
      const float* const tile = tiles[(round - 1) % 2];
      const unsigned rows = rows_of(round - 1);
#pragma unroll 8
      for (unsigned i = 0; i < rows; ++i) sum = sum + tile[i * K + threadIdx.x];
    }
    __syncthreads();
  }
  return sum;
}

// A block for each id with many places, one for the bias, and a thread for each lane of the others.
template <int K>
__global__ void __launch_bounds__(kThreads)
    GradientsKernel(GradientBatchView batch, GradientArrays arrays, std::uint32_t blocks_of_bias) {
  // The bias is what all rows bring, whatever feature has its key.
  const bool has_bias = batch.bias_id != nullptr;
  const std::uint32_t bias = has_bias ? *batch.bias_id : 0;
  if (blockIdx.x < batch.long_count + blocks_of_bias) {
    const bool of_bias = blockIdx.x == batch.long_count;
    const std::uint32_t id = of_bias ? bias : batch.long_ids[blockIdx.x];
    const std::uint32_t first = of_bias ? 0 : batch.begin[id];
    const std::uint32_t count = of_bias ? batch.rows : batch.begin[id + 1] - first;
    const float* const from = of_bias ? arrays.errors : arrays.parts + std::uint64_t{first} * K;
    const float sum = SumInOrder<K>(from, count);
    const bool is_anothers = !of_bias && has_bias && id == bias;
    if (threadIdx.x < K && !is_anothers) arrays.gradient[std::uint64_t{id} * K + threadIdx.x] = sum;
    return;
  }
  const std::uint64_t thread =
      std::uint64_t{blockIdx.x - batch.long_count - blocks_of_bias} * kThreads + threadIdx.x;
  const std::uint64_t id = thread / K;
  const unsigned lane = static_cast<unsigned>(thread % K);
  if (id >= batch.id_count || (has_bias && id == bias)) return;
  const std::uint32_t first = batch.begin[id], count = batch.begin[id + 1] - first;
  if (count > DistinctKeysView::kShort) return;
  const float* const from = arrays.parts + std::uint64_t{first} * K + lane;
  float sum = 0;
#pragma unroll 4
  for (std::uint32_t i = 0; i < count; ++i) sum = sum + from[i * K];
  arrays.gradient[id * K + lane] = sum;
}

template <int K, int Q>
cudaError_t LaunchMarginsOf(const GradientBatchView& batch, const GradientArrays& arrays,
                            cudaStream_t stream) {
  return Launch(BatchMarginsKernel<K, Q>, {BlocksFor(std::uint64_t{batch.rows} * K * Q, kThreads)},
                kThreads, stream, batch, arrays);
}

template <int K>
cudaError_t LaunchGradientsOf(const GradientBatchView& batch, const GradientArrays& arrays,
                              cudaStream_t stream) {
  const std::uint32_t of_bias = batch.bias_id != nullptr ? 1 : 0;
  const unsigned blocks =
      batch.long_count + of_bias + BlocksFor(std::uint64_t{batch.id_count} * K, kThreads);
  return Launch(GradientsKernel<K>, {blocks}, kThreads, stream, batch, arrays, of_bias);
}

template <int K, int Q>
cudaError_t LoadForLanes() {
  return LoadKernels(BatchMarginsKernel<K, Q>, GradientsKernel<K>);
}

}  // namespace

cudaError_t LoadGradientKernels() {
  for (const cudaError_t error : {LoadForLanes<1, 8>(), LoadForLanes<2, 8>(), LoadForLanes<4, 8>(),
                                  LoadForLanes<8, 4>(), LoadForLanes<16, 2>()}) {
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

cudaError_t LaunchBatchMargins(const GradientBatchView& batch, const GradientArrays& arrays,
                               cudaStream_t stream) {
  switch (batch.lanes) {
    case 1:
      return LaunchMarginsOf<1, 8>(batch, arrays, stream);
    case 2:
      return LaunchMarginsOf<2, 8>(batch, arrays, stream);
    case 4:
      return LaunchMarginsOf<4, 8>(batch, arrays, stream);
    case 8:
      return LaunchMarginsOf<8, 4>(batch, arrays, stream);
    default:
      return LaunchMarginsOf<16, 2>(batch, arrays, stream);
  }
}

cudaError_t LaunchGradientsOfIds(const GradientBatchView& batch, const GradientArrays& arrays,
                                 cudaStream_t stream) {
  switch (batch.lanes) {
    case 1:
      return LaunchGradientsOf<1>(batch, arrays, stream);
    case 2:
      return LaunchGradientsOf<2>(batch, arrays, stream);
    case 4:
      return LaunchGradientsOf<4>(batch, arrays, stream);
    case 8:
      return LaunchGradientsOf<8>(batch, arrays, stream);
    default:
      return LaunchGradientsOf<16>(batch, arrays, stream);
  }
}

}  // namespace ps
