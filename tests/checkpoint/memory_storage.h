// Checkpoints in memory, for tests and simulations, with faults on demand. One thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ps/base/status_macros.h"
#include "ps/checkpoint/checkpoint_storage.h"

namespace ps {

class MemoryStorage : public CheckpointStorage {
 public:
  // Asked before every append and finish; what is not OK is the call's answer.
  std::function<absl::Status(const std::string& name)> fault;
  std::map<std::string, std::string> objects;

  absl::StatusOr<std::unique_ptr<ObjectWriter>> Create(const std::string& name) override {
    return std::make_unique<Writer>(*this, name);
  }
  absl::StatusOr<std::string> Read(const std::string& name, std::uint64_t offset,
                                   std::uint64_t bytes) override {
    PS_ASSIGN_OR_RETURN(const std::string all, ReadAll(name));
    if (offset > all.size() || bytes > all.size() - offset) {
      return absl::DataLossError(absl::StrCat(name, ": offset ", all.size(), ": ends here"));
    }
    return all.substr(offset, bytes);
  }
  absl::StatusOr<std::string> ReadAll(const std::string& name) override {
    const auto found = objects.find(name);
    if (found == objects.end()) return absl::NotFoundError(name);
    return found->second;
  }
  absl::StatusOr<std::vector<StoredObject>> List(const std::string& prefix) override {
    std::vector<StoredObject> listed;
    for (const auto& [name, bytes] : objects) {
      if (name.rfind(prefix, 0) == 0) listed.push_back({name, bytes.size()});
    }
    return listed;
  }
  absl::Status Remove(const std::string& name) override {
    objects.erase(name);
    return absl::OkStatus();
  }
  std::string Describe(const std::string& name) const override { return "memory:" + name; }

 private:
  class Writer : public ObjectWriter {
   public:
    Writer(MemoryStorage& storage, std::string name) : storage_(storage), name_(std::move(name)) {}
    absl::Status Append(std::string_view bytes) override {
      bytes_ += bytes;
      return storage_.fault ? storage_.fault(name_) : absl::OkStatus();
    }
    absl::Status Finish() override {
      if (storage_.fault) PS_RETURN_IF_ERROR(storage_.fault(name_));
      storage_.objects[name_] = std::move(bytes_);
      return absl::OkStatus();
    }

   private:
    MemoryStorage& storage_;
    const std::string name_;
    std::string bytes_;
  };
};

}  // namespace ps
