#include "ps/state_store/kubernetes_state_store.h"

#include <algorithm>
#include <ctime>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "ps/base/status_macros.h"
#include "ps/state_store/etcd_client.h"

namespace ps {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kLeaderPoll{250};
constexpr std::size_t kMostFrameBytes = 700 << 10;

steady_clock::time_point After(milliseconds limit) { return steady_clock::now() + limit; }

std::string LeasesPath(const KubernetesAccess& access) {
  return absl::StrCat("/apis/coordination.k8s.io/v1/namespaces/", access.name_space, "/leases");
}
std::string ConfigMapsPath(const KubernetesAccess& access) {
  return absl::StrCat("/api/v1/namespaces/", access.name_space, "/configmaps");
}

Struct Part(const Struct& object, const std::string& name) {
  const Value* value = JsonMember(object, name);
  return value == nullptr ? Struct() : value->struct_value();
}

std::string Metadata(const std::string& name, const std::string& version) {
  return absl::StrCat("\"metadata\":{\"name\":\"", name, "\"",
                      version.empty() ? "" : absl::StrCat(",\"resourceVersion\":\"", version, "\""),
                      "}");
}

// For people only; nothing here reads another's clock.
std::string MicroTime() {
  const std::time_t now = std::time(nullptr);
  std::tm parts;
  ::gmtime_r(&now, &parts);
  char text[48];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.000000Z", &parts);
  return text;
}

std::string LeaseBody(const KubernetesStateStore::Options& options, const std::string& holder,
                      const std::string& version, std::uint64_t transitions) {
  return absl::StrCat("{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\",",
                      Metadata(options.name, version), ",\"spec\":{\"holderIdentity\":\"", holder,
                      "\",\"leaseDurationSeconds\":", options.lease.count(), ",\"renewTime\":\"",
                      MicroTime(), "\",\"leaseTransitions\":", transitions, "}}");
}

std::string VersionOf(const Struct& object) {
  return JsonText(Part(object, "metadata"), "resourceVersion");
}

}  // namespace

KubernetesStateStore::KubernetesStateStore(const Options& options)
    : options_(options), client_(options.access) {}

absl::StatusOr<std::unique_ptr<KubernetesStateStore>> KubernetesStateStore::Open(
    const Options& options) {
  for (const std::string& name : {options.name, options.identity}) {
    const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
      return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_';
    });
    if (!plain) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", name, "\": a name has letters, digits, - . _"));
    }
  }
  std::unique_ptr<KubernetesStateStore> store(new KubernetesStateStore(options));
  PS_RETURN_IF_ERROR(store->Acquire());
  store->renewer_ = std::thread([s = store.get()] { s->Renew(); });
  PS_RETURN_IF_ERROR(store->TakeOver());
  return store;
}

KubernetesStateStore::~KubernetesStateStore() {
  if (!renewer_.joinable()) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  renewer_.join();
  if (lease_version_.empty()) return;  // somebody else's by now
  const auto given =
      client_.Ask({.method = "PUT",
                   .path = absl::StrCat(LeasesPath(options_.access), "/", options_.name),
                   .body = LeaseBody(options_, "", lease_version_, frame_.term)},
                  After(milliseconds(1000)));
  if (!given.ok()) LOG(WARNING) << "giving the Lease back: " << given.status();
}

absl::Status KubernetesStateStore::Acquire() {
  const std::string path = LeasesPath(options_.access);
  const steady_clock::time_point deadline = After(options_.elect_limit);
  std::string seen;
  steady_clock::time_point seen_at;
  for (;;) {
    KubernetesClient::Call take;
    const absl::StatusOr<Struct> lease =
        client_.Ask({.path = absl::StrCat(path, "/", options_.name)}, After(options_.call_limit));
    if (absl::IsNotFound(lease.status())) {
      take = {
          .method = "POST", .path = path, .body = LeaseBody(options_, options_.identity, "", 0)};
    } else {
      PS_RETURN_IF_ERROR(lease.status());
      const Struct spec = Part(*lease, "spec");
      const std::string holder = JsonText(spec, "holderIdentity");
      if (VersionOf(*lease) != seen) {
        seen = VersionOf(*lease);
        seen_at = steady_clock::now();
      }
      const std::chrono::seconds lasts(JsonInteger(spec, "leaseDurationSeconds"));
      const bool free =
          holder.empty() || holder == options_.identity || steady_clock::now() - seen_at >= lasts;
      if (free) {
        take = {.method = "PUT",
                .path = absl::StrCat(path, "/", options_.name),
                .body = LeaseBody(options_, options_.identity, seen,
                                  JsonInteger(spec, "leaseTransitions") + 1)};
      }
    }
    if (!take.path.empty()) {
      const absl::StatusOr<Struct> taken = client_.Ask(take, After(options_.call_limit));
      if (taken.ok()) {
        lease_version_ = VersionOf(*taken);
        return absl::OkStatus();
      }
      if (!absl::IsAborted(taken.status())) return taken.status();
    }
    if (steady_clock::now() >= deadline) {
      return absl::FailedPreconditionError(
          absl::StrCat("Lease ", options_.name, ": another scheduler holds it"));
    }
    std::this_thread::sleep_for(kLeaderPoll);
  }
}

