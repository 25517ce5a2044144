// Where checkpoints lie: named objects in a local directory or an S3-compatible bucket.
//
// An object appears whole when its writer finishes, or not at all. Names are paths of
// [A-Za-z0-9._/-]. Calls block, with deadlines inside; any thread, but one thread a writer. Errors
// name the object's full path: NotFound, ResourceExhausted (disk full), PermissionDenied, DataLoss
// (shorter than it must be), else Unavailable.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ps {

class ObjectWriter {
 public:
  virtual ~ObjectWriter() = default;  // without Finish: nothing is left
  virtual absl::Status Append(std::string_view bytes) = 0;
  // Durable and visible under its name on return, in the place of an older object of that name.
  virtual absl::Status Finish() = 0;
};

struct StoredObject {
  std::string name;
  std::uint64_t bytes = 0;
};

class CheckpointStorage {
 public:
  virtual ~CheckpointStorage() = default;

  virtual absl::StatusOr<std::unique_ptr<ObjectWriter>> Create(const std::string& name) = 0;
  // Exactly `bytes` bytes from `offset`.
  virtual absl::StatusOr<std::string> Read(const std::string& name, std::uint64_t offset,
                                           std::uint64_t bytes) = 0;
  virtual absl::StatusOr<std::string> ReadAll(const std::string& name) = 0;
  // Objects whose names begin with `prefix` (which ends with a slash or is empty), by ascending
  // name.
  virtual absl::StatusOr<std::vector<StoredObject>> List(const std::string& prefix) = 0;
  virtual absl::Status Remove(const std::string& name) = 0;  // fine when there is none
  // For messages: the path or URL.
  virtual std::string Describe(const std::string& name) const = 0;
};

// Of a directory's path, or of s3://BUCKET/PREFIX; `endpoint` is of S3 alone (S3LocationFrom).
// Nothing is made yet.
absl::StatusOr<std::shared_ptr<CheckpointStorage>> OpenCheckpointStorage(
    const std::string& path, const std::string& endpoint);

absl::Status WriteObject(CheckpointStorage& storage, const std::string& name,
                         std::string_view bytes);

}  // namespace ps
