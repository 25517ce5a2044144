// Batches of a worker of a cluster in the memory of a device: from the keys of their rows to the
// gradient of each distinct key. With the bits of BatchGradients (kernels/batch_gradients.h), whose
// order it keeps: places of a key are sorted to stand side by side, in the order of the rows
// (key_sort.h), and summed in it.
//
// A batch is begun by its keys, then the worker pulls weights, while other batches are begun or
// ended; then it is ended by its gradients. Each call waits for the device: what is left of a batch
// there should be a tenth of a millisecond, and a worker has nothing else to do. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/batch_gradients.h"

namespace ps {

// What is the caller's again when FindKeys returns.
struct DeviceBatchInput {
  LabelledRows rows;
  const std::uint64_t* keys = nullptr;  // one a feature of the rows; those of a row are distinct
  std::uint64_t bias_key = 0;           // where rows.bias, and there are rows: one of the keys
  int lanes = 1;
  bool wants_places = false;
};

// Is there until the next call of any batch.
struct DeviceBatchKeys {
  absl::Span<const std::uint64_t> keys;  // distinct, ascending
  // Where it is wanted, and there are keys: key i stands at places_begin[i + 1] - places_begin[i]
  // places, the bias key at one more than there are features with that key.
  absl::Span<const std::uint32_t> places_begin;
};

class DeviceBatch {
 public:
  virtual ~DeviceBatch() = default;
  // Takes rows and finds their distinct keys; the batch that was there is gone. ResourceExhausted:
  // there is no room for it, or for its gradients. Internal: the device has failed.
  virtual absl::StatusOr<DeviceBatchKeys> FindKeys(const DeviceBatchInput& input) = 0;
  // Of these keys: `weight` and `gradient` are keys x lanes, margins rows x lanes. Needs no more
  // memory. Internal: the device has failed.
  virtual absl::Status Compute(const float* weight, float* gradient, float* margins) = 0;
};

class DeviceBatches {
 public:
  // NotFound: no device, or no CUDA in this build. ResourceExhausted: it has no memory left.
  static absl::StatusOr<std::unique_ptr<DeviceBatches>> Make();
  virtual ~DeviceBatches() = default;

  virtual const std::string& device_name() const = 0;
  // Which may outlive this.
  virtual std::unique_ptr<DeviceBatch> NewBatch() = 0;
};

}  // namespace ps
