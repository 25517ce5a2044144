#include "ps/state_store/etcd_state_store.h"

#include <unistd.h>

#include <map>
#include <utility>

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

constexpr milliseconds kLeaderPoll{100};
constexpr std::size_t kMostRecords = 127;  // etcd's 128 operations a transaction
constexpr std::size_t kMostBytes = 1400 * 1024;

steady_clock::time_point After(milliseconds limit) { return steady_clock::now() + limit; }

std::string LeaderKey(const std::string& prefix) { return prefix + "/leader"; }
std::string RecordPrefix(const std::string& prefix) { return prefix + "/state/"; }

std::string PutOperation(const std::string& key, std::string_view value, const std::string& lease) {
  return absl::StrCat("{\"request_put\":{\"key\":", JsonBytes(key), ",\"value\":", JsonBytes(value),
                      lease.empty() ? "" : absl::StrCat(",\"lease\":\"", lease, "\""), "}}");
}

std::string IfCreatedAt(const std::string& key, std::uint64_t revision) {
  return absl::StrCat("{\"key\":", JsonBytes(key),
                      ",\"target\":\"CREATE\",\"result\":\"EQUAL\",\"create_revision\":\"",
                      revision, "\"}");
}

}  // namespace

EtcdStateStore::EtcdStateStore(const Options& options)
    : options_(options),
      client_(std::make_unique<EtcdClient>(options.endpoints, options.ca_file)) {}

absl::StatusOr<std::unique_ptr<EtcdStateStore>> EtcdStateStore::Open(const Options& options) {
  std::unique_ptr<EtcdStateStore> store(new EtcdStateStore(options));
  PS_RETURN_IF_ERROR(store->GrantLease());
  // Before there is leadership to lose: the campaign may take longer than a lease.
  store->keeper_ = std::thread([s = store.get()] { s->KeepAlive(); });
  PS_RETURN_IF_ERROR(store->Campaign());
  return store;
}

EtcdStateStore::~EtcdStateStore() {
  if (!keeper_.joinable()) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  keeper_.join();
  // The leader key goes with the lease. Should this fail, the lease ends by itself.
  const auto revoked = client_->Call("lease/revoke", absl::StrCat("{\"ID\":\"", lease_, "\"}"),
                                     After(milliseconds(1000)));
  if (!revoked.ok()) LOG(WARNING) << "etcd: giving leadership up: " << revoked.status();
}

absl::Status EtcdStateStore::GrantLease() {
  PS_ASSIGN_OR_RETURN(
      const Struct answer,
      client_->Call("lease/grant", absl::StrCat("{\"TTL\":\"", options_.lease.count(), "\"}"),
                    After(options_.call_limit)));
  lease_ = JsonText(answer, "ID");
  if (lease_.empty()) return absl::UnavailableError("etcd granted a lease without an ID");
  return absl::OkStatus();
}

absl::StatusOr<bool> EtcdStateStore::TryLead() {
  const std::string key = LeaderKey(options_.prefix);
  const std::string transaction =
      absl::StrCat("{\"compare\":[", IfCreatedAt(key, 0), "],\"success\":[",
                   PutOperation(key, absl::StrCat("process ", ::getpid()), lease_),
                   "],\"failure\":[{\"request_range\":{\"key\":", JsonBytes(key), "}}]}");
  PS_ASSIGN_OR_RETURN(const Struct answer,
                      client_->Call("kv/txn", transaction, After(options_.call_limit)));
  if (JsonTrue(answer, "succeeded")) {
    const Value* header = JsonMember(answer, "header");
    term_ = header == nullptr ? 0 : JsonInteger(header->struct_value(), "revision");
    if (term_ == 0) return absl::UnavailableError("etcd's answer has no revision");
    return true;
  }
  // The key may be ours: an earlier answer was lost.
  const Value* responses = JsonMember(answer, "responses");
  if (responses == nullptr || responses->list_value().values_size() == 0) return false;
  const Struct& first = responses->list_value().values(0).struct_value();
  const Value* range = JsonMember(first, "response_range");
  const Value* kvs = range == nullptr ? nullptr : JsonMember(range->struct_value(), "kvs");
  if (kvs == nullptr || kvs->list_value().values_size() == 0) return false;
  const Struct& leader = kvs->list_value().values(0).struct_value();
  if (JsonText(leader, "lease") != lease_) return false;
  term_ = JsonInteger(leader, "create_revision");
  return term_ != 0;
}

