#include "trainer/cluster/cluster_state.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "ps/base/status_macros.h"
#include "ps/state_store/etcd_state_store.h"
#include "ps/state_store/file_state_store.h"
#include "trainer/cluster/cluster_checkpoints.h"

namespace ps {
namespace {

// A path, or etcd://HOST:PORT,HOST:PORT/PREFIX.
absl::StatusOr<std::unique_ptr<StateStore>> OpenStore(const std::string& where) {
  absl::string_view rest = where;
  if (!absl::ConsumePrefix(&rest, "etcd://")) return FileStateStore::Open(where);
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(rest, absl::MaxSplits('/', 1));
  EtcdStateStore::Options options;
  for (const absl::string_view host : absl::StrSplit(parts.first, ',')) {
    options.endpoints.push_back(absl::StrCat("http://", host));
  }
  options.prefix = absl::StrCat("/", parts.second);
  return EtcdStateStore::Open(options);
}

}  // namespace

absl::Status AddState(const ClusterJob& job, SchedulerMachine::Options* options) {
  const std::string& where = job.config.cluster.state;
  if (where.empty()) return absl::OkStatus();
  PS_ASSIGN_OR_RETURN(options->store, OpenStore(where));
  PS_ASSIGN_OR_RETURN(options->stored, options->store->Load());
  if (!HasStoredNodes(options->stored)) return absl::OkStatus();
  PS_ASSIGN_OR_RETURN(const std::uint64_t checkpoint, StoredCheckpoint(options->stored));
  return ResumeFrom(job, checkpoint, options);
}

}  // namespace ps
