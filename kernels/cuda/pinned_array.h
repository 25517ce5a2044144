// Pinned memory of the host as an array, for what a device answers. Owned by one object; any thread.
#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "kernels/cuda/device_memory.h"

namespace ps {

template <typename T>
class PinnedArray {
 public:
  // Once. Its contents are undefined.
  absl::Status Allocate(std::size_t size) { return bytes_.Room(size * sizeof(T)); }
  T* data() const { return reinterpret_cast<T*>(bytes_.data()); }
  T& operator[](std::size_t i) const { return data()[i]; }

 private:
  PinnedBytes bytes_;
};

}  // namespace ps
