#include "ps/server/replicator.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ps/wire/frame.h"
#include "ps/wire/key_codec.h"
#include "ps/wire/value_codec.h"

namespace ps {
namespace {

// Items a receiver that snapshots may add to: a transport's queue takes a few hundred.
constexpr std::size_t kSnapsInFlight = 96;
constexpr MonotonicTime kSnapRetry = std::chrono::milliseconds(200);
constexpr std::size_t kMostItemBytes = 256 << 10;  // of pushes in one item

template <typename T>
absl::Span<const T> Part(absl::Span<const T> all, const KeyRange& range) {
  return all.subspan(range.begin, range.end - range.begin);
}

}  // namespace

Replicator::Serving Replicator::Check(absl::Span<const Key> keys) const {
  const int shift = 64 - data_.table.options().slot_bits;
  bool not_here = false, later = false;
  for (const Key key : keys) {
    const Serving serving = serving_[key >> shift];
    not_here |= serving == Serving::kNot;
    later |= serving == Serving::kLater;
  }
  return not_here ? Serving::kNot : later ? Serving::kLater : Serving::kReady;
}

template <typename Visit>
void Replicator::ForEachRoute(absl::Span<const Key> keys, KeyRange within, const Visit& visit) const {
  const int shift = 64 - data_.table.options().slot_bits;
  for (std::size_t begin = within.begin; begin < within.end;) {
    const std::uint32_t route = route_[keys[begin] >> shift];
    std::size_t end = begin + 1;
    while (end < within.end && route_[keys[end] >> shift] == route) ++end;
    visit(routes_[route], KeyRange{begin, end});
    begin = end;
  }
}

void Replicator::Forward(const wire::Name& name, const Gradients& gradients,
                         absl::Span<const KeyRange> fresh, wire::ValueFormat format,
                         MonotonicTime now, Outbox& outbox) {
  if (!any_peers_) return;
  parts_.resize(outgoing_.size());
  for (auto& part : parts_) part.clear();
  for (const KeyRange& range : fresh) {
    ForEachRoute(gradients.keys, range, [&](const Route& route, KeyRange run) {
      for (const std::uint32_t stream : route.follow) {
        std::vector<KeyRange>& part = parts_[stream];
        if (!part.empty() && part.back().end == run.begin) {
          part.back().end = run.end;
        } else {
          part.push_back(run);
        }
      }
    });
  }
  for (std::size_t s = 0; s < parts_.size(); ++s) {
    if (!parts_[s].empty()) AddEntry(*outgoing_[s], name, gradients, parts_[s], format, now, outbox);
  }
}

void Replicator::AddEntry(OutgoingStream& stream, const wire::Name& name, const Gradients& gradients,
                          absl::Span<const KeyRange> ranges, wire::ValueFormat format,
                          MonotonicTime now, Outbox& outbox) {
  Gradients part = gradients;
  if (ranges.size() == 1) {
    part.keys = Part(gradients.keys, ranges[0]);
    part.values = gradients.ValuesOf(ranges[0]);
    if (!gradients.counts.empty()) part.counts = Part(gradients.counts, ranges[0]);
  } else {
    keys_.clear();
    values_.clear();
    counts_.clear();
    for (const KeyRange& range : ranges) {
      const auto keys = Part(gradients.keys, range);
      const auto values = gradients.ValuesOf(range);
      keys_.insert(keys_.end(), keys.begin(), keys.end());
      values_.insert(values_.end(), values.begin(), values.end());
      if (gradients.counts.empty()) continue;
      const auto counts = Part(gradients.counts, range);
      counts_.insert(counts_.end(), counts.begin(), counts.end());
    }
    part = {keys_, values_, counts_, gradients.weights};
  }
  Message& item = stream.Open(gen_);
  wire::Repl::Entry& entry = *item.body.mutable_repl()->add_entries();
  *entry.mutable_name() = name;
  entry.set_count(static_cast<std::uint32_t>(part.keys.size()));
  // The very values that were applied here: int8 would be scaled anew in other blocks.
  entry.set_format(format == wire::INT8 ? wire::F32 : format);
  entry.set_import(gradients.weights);
  entry.set_lane_changes(static_cast<std::uint32_t>(data_.lanes.changes()));
  std::string& bytes = item.sections.front();
  const std::size_t begin = bytes.size();
  AppendKeys(part.keys, &bytes);
  entry.set_key_bytes(static_cast<std::uint32_t>(bytes.size() - begin));
  AppendValues(entry.format(), part.values, &bytes);
  entry.set_value_bytes(static_cast<std::uint32_t>(bytes.size() - begin - entry.key_bytes()));
  if (!part.counts.empty()) {
    entry.set_has_counts(true);
    bytes.append(part.counts.begin(), part.counts.end());
  }
  flush_due_ = true;
  if (bytes.size() > kMostItemBytes) stream.Seal(nullptr, now, outbox);
}

void Replicator::ReplyWhenSafe(const Address& from, Message reply, const SharedKeys& keys,
                               Outbox& outbox) {
  if (!any_peers_) return outbox.Send(from, std::move(reply));
  auto push = std::make_shared<WaitingPush>();
  std::vector<bool> needed(outgoing_.size(), false);
  ForEachRoute(*keys, {0, keys->size()}, [&](const Route& route, KeyRange) {
    for (const std::uint32_t stream : route.need) needed[stream] = true;
  });
  const bool early = options_.ack_primary && reply.body.has_push_ack();
  for (std::size_t s = 0; s < needed.size(); ++s) {
    if (early && needed[s] && outgoing_[s]->unacked_bytes() < options_.most_behind_bytes) continue;
    if (needed[s] && outgoing_[s]->Wait(push)) ++push->streams;
  }
  if (push->streams == 0) return outbox.Send(from, std::move(reply));
  push->from = from;
  push->reply = std::move(reply);
  push->keys = keys;
}

void Replicator::Flush(MonotonicTime now, Outbox& outbox) {
  if (!flush_due_) return;
  flush_due_ = false;
  for (const auto& stream : outgoing_) {
    if (stream == nullptr || !stream->open()) continue;
    const auto sender = to_acknowledge_.find(stream->to());
    if (sender == to_acknowledge_.end()) {
      stream->Seal(nullptr, now, outbox);
      continue;
    }
    const wire::Rack rack = incoming_[sender->first].Acknowledge(options_.self);
    stream->Seal(&rack, now, outbox);
    to_acknowledge_.erase(sender);
  }
  for (const auto& [node, address] : to_acknowledge_) {
    Message message;
    message.body.set_gen(gen_);
    *message.body.mutable_rack() = incoming_[node].Acknowledge(options_.self);
    outbox.Send(address, std::move(message));
  }
  to_acknowledge_.clear();
}

void Replicator::AfterRack(Peer& peer, const OutgoingStream& stream) {
  if (peer.snap == 0 || stream.acked() < peer.snap) return;
  peer.snapped = true;
  if (!peer.required) {
    peer.required = true;
    peer.needed = stream.last();
  }
  peer.told |= !peer.member && stream.acked() >= peer.needed;
}

void Replicator::OnRack(const wire::Rack& rack, MonotonicTime now, Outbox& outbox) {
  const auto at = outgoing_of_.find(rack.from());
  if (at == outgoing_of_.end()) return;
  OutgoingStream& stream = *outgoing_[at->second];
  if (!stream.OnRack(rack, now, outbox)) return;
  std::set<SlotIndex> broken;
  for (const SlotIndex slot : rack.refused()) {
    if (slot >= states_.size()) continue;
    for (Peer& peer : states_[slot].peers) {
      // A refusal of what came before the snapshot says nothing about what follows it.
      if (peer.stream != at->second || peer.snap == 0 || rack.number() < peer.snap) continue;
      peer.snap = 0;
      peer.snapped = false;
      peer.told = false;
      peer.retry_at = now + kSnapRetry;
      broken.insert(slot);
    }
    if (broken.contains(slot)) Refresh(slot);
  }
  Void(broken, outbox);
  Settle(stream.TakeSettled(), outbox);
  const std::vector<SlotIndex> unsettled(unsettled_.begin(), unsettled_.end());
  for (const SlotIndex slot : unsettled) {
    bool changed = false;
    for (Peer& peer : states_[slot].peers) {
      if (peer.stream != at->second) continue;
      const bool snapped = peer.snapped;
      AfterRack(peer, stream);
      changed |= snapped != peer.snapped;
    }
    if (changed) Refresh(slot);
  }
  if (!unsettled_.empty() && stream.unacked() < kSnapsInFlight / 2) SendSnaps(now, outbox);
}

void Replicator::SendSnap(SlotIndex slot, Peer& peer, MonotonicTime now, Outbox& outbox) {
  const SlotState& state = states_[slot];
  Message item;
  item.body.set_gen(gen_);
  wire::Repl::Snap& snap = *item.body.mutable_repl()->mutable_snap();
  snap.set_slot(slot);
  snap.set_term(state.term);
  snap.set_sync_id(peer.sync_id);
  snap.set_seq(data_.seq[slot]);
  snap.set_lane_changes(static_cast<std::uint32_t>(data_.lanes.changes()));
  item.sections.push_back(EncodeSlotImage(data_.Image(slot)));
  if (!peer.required) sync_budget_ -= static_cast<double>(item.sections[0].size() + 256);
  peer.snap = outgoing_[peer.stream]->Append(std::move(item), now, outbox);
  UpdateRoute(slot);
}

void Replicator::SendSnaps(MonotonicTime now, Outbox& outbox) {
  const double rate = static_cast<double>(options_.sync_bytes_per_second);
  const double passed = std::chrono::duration<double>(now - budget_at_).count();
  budget_at_ = now;
  sync_budget_ = std::min(rate * 0.05 + 1, sync_budget_ + rate * passed);
  for (const SlotIndex slot : unsettled_) {
    SlotState& state = states_[slot];
    if (state.loading) continue;
    for (Peer& peer : state.peers) {
      if (peer.snap != 0 || now < peer.retry_at) continue;
      const OutgoingStream& stream = *outgoing_[peer.stream];
      const bool full = stream.unacked() >= kSnapsInFlight ||
                        stream.unacked_bytes() > options_.sync_bytes_in_flight;
      if (full || (!peer.required && sync_budget_ <= 0)) continue;
      SendSnap(slot, peer, now, outbox);
    }
  }
}

void Replicator::Load() {
  for (auto at = loading_.begin(); at != loading_.end();) {
    const SlotIndex slot = *at;
    using Answer = std::optional<absl::StatusOr<SlotImage>>;
    Answer answer =
        options_.source ? options_.source(slot, checkpoint_)
                        : Answer(absl::FailedPreconditionError("this server has no checkpoints"));
    if (!answer.has_value()) {
      ++at;
      continue;
    }
    absl::Status loaded = answer->status();
    if (loaded.ok()) loaded = data_.Load(slot, *std::move(*answer), checkpoint_lane_changes_);
    if (!loaded.ok()) {
      restored_epoch_ = epoch_;
      restored_ = absl::Status(loaded.code(), absl::StrCat("slot ", slot, " cannot be restored from checkpoint ",
                                                           checkpoint_, ": ", loaded.message()));
      ++at;
      continue;
    }
    states_[slot].loading = false;
    at = loading_.erase(at);
    Refresh(slot);
  }
}

void Replicator::OnTick(MonotonicTime now, Outbox& outbox) {
  if (!loading_.empty() && restored_.ok()) Load();
  SendSnaps(now, outbox);
  for (const auto& stream : outgoing_) {
    if (stream != nullptr) stream->Resend(now, outbox);
  }
}

wire::Insync Replicator::Insync() const {
  wire::Insync insync;
  for (const SlotIndex slot : unsettled_) {
    for (const Peer& peer : states_[slot].peers) {
      if (!peer.told || peer.member) continue;
      wire::Insync::Peer& entry = *insync.add_peers();
      entry.set_slot(slot);
      entry.set_term(states_[slot].term);
      entry.set_node(peer.node);
      entry.set_sync_id(peer.sync_id);
    }
  }
  return insync;
}

std::vector<NodeId> Replicator::Lagging(MonotonicTime now) const {
  std::vector<NodeId> lagging;
  for (const auto& stream : outgoing_) {
    if (stream != nullptr && stream->SilentFor(now) > options_.lag_limit) {
      lagging.push_back(stream->to());
    }
  }
  return lagging;
}

std::uint64_t Replicator::unacknowledged() const {
  std::uint64_t count = 0;
  for (const auto& stream : outgoing_) count += stream == nullptr ? 0 : stream->waiting();
  return count;
}

}  // namespace ps
