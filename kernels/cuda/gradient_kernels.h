// Kernels of DeviceBatches. Pointers are of the device; launches return at once, with an error
// where nothing was launched.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace ps {

// A batch whose distinct keys are found: rows as LabelledRows has them, features by id, and where
// each stands among those of its id (DistinctKeysView).
struct GradientBatchView {
  const std::uint32_t* row_begin = nullptr;
  std::uint32_t base = 0;  // what row_begin counts from
  const float* values = nullptr;
  const float* labels = nullptr;
  const float* weights = nullptr;
  std::uint32_t rows = 0;
  const std::uint32_t* bias_id = nullptr;  // null: rows have none

  const std::uint32_t* ids = nullptr;
  const std::uint32_t* sorted = nullptr;
  const std::uint32_t* begin = nullptr;  // id_count + 1
  const std::uint32_t* long_ids = nullptr;
  std::uint32_t id_count = 0, long_count = 0;
  int lanes = 1;
};

// Of all lanes, side by side.
struct GradientArrays {
  const float* weight = nullptr;  // by id
  float* margins = nullptr;       // by row
  float* errors = nullptr;        // by row
  float* parts = nullptr;         // of gradients: what each place brings, in the order of `sorted`
  float* gradient = nullptr;      // by id
};

cudaError_t LoadGradientKernels();

// Margins and errors of rows, and what their places bring.
[[nodiscard]] cudaError_t LaunchBatchMargins(const GradientBatchView& batch,
                                             const GradientArrays& arrays, cudaStream_t stream);
// The gradient of each id, from that.
[[nodiscard]] cudaError_t LaunchGradientsOfIds(const GradientBatchView& batch,
                                               const GradientArrays& arrays, cudaStream_t stream);

}  // namespace ps
