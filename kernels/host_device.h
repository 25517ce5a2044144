// Marks a function that kernels of a device call too: where it is defined once, host and device
// cannot differ. Nothing to other compilers than CUDA's.
#pragma once

#ifdef __CUDACC__
#define PS_HOST_DEVICE __host__ __device__
#else
#define PS_HOST_DEVICE
#endif
