// Kernels of DeviceLinearModel. Pointers are of the device; launches return at once, with an error
// where nothing was launched.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "kernels/gradient_sum.h"
#include "kernels/optimizer.h"

namespace ps {

// The model. Of an entry: {z of all lanes, root of all lanes} (other optimisers: as their state
// is), high sums of all lanes, low sums, the mark. Mark: number of the last batch that took a step.
struct LinearModelView {
  static constexpr int kMostLanes = 16;
  static constexpr unsigned kSector = 32;

  unsigned char* const* segments = nullptr;  // of entries: entry_segments.h
  std::uint32_t stride = 0;                  // bytes
  int lanes = 1;
  OptimizerParams settings[kMostLanes];

  static constexpr std::uint32_t StrideOf(int lanes) {
    return (static_cast<unsigned>(lanes) * 24 + 4 + kSector - 1) / kSector * kSector;
  }
};

// Rows as ResolvedRows; row_begin counts from `base`.
struct LinearRowsView {
  const std::uint32_t* ids = nullptr;
  const float* values = nullptr;
  const std::uint32_t* row_begin = nullptr;
  std::uint32_t base = 0;
  const float* labels = nullptr;
  const float* weights = nullptr;
};

// Loads all of them (launch.h says why).
cudaError_t LoadLinearKernels();

// The id of each row's first place.
[[nodiscard]] cudaError_t LaunchSetBias(const std::uint32_t* row_begin, std::uint32_t base,
                                        std::uint32_t rows, std::uint32_t id, std::uint32_t* ids,
                                        cudaStream_t stream);
// Margins of rows [first, end).
[[nodiscard]] cudaError_t LaunchMargins(const LinearModelView& model, const LinearRowsView& rows,
                                        std::uint32_t first, std::uint32_t end, float* margins,
                                        cudaStream_t stream);
// Likewise, and their gradients added to the sums of their features.
[[nodiscard]] cudaError_t LaunchGradientSums(const LinearModelView& model,
                                             const LinearRowsView& rows, const SumScale& scale,
                                             std::uint32_t first, std::uint32_t end, float* margins,
                                             cudaStream_t stream);
// A step of each feature at places [begin, end) of ids, once each; `batch` is not what its mark
// says.
[[nodiscard]] cudaError_t LaunchSteps(const LinearModelView& model, const std::uint32_t* ids,
                                      std::uint64_t begin, std::uint64_t end, const SumScale& scale,
                                      std::uint32_t batch, cudaStream_t stream);

// States of entries [first, first + count), from or to a dense array of `floats` a lane. Entries
// that are stored have no sums and mark 0.
[[nodiscard]] cudaError_t LaunchStoreStates(const LinearModelView& model, int floats,
                                            std::uint64_t first, std::uint64_t count,
                                            const float* states, cudaStream_t stream);
[[nodiscard]] cudaError_t LaunchFetchStates(const LinearModelView& model, int floats,
                                            std::uint64_t first, std::uint64_t count, float* states,
                                            cudaStream_t stream);
[[nodiscard]] cudaError_t LaunchClearMarks(const LinearModelView& model, std::uint64_t count,
                                           cudaStream_t stream);

}  // namespace ps
