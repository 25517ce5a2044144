// Servers: who holds which slot, what happens when one goes, and how everybody hears of it.
#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "scheduler/scheduler_machine.h"

namespace ps {
namespace {

constexpr MonotonicTime kImproveInterval = std::chrono::milliseconds(50);

}  // namespace

SlotMap::Servers SchedulerMachine::UsableServers() const {
  SlotMap::Servers servers;
  for (const Member& member : membership_.members()) {
    if (member.role != wire::SERVER || !member.alive || member.stopped) continue;
    // Shards of one process die together.
    std::string domain = member.pid == 0 ? absl::StrCat("node ", member.node)
                                         : absl::StrCat(member.host, " ", member.pid);
    servers[member.node] = {std::move(domain), member.leaving};
  }
  return servers;
}

std::uint64_t SchedulerMachine::Entries() {
  std::uint64_t entries = 0;
  for (const Member& member : membership_.members()) {
    if (member.role == wire::SERVER && member.alive) entries += member.beat.entries();
  }
  // There may be fewer copies than the job asks for. Counting them is a walk through all slots.
  if (copies_epoch_ != slots_.epoch()) {
    copies_epoch_ = slots_.epoch();
    copies_ = std::max(1.0, slots_.CopiesOfASlot());
  }
  return static_cast<std::uint64_t>(std::llround(static_cast<double>(entries) / copies_));
}

void SchedulerMachine::OnInsync(const wire::Insync& insync) {
  const SlotMap::Servers servers = UsableServers();
  for (const wire::Insync::Peer& peer : insync.peers()) {
    changed_ |= slots_.Insync(peer.slot(), peer.term(), peer.node(), peer.sync_id(), servers);
  }
}

void SchedulerMachine::RemoveServers(const std::set<NodeId>& dead) {
  if (dead.empty() || !slots_.started()) return;
  slots_.Remove(dead);
  changed_ = true;
}

// Slots whose every copy is gone begin anew, as soon as there is a server for them.
void SchedulerMachine::RecoverLost(MonotonicTime now) {
  if (!slots_.started()) return;
  const std::size_t lost = slots_.Lost().size();
  if (lost == 0) {
    slots_seen_ = now;
    return;
  }
  SlotMap::Servers servers = UsableServers();
  std::erase_if(servers, [](const auto& server) { return server.second.leaving; });
  if (!servers.empty()) {
    RollBackSlots(servers, now);
    return BeginImport();
  }
  if (now - slots_seen_ <= options_.no_servers_limit) return;
  std::string who;
  for (const Member& member : membership_.members()) {
    if (member.role == wire::SERVER && !member.alive) absl::StrAppend(&who, " ", member.Name());
  }
  Fail(absl::UnavailableError(absl::StrCat("no server is left, gone are:", who,
                                           "; their part of the model is lost")));
}

void SchedulerMachine::RollBackSlots(const SlotMap::Servers& servers, MonotonicTime now) {
  const std::size_t lost = slots_.Lost().size();
  slots_.Rollback(servers, /*all=*/stepped());
  const checkpoint::Manifest* manifest = checkpointer_.has_value() ? checkpointer_->latest() : nullptr;
  restore_from_ = manifest == nullptr ? 0 : manifest->id();
  restore_lane_changes_ = LaneChangesOf(manifest);
  if (stepped()) SetLanes(restore_lane_changes_);
  const std::string since =
      manifest == nullptr ? "the start" : absl::StrCat("checkpoint ", restore_from_);
  const std::string why =
      lost > 0 ? absl::StrCat("the only copies of ", lost, " slots are lost; ") : "";
  Note(absl::StrCat("rollback to gen ", slots_.gen(), ": ", why, "what was learnt since ", since,
                    " is done again for them"),
       google::GLOG_WARNING);
  if (checkpointer_.has_value()) checkpointer_->Abort("a rollback came before it was complete", now);
  BeginFrom(manifest);
  if (interrupted_) ledger_.WindDown();
  done_changed_ = true;
  report_pending_ = false;
  exporter_.reset();
  counter_.reset();
  importer_.reset();
  events_->OnRollback();
  last_progress_ = now;
  changed_ = true;
}

void SchedulerMachine::BeginImport() {
  phase_ = Phase::kImporting;
  importer_.emplace(
      *routing_,
      [this](std::vector<Key>* keys, std::vector<float>* weights) {
        return events_->NextStartWeights(keys, weights);
      },
      next_transfer_request_);
  next_transfer_request_ += std::uint64_t{1} << 32;
}

void SchedulerMachine::SendConfig(const Member& member, std::uint64_t base, Outbox& outbox) const {
  const std::vector<NumberedSlotConfig> slots = slots_.Since(base);
  Message message = MakeConfig(slots_.epoch(), base, slots);
  message.body.mutable_config()->set_checkpoint(restore_from_);
  DescribeLanes(message.body.mutable_config());
  for (const Member& server : membership_.members()) {
    if (server.role != wire::SERVER || !server.alive) continue;
    wire::Routing::Shard& node = *message.body.mutable_config()->add_nodes();
    node.set_node(server.node);
    node.set_endpoint(server.endpoint);
  }
  outbox.Send(member.address, std::move(message));
}

void SchedulerMachine::UpdateRouting(Outbox& outbox) {
  std::map<NodeId, std::uint16_t> position;
  std::vector<RoutingTable::Shard> shards;
  for (Member& member : membership_.members()) {
    if (member.role == wire::SERVER) position[member.node] = 0;
  }
  std::set<NodeId> primaries;
  for (SlotIndex slot = 0; slot < slots_.slots(); ++slot) {
    const NodeId primary = slots_.config(slot).primary();
    if (primary == kNobody) return;  // workers wait with the table they have
    primaries.insert(primary);
  }
  for (const NodeId node : primaries) {
    position[node] = static_cast<std::uint16_t>(shards.size());
    shards.push_back({node, membership_.ByNode(node)->endpoint});
  }
  std::vector<std::uint16_t> owner(slots_.slots());
  bool same = routing_.has_value() && routing_->shards() == shards;
  for (SlotIndex slot = 0; slot < slots_.slots(); ++slot) {
    owner[slot] = position[slots_.config(slot).primary()];
    same = same && routing_->OwnerOf(slot) == owner[slot];
  }
  if (same) return;
  absl::StatusOr<RoutingTable> routing =
      RoutingTable::FromOwners(slots_.epoch(), static_cast<int>(options_.plan.slot_bits()),
                               std::move(shards), std::move(owner));
  if (!routing.ok()) return Fail(routing.status());
  routing_ = *std::move(routing);
  if (importer_.has_value()) importer_->Rerouted();
  if (exporter_.has_value()) exporter_->Rerouted();
  if (counter_.has_value()) counter_->Rerouted();
  for (const Member& member : membership_.members()) {
    if (member.alive && member.role == wire::WORKER) SendRouting(member, outbox);
  }
}

void SchedulerMachine::PublishSlots(Outbox& outbox) {
  if (!slots_.started() || phase_ == Phase::kStopping || phase_ == Phase::kReturning) return;
  if (last_tick_ >= next_improve_ && phase_ != Phase::kExporting && !stepped()) {
    next_improve_ = last_tick_ + kImproveInterval;
    slots_.Improve(UsableServers(), /*moves=*/!moves_wait_);
  }
  if (slots_.changed()) {
    const std::uint64_t base = slots_.epoch();
    slots_.Seal();
    PersistSlots();
    if (!status_.ok()) return;
    for (const Member& member : membership_.members()) {
      if (member.alive && member.role == wire::SERVER) SendConfig(member, base, outbox);
    }
    UpdateRouting(outbox);
  }
}

}  // namespace ps