absl::Status EtcdStateStore::Campaign() {
  const steady_clock::time_point deadline = After(options_.elect_limit);
  for (;;) {
    absl::StatusOr<bool> leads = TryLead();
    if (absl::IsNotFound(leads.status())) {
      // Our lease ended while we waited: etcd was away for longer.
      return absl::UnavailableError(absl::StrCat("etcd: ", leads.status().message()));
    }
    PS_RETURN_IF_ERROR(leads.status());
    if (*leads) return absl::OkStatus();
    if (steady_clock::now() >= deadline) {
      return absl::FailedPreconditionError(
          absl::StrCat("etcd: another scheduler leads ", options_.prefix));
    }
    std::this_thread::sleep_for(kLeaderPoll);
  }
}

void EtcdStateStore::KeepAlive() {
  // A client of its own: the caller's may be waiting for an answer.
  EtcdClient client(options_.endpoints, options_.ca_file);
  const std::string ask = absl::StrCat("{\"ID\":\"", lease_, "\"}");
  const milliseconds period = milliseconds(options_.lease) / 4;
  bool failing = false;
  for (;;) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      if (wake_.wait_for(lock, period, [this] { return stopping_; })) return;
    }
    const absl::StatusOr<Struct> answer = client.Call("lease/keepalive", ask, After(period));
    const Value* result = answer.ok() ? JsonMember(*answer, "result") : nullptr;
    const bool alive = result != nullptr && JsonInteger(result->struct_value(), "TTL") > 0;
    if (!alive && !failing) {
      LOG(WARNING) << "etcd: lease " << lease_ << " not renewed: "
                   << (answer.ok() ? "it has ended" : answer.status().ToString());
    }
    failing = !alive;
  }
}

absl::StatusOr<StateRecords> EtcdStateStore::Load() {
  const std::string prefix = RecordPrefix(options_.prefix);
  std::string end = prefix;
  ++end.back();  // the first key behind all with the prefix
  StateRecords records;
  std::string from = prefix;
  for (bool more = true; more;) {
    PS_ASSIGN_OR_RETURN(const Struct answer,
                        client_->Call("kv/range",
                                      absl::StrCat("{\"key\":", JsonBytes(from), ",\"range_end\":",
                                                   JsonBytes(end), ",\"limit\":\"500\"}"),
                                      After(options_.call_limit)));
    more = JsonTrue(answer, "more");
    const Value* kvs = JsonMember(answer, "kvs");
    if (kvs == nullptr) break;
    for (const Value& kv : kvs->list_value().values()) {
      std::string key, value;
      if (!absl::Base64Unescape(JsonText(kv.struct_value(), "key"), &key) ||
          !absl::Base64Unescape(JsonText(kv.struct_value(), "value"), &value) ||
          key.compare(0, prefix.size(), prefix) != 0) {
        return absl::DataLossError("etcd: an answer with other keys than asked for");
      }
      records[key.substr(prefix.size())] = value;
      from = key + '\0';
    }
  }
  return records;
}

absl::Status EtcdStateStore::Commit(absl::Span<const std::pair<std::string, std::string>> records) {
  // etcd refuses a key twice in a transaction; the later counts.
  const StateRecords last = [&] {
    StateRecords result;
    for (const auto& [key, value] : records) result[key] = value;
    return result;
  }();
  std::size_t bytes = 0;
  std::string operations;
  for (const auto& [key, value] : last) {
    bytes += key.size() + value.size();
    absl::StrAppend(&operations, operations.empty() ? "" : ",",
                    PutOperation(RecordPrefix(options_.prefix) + key, value, ""));
  }
  if (last.size() > kMostRecords || bytes > kMostBytes) {
    return absl::InvalidArgumentError(absl::StrCat("etcd takes ", kMostRecords, " records and ",
                                                   kMostBytes, " bytes in a commit, not ",
                                                   last.size(), " and ", bytes));
  }
  PS_ASSIGN_OR_RETURN(
      const Struct answer,
      client_->Call("kv/txn",
                    absl::StrCat("{\"compare\":[", IfCreatedAt(LeaderKey(options_.prefix), term_),
                                 "],\"success\":[", operations, "]}"),
                    After(options_.call_limit)));
  if (JsonTrue(answer, "succeeded")) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("etcd: no longer the leader of ", options_.prefix));
}

}  // namespace ps
