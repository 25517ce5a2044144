#include "trainer/cluster/cluster_state.h"

#include <memory>
#include <regex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "ps/base/status_macros.h"
#include "ps/state_store/etcd_state_store.h"
#include "ps/state_store/file_state_store.h"
#include "ps/state_store/kubernetes_state_store.h"
#include "trainer/cluster/cluster_checkpoints.h"

namespace ps {
namespace {

// A progress is a write to the whole cluster's etcd there, not to a disk or store of the job's own.
constexpr MonotonicTime kKubernetesProgress = std::chrono::seconds(5);
constexpr std::chrono::seconds kKubernetesLimit(30);  // API servers are replaced now and then

absl::StatusOr<std::unique_ptr<StateStore>> OpenKubernetes(const std::string& name) {
  if (!std::regex_match(name, std::regex("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"))) {
    return absl::InvalidArgumentError(absl::StrCat(
        "cluster.state: kubernetes://", name,
        ": expected kubernetes://NAME, where NAME is what the ConfigMap and the Lease shall be "
        "called: at most 63 lower-case letters, digits and '-'"));
  }
  KubernetesStateStore::Options options{
      .name = name, .identity = ThisPod(), .call_limit = kKubernetesLimit};
  absl::StatusOr<KubernetesAccess> access = AccessFromPod();
  if (!access.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("cluster.state: kubernetes://", name, ": ", access.status().message()));
  }
  options.access = *std::move(access);
  return KubernetesStateStore::Open(options);
}

absl::StatusOr<std::unique_ptr<StateStore>> OpenEtcd(absl::string_view rest) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(rest, absl::MaxSplits('/', 1));
  EtcdStateStore::Options options;
  for (const absl::string_view host : absl::StrSplit(parts.first, ',')) {
    options.endpoints.push_back(absl::StrCat("http://", host));
  }
  options.prefix = absl::StrCat("/", parts.second);
  return EtcdStateStore::Open(options);
}

constexpr char kKubernetes[] = "kubernetes://";

absl::StatusOr<std::unique_ptr<StateStore>> OpenStore(const std::string& where) {
  absl::string_view rest = where;
  if (absl::ConsumePrefix(&rest, "etcd://")) return OpenEtcd(rest);
  if (absl::ConsumePrefix(&rest, kKubernetes)) return OpenKubernetes(std::string(rest));
  return FileStateStore::Open(where);
}

}  // namespace

absl::StatusOr<std::unique_ptr<StateStore>> OpenClusterState(const std::string& where) {
  absl::StatusOr<std::unique_ptr<StateStore>> store = OpenStore(where);
  if (absl::IsFailedPrecondition(store.status())) {  // to be tried again, once that one is gone
    return absl::UnavailableError(
        absl::StrCat("another scheduler has this job: ", store.status().message()));
  }
  return store;
}

absl::Status AddState(const ClusterJob& job, SchedulerMachine::Options* options) {
  if (job.config.cluster.state.empty()) return absl::OkStatus();
  const std::string& where = job.config.cluster.state;
  PS_ASSIGN_OR_RETURN(options->store, OpenClusterState(where));
  if (absl::StartsWith(where, kKubernetes)) options->progress_interval = kKubernetesProgress;
  PS_ASSIGN_OR_RETURN(options->stored, options->store->Load());
  const auto trees = options->stored.find(kTreesJobRecord);
  if (trees != options->stored.end() && !trees->second.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("cluster.state: ", where,
                     " is of a job of trees: give it another name, or remove what is there"));
  }
  if (!HasStoredNodes(options->stored)) return absl::OkStatus();
  PS_ASSIGN_OR_RETURN(const std::uint64_t checkpoint, StoredCheckpoint(options->stored));
  return ResumeFrom(job, checkpoint, options);
}

}  // namespace ps
