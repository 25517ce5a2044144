#include "trainer/cluster/pod_scaler.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "ps/base/file.h"
#include "ps/base/status_macros.h"
#include "ps/state_store/etcd_client.h"

namespace ps {
namespace {

using google::protobuf::Struct;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kCallLimit{10000};
constexpr milliseconds kFinishLimit{3000};
constexpr int kLowCost = -1000;
// A ReplicaSet's controller hears of pods and of its own object apart.
constexpr milliseconds kBetweenMarkAndScale{1000};

constexpr char kPatch[] = "application/merge-patch+json";

}  // namespace

PodScaler::PodScaler(const Options& options) : options_(options), client_(options.access) {
  kinds_[0].deployment = options.job + "-server";
  kinds_[1].deployment = options.job + "-worker";
  thread_ = std::thread([this] { Run(); });
}

PodScaler::~PodScaler() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void PodScaler::Keep(SchedulerMachine& scheduler, MonotonicTime now) {
  const std::vector<SchedulerMachine::LeavingNode> leaving = scheduler.Leaving();
  SchedulerMachine::Wanted wanted = scheduler.wanted();
  std::set<NodeId> release;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (int k = 0; k < kKinds; ++k) {
      Kind& kind = kinds_[k];
      std::uint32_t& count = k == 0 ? wanted.servers : wanted.workers;
      if (kind.others.has_value()) count = std::max(1u, *std::exchange(kind.others, std::nullopt));
      if (told_[k] != kind.trouble) {
        told_[k] = kind.trouble;
        scheduler.Tell(told_[k]);
      }
      std::set<std::string> pods;
      bool drained = true;
      for (const auto& node : leaving) {
        if ((node.role == wire::SERVER) != (k == 0)) continue;
        pods.insert(node.host);
        drained = drained && node.drained;
        // As few pods as are wanted, and this one is still there.
        const bool waits = node.drained && kind.replicas.has_value() && *kind.replicas <= count;
        if (!waits) {
          drained_since_.erase(node.node);
        } else if (now - drained_since_.try_emplace(node.node, now).first->second >
                   options_.release_after) {
          release.insert(node.node);
        }
      }
      news_ = news_ || kind.wanted != count || kind.leaving != pods || kind.drained != drained;
      kind.wanted = count;
      kind.leaving = std::move(pods);
      kind.drained = drained;
      kind.gathering = !scheduler.running();
    }
    if (!std::exchange(begun_, true)) news_ = true;
    if (news_) wake_.notify_one();
  }
  for (const NodeId node : release) {
    scheduler.Release(node);
    drained_since_.erase(node);
  }
  scheduler.SetWanted(wanted);
}

void PodScaler::Finish() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
  for (const Kind& kind : kinds_) {
    const auto set = AskScale(kind, Replicas{}, kFinishLimit);
    if (!set.ok()) LOG(WARNING) << kind.deployment << " keeps its pods: " << set.status();
  }
}

void PodScaler::Run() {
  for (;;) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait_for(lock, options_.poll, [this] { return stopping_ || news_; });
      if (stopping_) return;
      if (!begun_) continue;
      news_ = false;
    }
    for (Kind& kind : kinds_) Step(kind);
  }
}

void PodScaler::Step(Kind& kind) {
  std::set<std::string> leaving;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    leaving = kind.leaving;
  }
  // Without the right to it, the number is right all the same.
  absl::Status done = Mark(kind, leaving);
  if (const absl::Status scaled = Scale(kind, leaving); !scaled.ok()) done = scaled;
  if (done.ok()) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  kind.trouble = absl::StrCat("Deployment ", kind.deployment, ": ", done.message());
}

absl::Status PodScaler::SetCost(const std::string& pod, int cost) {
  const absl::Status set =
      client_
          .Ask({.method = "PATCH",
                .path =
                    absl::StrCat("/api/v1/namespaces/", options_.access.name_space, "/pods/", pod),
                .body = absl::StrCat("{\"metadata\":{\"annotations\":{"
                                     "\"controller.kubernetes.io/pod-deletion-cost\":\"",
                                     cost, "\"}}}"),
                .content_type = kPatch},
               steady_clock::now() + kCallLimit)
          .status();
  return absl::IsNotFound(set) ? absl::OkStatus() : set;
}

