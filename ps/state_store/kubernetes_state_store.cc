#include "ps/state_store/kubernetes_state_store.h"

#include <zstd.h>

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

// With the version that was read, so a stale one gets 409. It leaves labels and owners as they are.
constexpr char kPatch[] = "application/merge-patch+json";
constexpr milliseconds kLeaderPoll{250};
constexpr int kMostTries = 4;  // of a commit whose earlier answers were lost
// What the API server takes is 1 MiB of values.
constexpr std::size_t kMostStoredBytes = 1000 << 10;
constexpr std::size_t kMostFrameBytes = 256 << 20;

steady_clock::time_point After(milliseconds limit) { return steady_clock::now() + limit; }

std::string LeasesPath(const KubernetesAccess& access) {
  return absl::StrCat("/apis/coordination.k8s.io/v1/namespaces/", access.name_space, "/leases");
}
std::string ConfigMapsPath(const KubernetesAccess& access) {
  return absl::StrCat("/api/v1/namespaces/", access.name_space, "/configmaps");
}

std::string Metadata(const KubernetesStateStore::Options& options, const std::string& version) {
  return absl::StrCat("\"metadata\":{\"name\":\"", options.name, "\"",
                      version.empty() ? "" : absl::StrCat(",\"resourceVersion\":\"", version, "\""),
                      "}");
}

absl::StatusOr<std::string> Compressed(const std::string& bytes) {
  std::string packed(ZSTD_compressBound(bytes.size()), '\0');
  const std::size_t size =
      ZSTD_compress(packed.data(), packed.size(), bytes.data(), bytes.size(), /*level=*/3);
  if (ZSTD_isError(size) != 0) return absl::InternalError(ZSTD_getErrorName(size));
  packed.resize(size);
  return packed;
}

absl::StatusOr<std::string> Decompressed(const std::string& packed) {
  const unsigned long long size = ZSTD_getFrameContentSize(packed.data(), packed.size());
  if (size > kMostFrameBytes)
    return absl::DataLossError("no zstd, or too large");  // and for errors
  std::string bytes(size, '\0');
  const std::size_t done =
      ZSTD_decompress(bytes.data(), bytes.size(), packed.data(), packed.size());
  if (ZSTD_isError(done) != 0) return absl::DataLossError(ZSTD_getErrorName(done));
  bytes.resize(done);
  return bytes;
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
                      Metadata(options, version), ",\"spec\":{\"holderIdentity\":\"", holder,
                      "\",\"leaseDurationSeconds\":", options.lease.count(), ",\"renewTime\":\"",
                      MicroTime(), "\",\"leaseTransitions\":", transitions, "}}");
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
      client_.Ask({.method = "PATCH",
                   .path = absl::StrCat(LeasesPath(options_.access), "/", options_.name),
                   .body = LeaseBody(options_, "", lease_version_, frame_.term),
                   .content_type = kPatch},
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
      const Struct spec = JsonPart(*lease, "spec");
      const std::string holder = JsonText(spec, "holderIdentity");
      if (ResourceVersion(*lease) != seen) {
        seen = ResourceVersion(*lease);
        seen_at = steady_clock::now();
      }
      const std::chrono::seconds lasts(JsonInteger(spec, "leaseDurationSeconds"));
      const bool free =
          holder.empty() || holder == options_.identity || steady_clock::now() - seen_at >= lasts;
      if (free) {
        take = {.method = "PATCH",
                .path = absl::StrCat(path, "/", options_.name),
                .body = LeaseBody(options_, options_.identity, seen,
                                  JsonInteger(spec, "leaseTransitions") + 1),
                .content_type = kPatch};
      }
    }
    if (!take.path.empty()) {
      const absl::StatusOr<Struct> taken = client_.Ask(take, After(options_.call_limit));
      if (taken.ok()) {
        lease_version_ = ResourceVersion(*taken);
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
  const Struct data = JsonPart(*map, "binaryData");
  if (JsonMember(data, "state") == nullptr) {  // made for us beforehand
    version_ = ResourceVersion(*map);
    return absl::OkStatus();
  }
  std::string packed;
  const std::string path = "ConfigMap " + options_.name;
  if (!absl::Base64Unescape(JsonText(data, "state"), &packed)) {
    return absl::DataLossError(path + ": \"state\" is not base64");
  }
  const absl::StatusOr<std::string> bytes = Decompressed(packed);
  if (!bytes.ok()) {
    return absl::DataLossError(absl::StrCat(path, ": damaged: ", bytes.status().message()));
  }
  PS_ASSIGN_OR_RETURN(StateLog log, ReadStateLog(path, *bytes));
  if (log.whole_bytes != bytes->size()) return absl::DataLossError(path + ": damaged");
  version_ = ResourceVersion(*map);
  records_ = std::move(log.records);
  frame_ = log.last;
  return absl::OkStatus();
}

absl::Status KubernetesStateStore::Put(const StateRecords& records, const StateFrameName& next) {
  PS_ASSIGN_OR_RETURN(const std::string frame,
                      EncodeStateFrame(next, std::vector<std::pair<std::string, std::string>>(
                                                 records.begin(), records.end())));
  PS_ASSIGN_OR_RETURN(const std::string packed, Compressed(frame));
  if (packed.size() > kMostStoredBytes || frame.size() > kMostFrameBytes) {
    return absl::InvalidArgumentError(absl::StrCat("a ConfigMap holds ", kMostStoredBytes,
                                                   " bytes of compressed records, not ",
                                                   packed.size(), " (", frame.size(), " before)"));
  }
  const std::string maps = ConfigMapsPath(options_.access);
  PS_ASSIGN_OR_RETURN(
      const Struct written,
      client_.Ask({.method = version_.empty() ? "POST" : "PATCH",
                   .path = version_.empty() ? maps : absl::StrCat(maps, "/", options_.name),
                   .body = absl::StrCat("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",",
                                        Metadata(options_, version_),
                                        ",\"binaryData\":{\"state\":", JsonBytes(packed), "}}"),
                   .content_type = version_.empty() ? "application/json" : kPatch},
                  After(options_.call_limit)));
  version_ = ResourceVersion(written);
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
  const std::uint64_t term = frame_.term;
  absl::Status put;
  for (int tries = 0; tries < kMostTries; ++tries) {
    StateRecords all = records_;
    for (const auto& [key, value] : records) all[key] = value;
    if (tries > 0 && all == records_) return absl::OkStatus();
    put = Put(all, {frame_.sequence + 1, term});
    if (!absl::IsAborted(put)) return put;
    // Either another leads, or an earlier patch of ours was done and its answer lost.
    PS_RETURN_IF_ERROR(Load().status());
  }
  return put;
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
    if (lease.ok() && JsonText(JsonPart(*lease, "spec"), "holderIdentity") != options_.identity) {
      LOG(WARNING) << "Lease " << options_.name << ": taken by another scheduler";
      lease_version_.clear();
      return;
    }
    if (lease.ok()) {
      const std::uint64_t transitions = JsonInteger(JsonPart(*lease, "spec"), "leaseTransitions");
      lease = client.Ask(
          {.method = "PATCH",
           .path = path,
           .body = LeaseBody(options_, options_.identity, ResourceVersion(*lease), transitions),
           .content_type = kPatch},
          After(period));
    }
    if (lease.ok()) {
      lease_version_ = ResourceVersion(*lease);
    } else {
      LOG(WARNING) << "Lease " << options_.name << " not renewed: " << lease.status();
    }
  }
}

}  // namespace ps