absl::Status KubernetesStateStore::Read() {
  const absl::StatusOr<Struct> map =
      client_.Ask({.path = absl::StrCat(ConfigMapsPath(options_.access), "/", options_.name)},
                  After(options_.call_limit));
  if (absl::IsNotFound(map.status())) {
    version_.clear();
    return absl::OkStatus();
  }
  PS_RETURN_IF_ERROR(map.status());
  std::string bytes;
  const std::string path = "ConfigMap " + options_.name;
  if (!absl::Base64Unescape(JsonText(Part(*map, "binaryData"), "state"), &bytes)) {
    return absl::DataLossError(path + ": \"state\" is not base64");
  }
  PS_ASSIGN_OR_RETURN(StateLog log, ReadStateLog(path, bytes));
  if (log.whole_bytes != bytes.size()) return absl::DataLossError(path + ": damaged");
  version_ = VersionOf(*map);
  records_ = std::move(log.records);
  frame_ = log.last;
  return absl::OkStatus();
}

absl::Status KubernetesStateStore::Put(const StateRecords& records, const StateFrameName& next) {
  PS_ASSIGN_OR_RETURN(const std::string frame,
                      EncodeStateFrame(next, std::vector<std::pair<std::string, std::string>>(
                                                 records.begin(), records.end())));
  if (frame.size() > kMostFrameBytes) {
    return absl::InvalidArgumentError(absl::StrCat("a ConfigMap holds ", kMostFrameBytes,
                                                   " bytes of records, not ", frame.size()));
  }
  const std::string maps = ConfigMapsPath(options_.access);
  PS_ASSIGN_OR_RETURN(
      const Struct written,
      client_.Ask({.method = version_.empty() ? "POST" : "PUT",
                   .path = version_.empty() ? maps : absl::StrCat(maps, "/", options_.name),
                   .body = absl::StrCat("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",",
                                        Metadata(options_.name, version_),
                                        ",\"binaryData\":{\"state\":", JsonBytes(frame), "}}")},
                  After(options_.call_limit)));
  version_ = VersionOf(written);
  records_ = records;
  frame_ = next;
  return absl::OkStatus();
}

absl::Status KubernetesStateStore::TakeOver() {
  for (;;) {
    PS_RETURN_IF_ERROR(Read());
    const absl::Status put = Put(records_, {frame_.sequence + 1, frame_.term + 1});
    // The older leader's last commit came between, or this is our own, its answer lost: a further
    // term does no harm.
    if (!absl::IsAborted(put)) return put;
  }
}

absl::StatusOr<StateRecords> KubernetesStateStore::Load() {
  const std::uint64_t term = frame_.term;
  PS_RETURN_IF_ERROR(Read());
  if (frame_.term == term) return records_;
  frame_.term = term;
  return absl::FailedPreconditionError(
      absl::StrCat("ConfigMap ", options_.name, ": another scheduler leads"));
}

absl::Status KubernetesStateStore::Commit(
    absl::Span<const std::pair<std::string, std::string>> records) {
  StateRecords all = records_;
  for (const auto& [key, value] : records) all[key] = value;
  const std::uint64_t term = frame_.term;
  const StateFrameName next = {frame_.sequence + 1, term};
  const absl::Status put = Put(all, next);
  if (!absl::IsAborted(put)) return put;
  // Either another leads, or an earlier PUT of ours was done and its answer lost.
  const absl::StatusOr<StateRecords> stored = Load();
  PS_RETURN_IF_ERROR(stored.status());
  StateRecords again = *stored;
  for (const auto& [key, value] : records) again[key] = value;
  if (again == *stored) return absl::OkStatus();
  return Put(again, {frame_.sequence + 1, term});
}

void KubernetesStateStore::Renew() {
  KubernetesClient client(options_.access);
  const milliseconds period = milliseconds(options_.lease) / 4;
  for (;;) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      if (wake_.wait_for(lock, period, [this] { return stopping_; })) return;
    }
    const std::string path = absl::StrCat(LeasesPath(options_.access), "/", options_.name);
    // A lost answer leaves our version stale, so it is read anew each time, and renewed only if it
    // is ours.
    absl::StatusOr<Struct> lease = client.Ask({.path = path}, After(period));
    if (lease.ok() && JsonText(Part(*lease, "spec"), "holderIdentity") != options_.identity) {
      LOG(WARNING) << "Lease " << options_.name << ": taken by another scheduler";
      lease_version_.clear();
      return;
    }
    if (lease.ok()) {
      const std::uint64_t transitions = JsonInteger(Part(*lease, "spec"), "leaseTransitions");
      lease = client.Ask(
          {.method = "PUT",
           .path = path,
           .body = LeaseBody(options_, options_.identity, VersionOf(*lease), transitions)},
          After(period));
    }
    if (lease.ok()) {
      lease_version_ = VersionOf(*lease);
    } else {
      LOG(WARNING) << "Lease " << options_.name << " not renewed: " << lease.status();
    }
  }
}

}  // namespace ps
