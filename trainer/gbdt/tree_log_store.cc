#include "trainer/gbdt/tree_log_store.h"

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ps/base/status_macros.h"
#include "ps/checkpoint/checkpoint_storage.h"
#include "ps/checkpoint/manifest.h"
#include "ps/state_store/state_store.h"
#include "scheduler/scheduler_machine.h"
#include "trainer/cluster/cluster_state.h"

namespace ps {
namespace {

using std::chrono::milliseconds;

constexpr char kStatePrefix[] = "trees.";
constexpr char kObjectPrefix[] = "trees/";
constexpr std::size_t kRecordsAtOnce = 100;  // of etcd, which has a limit
// A tree that is lost is grown again, in seconds at most; and what keeping trees costs has a limit.
constexpr milliseconds kStatePause(1000);
// A write to the whole cluster's etcd there, of all records.
constexpr milliseconds kKubernetesPause(5000);

class StateLogStore final : public TreeLogStore {
 public:
  StateLogStore(std::string where, std::unique_ptr<StateStore> store)
      : where_(std::move(where)), store_(std::move(store)) {}

  absl::StatusOr<std::map<std::string, std::string>> Load() override {
    PS_ASSIGN_OR_RETURN(const auto all, store_->Load());
    if (HasStoredNodes(all)) {
      return absl::InvalidArgumentError(
          absl::StrCat("cluster.state: ", where_, " is of a job of type lr: ", HowToBeginAnew()));
    }
    std::map<std::string, std::string> records;
    for (const auto& [name, value] : all) {
      absl::string_view rest = name;
      if (!absl::ConsumePrefix(&rest, kStatePrefix)) continue;
      names_.push_back(name);
      if (!value.empty()) records.emplace(rest, value);
    }
    return records;
  }
  absl::Status Put(const std::string& name, const std::string& bytes) override {
    const std::pair<std::string, std::string> records[] = {{kStatePrefix + name, bytes}};
    names_.push_back(records[0].first);
    return store_->Commit(records);
  }
  // Names stay; the job's first, so that what is left otherwise is of no job.
  absl::Status Clear() override {
    std::sort(names_.begin(), names_.end());
    names_.erase(std::unique(names_.begin(), names_.end()), names_.end());
    std::stable_partition(names_.begin(), names_.end(),
                          [](const std::string& name) { return name == kTreesJobRecord; });
    for (std::size_t first = 0; first < names_.size(); first += kRecordsAtOnce) {
      std::vector<std::pair<std::string, std::string>> records;
      for (std::size_t i = first; i < std::min(names_.size(), first + kRecordsAtOnce); ++i)
        records.emplace_back(names_[i], "");
      PS_RETURN_IF_ERROR(store_->Commit(records));
    }
    return absl::OkStatus();
  }

  std::string Describe(const std::string& name) const override {
    return absl::StrCat("cluster.state: ", where_, ": ", kStatePrefix, name);
  }
  std::string HowToBeginAnew() const override {
    return "give cluster.state another name, or remove what is there";
  }
  milliseconds least_pause() const override {
    return absl::StartsWith(where_, "kubernetes://") ? kKubernetesPause : milliseconds(0);
  }
  milliseconds longest_pause() const override { return std::max(least_pause(), kStatePause); }
  bool has_nodes() const override { return true; }
  std::uint64_t leadership_term() const override { return store_->leadership_term(); }

 private:
  const std::string where_;
  const std::unique_ptr<StateStore> store_;
  std::vector<std::string> names_;  // that were ever used
};

class CheckpointLogStore final : public TreeLogStore {
 public:
  CheckpointLogStore(std::shared_ptr<CheckpointStorage> storage, double every)
      : storage_(std::move(storage)),
        every_(std::chrono::duration_cast<milliseconds>(std::chrono::duration<double>(every))) {}

  absl::StatusOr<std::map<std::string, std::string>> Load() override {
    PS_ASSIGN_OR_RETURN(const auto checkpoints, ListCheckpoints(*storage_));
    if (!checkpoints.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(storage_->Describe(ManifestName(checkpoints.back())),
                       " is of a job of type lr; to begin anew, set another checkpoint.dir"));
    }
    PS_ASSIGN_OR_RETURN(const std::vector<StoredObject> objects, storage_->List(kObjectPrefix));
    std::map<std::string, std::string> records;
    for (const StoredObject& object : objects) {
      PS_ASSIGN_OR_RETURN(std::string bytes, storage_->ReadAll(object.name));
      if (bytes.empty()) {
        return absl::DataLossError(absl::StrCat(storage_->Describe(object.name), " is empty"));
      }
      records.emplace(object.name.substr(sizeof kObjectPrefix - 1), std::move(bytes));
    }
    return records;
  }
  absl::Status Put(const std::string& name, const std::string& bytes) override {
    return WriteObject(*storage_, kObjectPrefix + name, bytes);
  }
  absl::Status Clear() override {
    // The job's first, so that what is left otherwise is of no job.
    PS_RETURN_IF_ERROR(storage_->Remove(std::string(kObjectPrefix) + "job"));
    PS_ASSIGN_OR_RETURN(const std::vector<StoredObject> objects, storage_->List(kObjectPrefix));
    for (const StoredObject& object : objects) PS_RETURN_IF_ERROR(storage_->Remove(object.name));
    return absl::OkStatus();
  }

  std::string Describe(const std::string& name) const override {
    return storage_->Describe(kObjectPrefix + name);
  }
  std::string HowToBeginAnew() const override {
    return "to begin anew, set checkpoint.resume: never or another checkpoint.dir";
  }
  milliseconds least_pause() const override { return every_; }
  milliseconds longest_pause() const override { return every_; }

 private:
  const std::shared_ptr<CheckpointStorage> storage_;
  const milliseconds every_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<TreeLogStore>> OpenStateLogStore(const std::string& where) {
  PS_ASSIGN_OR_RETURN(std::unique_ptr<StateStore> store, OpenClusterState(where));
  return std::make_unique<StateLogStore>(where, std::move(store));
}

absl::StatusOr<std::unique_ptr<TreeLogStore>> OpenCheckpointLogStore(
    const CheckpointConfig& config) {
  std::string path = config.dir;
  if (!absl::StrContains(path, "://")) {
    std::error_code error;
    const std::filesystem::path absolute = std::filesystem::absolute(path, error);
    if (!error) path = absolute.string();
  }
  PS_ASSIGN_OR_RETURN(std::shared_ptr<CheckpointStorage> storage,
                      OpenCheckpointStorage(path, config.endpoint));
  return std::make_unique<CheckpointLogStore>(std::move(storage), config.every);
}

}  // namespace ps
