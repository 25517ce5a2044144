// Checkpoints in a directory: of a local disk, or of a volume that all servers share.
#pragma once

#include <memory>
#include <string>

#include "ps/checkpoint/checkpoint_storage.h"

namespace ps {

// The directory is created when something is written. What is being written lies beside its place
// in a file with
// ".writing." in its name; one that a dead process left is no object, and the next
// writer of that name on this machine's disk does not mind it.
class LocalStorage : public CheckpointStorage {
 public:
  explicit LocalStorage(std::string directory) : directory_(std::move(directory)) {}

  absl::StatusOr<std::unique_ptr<ObjectWriter>> Create(const std::string& name) override;
  absl::StatusOr<std::string> Read(const std::string& name, std::uint64_t offset,
                                   std::uint64_t bytes) override;
  absl::StatusOr<std::string> ReadAll(const std::string& name) override;
  absl::StatusOr<std::vector<StoredObject>> List(const std::string& prefix) override;
  absl::Status Remove(const std::string& name) override;
  std::string Describe(const std::string& name) const override { return directory_ + "/" + name; }

 private:
  const std::string directory_;
};

}  // namespace ps
