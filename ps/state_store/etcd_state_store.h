// The state store in etcd, through the JSON gateway of its v3 API. For schedulers that may come
// back on another machine: etcd keeps the records on a majority of its nodes, and elects.
//
// Leadership is a key `<prefix>/leader` that hangs on a lease: whoever creates it leads, until the
// lease ends. Every commit is one transaction on the condition that the key is still the one that
// this object created; its create revision is the leadership term. A thread of its own keeps the
// lease alive; it tells nobody of its failures, for the condition is what protects the records.
//
// One caller thread. Endpoints are tried in turn until a deadline; an answer that was lost is asked
// for again, which is safe because the transaction sets whole values.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ps/state_store/state_log.h"
#include "ps/state_store/state_store.h"

namespace ps {

class EtcdClient;

class EtcdStateStore : public StateStore {
 public:
  struct Options {
    std::vector<std::string> endpoints;            // http://HOST:PORT or https://HOST:PORT
    std::string prefix;                            // of this job's keys, as "/hyperplane/job"
    std::string ca_file;                           // https: empty for the system's
    std::chrono::seconds lease{5};                 // a dead leader is replaced after about as long
    std::chrono::milliseconds call_limit{5000};    // of Load and Commit
    std::chrono::milliseconds elect_limit{30000};  // of waiting for an older leader to end
  };
  // Waits to be leader. FailedPrecondition: another leader is alive at the end of the limit.
  // Unavailable: no etcd.
  static absl::StatusOr<std::unique_ptr<EtcdStateStore>> Open(const Options& options);
  // Gives leadership up.
  ~EtcdStateStore() override;
  EtcdStateStore(const EtcdStateStore&) = delete;
  EtcdStateStore& operator=(const EtcdStateStore&) = delete;

  absl::StatusOr<StateRecords> Load() override;
  // InvalidArgument beyond what etcd takes in one transaction (128 records, 1.5 MB).
  absl::Status Commit(absl::Span<const std::pair<std::string, std::string>> records) override;
  std::uint64_t leadership_term() const override { return term_; }

 private:
  explicit EtcdStateStore(const Options& options);
  absl::Status Campaign();
  absl::Status GrantLease();
  absl::StatusOr<bool> TryLead();
  void KeepAlive();

  const Options options_;
  const std::unique_ptr<EtcdClient> client_;
  std::string lease_;       // decimal, as the gateway wants it
  std::uint64_t term_ = 0;  // create revision of the leader key

  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // protected by mutex_
  std::thread keeper_;
};

}  // namespace ps
