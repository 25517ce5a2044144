// The number of a job's nodes where they are pods of two Deployments, JOB-server and JOB-worker:
// what the scheduler wants becomes spec.replicas, by the `scale` subresource, and what somebody
// else sets there (kubectl scale, an autoscaler) becomes what the scheduler wants.
//
// Fewer pods are asked for only when those that leave have nothing left to give away. A Deployment
// deletes, among pods that are ready, the one with the least pod-deletion-cost, so each that leaves
// is given a low one as soon as it is known. Where that was not heeded (another pod was not ready,
// or the right to patch pods is missing), the pod that is deleted gives away what it has by itself,
// and the one that stays is told to stop, which makes it a fresh one.
//
// Keep is called in the scheduler's thread and never waits; a thread of its own talks to the API
// server, and goes on trying: what fails is told as an event.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "ps/state_store/kubernetes_client.h"
#include "scheduler/scheduler_machine.h"

namespace ps {

class PodScaler {
 public:
  struct Options {
    KubernetesAccess access;
    std::string job;                               // of the names of the Deployments
    MonotonicTime poll = std::chrono::seconds(2);  // for what others have set
    // For a drained pod to be deleted, once there are to be as few.
    MonotonicTime release_after = std::chrono::seconds(30);
  };
  explicit PodScaler(const Options& options);
  ~PodScaler();
  PodScaler(const PodScaler&) = delete;
  PodScaler& operator=(const PodScaler&) = delete;

  // After every tick of the scheduler.
  void Keep(SchedulerMachine& scheduler, MonotonicTime now);

  // The job is done: no pods are wanted. Waits a few seconds at most. No Keep after it.
  void Finish();

 private:
  static constexpr int kKinds = 2;  // servers, workers

  struct Kind {
    std::string deployment;
    // Protected by mutex_.
    std::uint32_t wanted = 1;
    std::set<std::string> leaving;          // pods
    bool drained = true;                    // all of these
    bool gathering = true;                  // nodes are still to come
    std::optional<std::uint32_t> replicas;  // as last read or set
    std::optional<std::uint32_t> others;  // somebody else has set so many; the scheduler is to know
    std::string trouble;                  // what went wrong last; told once
    // Of the thread.
    std::map<std::string, bool> marked;  // pods with a low cost; false: there is no right to it
    std::chrono::steady_clock::time_point marked_at;
  };
  void Run();
  void Step(Kind& kind);
  absl::Status Mark(Kind& kind, const std::set<std::string>& leaving);
  absl::Status Scale(Kind& kind, const std::set<std::string>& leaving);
  struct Replicas {
    std::uint32_t count = 0;
    std::string version;  // of what was read; to set: only if that is still the one, or empty
  };
  // What there shall be, once `set` is set where there is one.
  absl::StatusOr<Replicas> AskScale(const Kind& kind, const std::optional<Replicas>& set,
                                    std::chrono::milliseconds limit);
  absl::Status SetCost(const std::string& pod, int cost);

  const Options options_;
  KubernetesClient client_;  // of the thread
  std::array<Kind, kKinds> kinds_;
  std::map<NodeId, MonotonicTime> drained_since_;  // of Keep
  std::array<std::string, kKinds> told_;           // of Keep: the trouble that was told

  std::mutex mutex_;
  std::condition_variable wake_;
  bool begun_ = false;     // protected by mutex_: Keep has said what is wanted
  bool news_ = false;      // protected by mutex_
  bool stopping_ = false;  // protected by mutex_
  std::thread thread_;     // last: it uses all of the above
};

// For a job that has ended for good, but not with success: its Job object (of the same name) starts
// no further pod. Its pods have no podFailurePolicy, under which none on a lost node is replaced.
absl::Status LetJobFail(const KubernetesAccess& access, const std::string& job);

// The container's last word, which `kubectl describe pod` shows; of long texts the beginning. NotFound where Kubernetes has
// put no file there for it.
absl::Status LeaveTerminationMessage(const std::string& text, const std::string& path = "/dev/termination-log");

}  // namespace ps