absl::Status PodScaler::Mark(Kind& kind, const std::set<std::string>& leaving) {
  absl::Status first;
  for (const std::string& pod : leaving) {
    if (kind.marked.contains(pod)) continue;
    const absl::Status set = SetCost(pod, kLowCost);
    first.Update(set);
    if (!set.ok() && !absl::IsPermissionDenied(set)) continue;  // is tried again
    kind.marked[pod] = set.ok();
    kind.marked_at = steady_clock::now();
  }
  // Those that are gone, or began anew.
  std::erase_if(kind.marked, [&](const auto& pod) {
    if (leaving.contains(pod.first)) return false;
    if (pod.second) first.Update(SetCost(pod.first, 0));
    return true;
  });
  return first;
}

absl::StatusOr<PodScaler::Replicas> PodScaler::AskScale(const Kind& kind,
                                                        const std::optional<Replicas>& set,
                                                        milliseconds limit) {
  KubernetesClient::Call call{.path = absl::StrCat("/apis/apps/v1/namespaces/",
                                                   options_.access.name_space, "/deployments/",
                                                   kind.deployment, "/scale")};
  if (set.has_value()) {
    const std::string version =
        set->version.empty()
            ? ""
            : absl::StrCat("\"metadata\":{\"resourceVersion\":\"", set->version, "\"},");
    call.method = "PATCH";
    call.body = absl::StrCat("{", version, "\"spec\":{\"replicas\":", set->count, "}}");
    call.content_type = kPatch;
  }
  PS_ASSIGN_OR_RETURN(const Struct scale, client_.Ask(call, steady_clock::now() + limit));
  return Replicas{static_cast<std::uint32_t>(JsonInteger(JsonPart(scale, "spec"), "replicas")),
                  ResourceVersion(scale)};
}

absl::Status PodScaler::Scale(Kind& kind, const std::set<std::string>& leaving) {
  PS_ASSIGN_OR_RETURN(Replicas replicas, AskScale(kind, std::nullopt, kCallLimit));
  const std::uint32_t before = replicas.count;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (kind.others.has_value()) return absl::OkStatus();  // the scheduler does not know yet
    // The first time what is found there counts, but for a change that an earlier scheduler had
    // begun, and for nodes that the job waits for.
    const bool begun = !leaving.empty() || (kind.gathering && before < kind.wanted);
    const bool by_others =
        kind.replicas.has_value() ? *kind.replicas != before : before != kind.wanted && !begun;
    kind.replicas = before;
    if (by_others) {
      kind.others = before;
      return absl::OkStatus();
    }
    if (kind.leaving != leaving || before == kind.wanted) return absl::OkStatus();
    const bool settled = steady_clock::now() - kind.marked_at >= kBetweenMarkAndScale;
    if (before > kind.wanted && (!kind.drained || !settled)) return absl::OkStatus();
    replicas.count = kind.wanted;
  }
  const absl::StatusOr<Replicas> set = AskScale(kind, replicas, kCallLimit);
  if (absl::IsAborted(set.status())) return absl::OkStatus();  // changed meanwhile: is read again
  PS_RETURN_IF_ERROR(set.status());
  LOG(INFO) << "Deployment " << kind.deployment << ": " << set->count << " replicas instead of "
            << before;
  const std::lock_guard<std::mutex> lock(mutex_);
  kind.replicas = set->count;
  return absl::OkStatus();
}

absl::Status LetJobFail(const KubernetesAccess& access, const std::string& job) {
  return KubernetesClient(access)
      .Ask({.method = "PATCH",
            .path = absl::StrCat("/apis/batch/v1/namespaces/", access.name_space, "/jobs/", job),
            .body = "{\"spec\":{\"backoffLimit\":0}}",
            .content_type = kPatch},
           steady_clock::now() + kFinishLimit)
      .status();
}

absl::Status LeaveTerminationMessage(const std::string& text, const std::string& path) {
  constexpr std::size_t kMostBytes = 4096;  // that are kept
  const int file = ::open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC);  // it is a mount: not to be made or replaced
  if (file < 0) return FileError("write", path, errno);
  const ssize_t written = ::write(file, text.data(), std::min(text.size(), kMostBytes));
  const int error = errno;
  ::close(file);
  return written < 0 ? FileError("write", path, error) : absl::OkStatus();
}

}  // namespace ps
