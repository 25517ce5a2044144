// The state store as Kubernetes objects: all records in one ConfigMap, leadership by a Lease.
//
// The Lease only decides who should lead. What protects the records is the ConfigMap's
// resourceVersion: a new leader first writes the ConfigMap with the next term, so whatever an older
// one sends has a stale version and gets 409. Expiry of another's Lease is judged by the local
// monotonic clock, from when its resourceVersion was last seen to change; nobody's wall clock
// matters.
//
// Objects that are there already, empty, need no right to create any, and keep their owner, with
// which they go.
//
// One caller thread. A ConfigMap holds 1 MiB, so the records are stored compressed (zstd). One
// object and not several: a single write is all or nothing, and there is nothing that an older
// leader could still write to. Beyond the limit a commit is InvalidArgument.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "ps/state_store/kubernetes_client.h"
#include "ps/state_store/state_log.h"
#include "ps/state_store/state_store.h"

namespace ps {

class KubernetesStateStore : public StateStore {
 public:
  struct Options {
    KubernetesAccess access;
    std::string name;      // of the Lease and the ConfigMap
    std::string identity;  // of the pod: a container that was restarted may take its own Lease back
    std::chrono::seconds lease{5};  // a dead leader is replaced after about as long
    std::chrono::milliseconds call_limit{10000};
    std::chrono::milliseconds elect_limit{60000};
  };
  // Waits to be leader. FailedPrecondition: another leader is alive at the end of the limit.
  static absl::StatusOr<std::unique_ptr<KubernetesStateStore>> Open(const Options& options);
  // Gives the Lease back.
  ~KubernetesStateStore() override;
  KubernetesStateStore(const KubernetesStateStore&) = delete;
  KubernetesStateStore& operator=(const KubernetesStateStore&) = delete;

  absl::StatusOr<StateRecords> Load() override;
  absl::Status Commit(absl::Span<const std::pair<std::string, std::string>> records) override;
  std::uint64_t leadership_term() const override { return frame_.term; }

 private:
  explicit KubernetesStateStore(const Options& options);
  absl::Status Acquire();
  absl::Status TakeOver();
  // Writes all records as frame `next`. Aborted: somebody else has written the ConfigMap.
  absl::Status Put(const StateRecords& records, const StateFrameName& next);
  absl::Status Read();  // sets records_, frame_ and version_ to what is stored
  void Renew();

  const Options options_;
  KubernetesClient client_;  // of the caller's thread
  StateRecords records_;
  StateFrameName frame_;  // of what is stored
  std::string version_;   // resourceVersion of the ConfigMap; empty: there is none

  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;      // protected by mutex_
  std::string lease_version_;  // resourceVersion; of the renewing thread once it runs
  std::thread renewer_;
};

}  // namespace ps
