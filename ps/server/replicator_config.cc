// The scheduler's configuration of slots, as a server takes it.
#include <algorithm>
#include <utility>

#include "glog/logging.h"
#include "ps/server/replicator.h"

namespace ps {

Replicator::Replicator(Options options, SlotData* data)
    : options_(std::move(options)),
      data_(*data),
      states_(data->table.slots()),
      serving_(data->table.slots(), Serving::kNot),
      route_(data->table.slots(), 0),
      source_(data->table.slots(), nullptr),
      // Numbers of this node alone: acknowledgements meant for a process that was at its address
      // before must not fit.
      next_stream_((std::uint64_t{options_.self} << 32) + 1) {}

void Replicator::BeginGen(std::uint64_t gen) {
  gen_ = gen;
  data_.ledger.BeginGen();
  // Whoever waits computes anew: its acknowledgements of the gen before count no longer.
  for (const auto& stream : outgoing_) {
    if (stream == nullptr) continue;
    for (const auto& push : stream->TakeAll()) push->settled = true;
  }
}

bool Replicator::OnConfig(const Message& message, MonotonicTime now, Outbox& outbox) {
  const wire::Config& config = message.body.config();
  if (message.body.epoch() <= epoch_) return true;
  if (config.base() > epoch_) return false;
  const absl::StatusOr<std::vector<NumberedSlotConfig>> slots = DecodeSlotConfigs(
      message.sections.empty() ? std::string() : message.sections[0], data_.table.slots());
  if (!slots.ok()) {
    LOG(ERROR) << "configuration refused: " << slots.status();
    return true;
  }
  Flush(now, outbox);  // pushes of this gen are to go as such
  for (const wire::Routing::Shard& node : config.nodes()) addresses_[node.node()] = node.endpoint();
  if (message.body.gen() > gen_) BeginGen(message.body.gen());
  restored_ = absl::OkStatus();  // what could not be restored may be another's now, or come from another checkpoint
  if (const absl::Status lanes = data_.FollowLanes(config.lane_changes()); !lanes.ok()) {
    restored_ = lanes;  // the job cannot go on
    restored_epoch_ = message.body.epoch();
    return true;
  }
  checkpoint_ = config.checkpoint();
  checkpoint_lane_changes_ = config.checkpoint_lane_changes();
  std::set<SlotIndex> lost;
  for (const NumberedSlotConfig& entry : *slots) ApplyConfig(entry.slot, entry.config, &lost);
  epoch_ = message.body.epoch();
  Void(lost, outbox);  // before streams go: none of these may seem acknowledged
  any_peers_ = false;
  for (const SlotState& state : states_) any_peers_ |= !state.peers.empty();
  DropUnusedStreams(outbox);
  return true;
}

// *lost: slots that this shard served and serves no longer.
void Replicator::ApplyConfig(SlotIndex slot, const SlotConfig& config, std::set<SlotIndex>* lost) {
  SlotState& state = states_[slot];
  if (config.ver <= state.ver || config.ver < state.sync_id) return;
  state.ver = config.ver;
  if (config.primary() == options_.self) {
    if (state.role != Role::kPrimary || state.term != config.term) {
      if (state.role == Role::kPrimary) lost->insert(slot);
      BecomePrimary(slot, config);
    }
    SetPeers(slot, config);
    return;
  }
  if (state.role == Role::kPrimary) {
    lost->insert(slot);
    state.role = Role::kCopy;
    state.peers.clear();
    unsettled_.erase(slot);
    loading_.erase(slot);
    state.loading = false;
  }
  if (config.term > state.term) {
    state.term = config.term;
    source_[slot] = nullptr;
  }
  if (config.sync_target == options_.self && config.sync_id > state.sync_id) {
    state.sync_id = config.sync_id;
    source_[slot] = nullptr;
  }
  const bool listed = config.sync_target == options_.self || config.HasMember(options_.self);
  if (!listed) {
    if (state.role != Role::kNone) data_.Clear(slot);
    state.role = Role::kNone;
    source_[slot] = nullptr;
    state.sync_id = std::max(state.sync_id, config.ver);
  }
  Refresh(slot);
}

void Replicator::BecomePrimary(SlotIndex slot, const SlotConfig& config) {
  SlotState& state = states_[slot];
  state.role = Role::kPrimary;
  state.term = config.term;
  state.sync_id = config.ver;
  source_[slot] = nullptr;
  state.peers.clear();
  if (config.term == config.restore_term) {
    data_.Clear(slot);
    state.loading = checkpoint_ != 0;
    if (state.loading) loading_.insert(slot);
  }
}

void Replicator::SetPeers(SlotIndex slot, const SlotConfig& config) {
  SlotState& state = states_[slot];
  std::erase_if(state.peers, [&](const Peer& peer) {
    if (config.HasMember(peer.node)) return false;
    return peer.node != config.sync_target || peer.sync_id != config.sync_id;
  });
  const auto find = [&](NodeId node) {
    return std::find_if(state.peers.begin(), state.peers.end(),
                        [&](const Peer& peer) { return peer.node == node; });
  };
  for (const NodeId node : config.members) {
    if (node == options_.self) continue;
    if (const auto peer = find(node); peer != state.peers.end()) {
      peer->member = true;
    } else {
      state.peers.push_back({.node = node,
                             .sync_id = config.ver,
                             .stream = StreamTo(node),
                             .member = true,
                             .required = true});
    }
  }
  if (config.sync_target != kNobody && find(config.sync_target) == state.peers.end()) {
    state.peers.push_back({.node = config.sync_target,
                           .sync_id = config.sync_id,
                           .stream = StreamTo(config.sync_target)});
  }
  Refresh(slot);
}

void Replicator::Refresh(SlotIndex slot) {
  SlotState& state = states_[slot];
  Serving& serving = serving_[slot];
  serving = Serving::kNot;
  UpdateRoute(slot);
  if (state.role != Role::kPrimary) return;
  bool unsettled = false;
  serving = state.loading ? Serving::kLater : Serving::kReady;
  for (const Peer& peer : state.peers) {
    // Nothing could be acknowledged before the copy is there.
    if (peer.required && !peer.snapped) serving = Serving::kLater;
    unsettled |= !peer.snapped || !peer.member;
  }
  if (unsettled) {
    unsettled_.insert(slot);
  } else {
    unsettled_.erase(slot);
  }
}

void Replicator::UpdateRoute(SlotIndex slot) {
  Route route;
  for (const Peer& peer : states_[slot].peers) {
    if (peer.snap != 0) route.follow.push_back(peer.stream);  // else its snapshot will have what comes now
    if (peer.required) route.need.push_back(peer.stream);
  }
  auto at = std::find(routes_.begin(), routes_.end(), route);
  if (at == routes_.end()) {
    if (routes_.size() > states_.size() + 1) {  // some are of the past
      std::vector<bool> used(routes_.size(), false);
      for (const std::uint32_t index : route_) used[index] = true;
      used[0] = true;
      at = routes_.begin() + (std::find(used.begin(), used.end(), false) - used.begin());
      *at = std::move(route);
    } else {
      at = routes_.insert(routes_.end(), std::move(route));
    }
  }
  route_[slot] = static_cast<std::uint32_t>(at - routes_.begin());
}

std::uint32_t Replicator::StreamTo(NodeId node) {
  const auto at = outgoing_of_.find(node);
  if (at != outgoing_of_.end()) return at->second;
  const auto index = static_cast<std::uint32_t>(outgoing_.size());
  outgoing_.push_back(std::make_unique<OutgoingStream>(options_.self, node, addresses_[node],
                                                       next_stream_++));
  outgoing_of_[node] = index;
  return index;
}

// A stream whose receiver is in no slot's configuration: what waits for it waits no longer.
void Replicator::DropUnusedStreams(Outbox& outbox) {
  std::vector<bool> used(outgoing_.size(), false);
  for (const SlotState& state : states_) {
    for (const Peer& peer : state.peers) used[peer.stream] = true;
  }
  for (std::size_t i = 0; i < outgoing_.size(); ++i) {
    if (used[i] || outgoing_[i] == nullptr) continue;
    const std::unique_ptr<OutgoingStream> stream = std::move(outgoing_[i]);
    outgoing_of_.erase(stream->to());
    Settle(stream->TakeAll(), outbox);
  }
}

void Replicator::Void(const std::set<SlotIndex>& slots, Outbox& outbox) {
  if (slots.empty()) return;
  for (const auto& stream : outgoing_) {
    if (stream == nullptr) continue;
    stream->ForEachWaiting([&](WaitingPush& push) {
      if (push.settled) return;
      const bool touched = std::any_of(push.keys->begin(), push.keys->end(), [&](Key key) {
        return slots.contains(data_.SlotOfKey(key));
      });
      if (!touched) return;
      push.settled = true;
      Message reply;
      reply.body.set_request(push.reply.body.request());
      reply.body.mutable_error()->set_code(wire::Error::MOVED);
      reply.body.mutable_error()->set_message("a slot of the request has moved");
      outbox.Send(push.from, std::move(reply));
    });
  }
}

void Replicator::Settle(std::vector<std::shared_ptr<WaitingPush>> pushes, Outbox& outbox) {
  for (const auto& push : pushes) {
    if (--push->streams > 0 || push->settled) continue;
    push->settled = true;
    outbox.Send(push->from, std::move(push->reply));
  }
}

}  // namespace ps
