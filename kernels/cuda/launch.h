// Starts a kernel on a stream. Errors stay with the runtime, which tells them when the stream is
// asked next.
#pragma once

#include <cuda_runtime.h>

namespace ps {

struct Grid {
  unsigned x = 1, y = 1;
};

template <typename... Parameters, typename... Arguments>
void Launch(void (*kernel)(Parameters...), Grid grid, unsigned threads, cudaStream_t stream,
            const Arguments&... arguments) {
  if (grid.x == 0 || grid.y == 0) return;  // nothing to do
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(grid.x, grid.y);
  config.blockDim = dim3(threads);
  config.stream = stream;
  cudaLaunchKernelEx(&config, kernel, Parameters(arguments)...);
}

}  // namespace ps
