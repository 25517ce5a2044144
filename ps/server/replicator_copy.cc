// The receiving side of replication: what a copy takes from the streams of primaries.
#include <algorithm>
#include <utility>

#include "glog/logging.h"
#include "ps/server/replicator.h"
#include "ps/wire/key_codec.h"
#include "ps/wire/value_codec.h"

namespace ps {

void Replicator::OnRepl(const Address& from, Message message, MonotonicTime now, Outbox& outbox) {
  const wire::Repl& repl = message.body.repl();
  // A process that was at this address before had another number.
  if (repl.to() != options_.self || repl.from() == options_.self) return;
  const NodeId sender = repl.from();
  if (repl.has_rack() && repl.rack().from() == sender) OnRack(repl.rack(), now, outbox);
  // A later gen's items would meet what was done in an earlier one. They are sent again.
  if (message.body.gen() > gen_) return;
  IncomingStream& stream = incoming_[sender];
  if (repl.stream() < stream.id()) return;
  if (stream.Take(std::move(message))) {
    // The one before will not be continued: its copies miss what comes now.
    std::replace(source_.begin(), source_.end(), static_cast<const IncomingStream*>(&stream),
                 static_cast<const IncomingStream*>(nullptr));
  }
  while (const Message* item = stream.Next()) {
    if (!ApplyItem(*item, stream, outbox)) {
      stream.Refuse();
      break;
    }
    stream.Advance();
  }
  to_acknowledge_[sender] = from;
  flush_due_ = true;
}

// False for an item that no sender of ours makes.
bool Replicator::ApplyItem(const Message& message, IncomingStream& stream, Outbox& outbox) {
  const wire::Repl& repl = message.body.repl();
  if (repl.has_snap()) {
    if (repl.entries_size() > 0 || message.sections.size() != 1 || repl.snap().slot() >= states_.size()) return false;
    ApplySnap(message, stream, outbox);
    return true;
  }
  // All of them, before any is applied: an item counts as a whole.
  if (repl.entries_size() == 0 || message.sections.size() != 1) return false;
  std::string_view section = message.sections.front();
  for (int i = 0; i < repl.entries_size(); ++i) {
    if (entries_.size() == static_cast<std::size_t>(i)) entries_.emplace_back();
    if (!DecodeEntry(repl.entries(i), &section, &entries_[i])) return false;
  }
  if (!section.empty()) return false;
  for (int i = 0; i < repl.entries_size(); ++i) ApplyEntry(entries_[i], stream);
  return true;
}

bool Replicator::DecodeEntry(const wire::Repl::Entry& entry, std::string_view* section, Entry* out) const {
  const auto take = [&](std::size_t bytes) {
    const std::string_view taken = section->substr(0, bytes);
    section->remove_prefix(taken.size());
    return taken;
  };
  if (entry.name().batch() >= kBatchesPerChunk || !wire::ValueFormat_IsValid(entry.format()) ||
      !DecodeKeys(take(entry.key_bytes()), entry.count(), out->keys).ok()) {
    return false;
  }
  const std::string_view values = take(entry.value_bytes());
  const std::string_view counts = take(entry.has_counts() ? out->keys.size() : 0);
  if (counts.size() != (entry.has_counts() ? out->keys.size() : 0)) return false;
  out->name = {entry.name().pass(), entry.name().chunk(), entry.name().batch()};
  out->import = entry.import();
  out->other_lanes = entry.lane_changes() != data_.lanes.changes();
  if (out->other_lanes) return true;
  out->values.resize(out->keys.size() * (entry.import() ? 1 : data_.table.lanes()));
  if (!DecodeValues(entry.format(), values, absl::MakeSpan(out->values)).ok()) return false;
  out->counts.assign(counts.begin(), counts.end());
  return true;
}

void Replicator::ApplyEntry(const Entry& entry, IncomingStream& stream) {
  const Gradients gradients{entry.keys, entry.values, entry.counts, entry.import};
  const auto apply = [&](KeyRange range) {
    if (range.begin == range.end) return;
    data_.Apply(gradients, range);
  };
  std::uint64_t* const masks = entry.import ? nullptr : data_.ledger.Masks(entry.name);
  const std::uint64_t bit = std::uint64_t{1} << entry.name.batch;
  KeyRange accepted;  // neighbouring runs are applied together
  ForEachSlotRun(entry.keys, {0, entry.keys.size()}, data_.table.options().slot_bits,
                 [&](SlotIndex slot, KeyRange run) {
                   if (source_[slot] == &stream && entry.other_lanes) source_[slot] = nullptr;  // it lacks this push
                   if (source_[slot] == &stream) {
                     if (accepted.end != run.begin) {
                       apply(accepted);
                       accepted.begin = run.begin;
                     }
                     accepted.end = run.end;
                     if (masks != nullptr) masks[slot] |= bit;
                     data_.seq[slot] += entry.import ? 0 : 1;
                   } else {
                     stream.refused().insert(slot);
                   }
                 });
  apply(accepted);
}

void Replicator::ApplySnap(const Message& message, IncomingStream& stream, Outbox& outbox) {
  const wire::Repl::Snap& snap = message.body.repl().snap();
  const SlotIndex slot = snap.slot();
  SlotState& state = states_[slot];
  const bool old = snap.term() < state.term || snap.sync_id() < state.sync_id ||
                   snap.lane_changes() != data_.lanes.changes() ||
                   (state.role == Role::kPrimary && state.term >= snap.term());
  if (old) {
    stream.refused().insert(slot);
    return;
  }
  const absl::StatusOr<SlotImage> image = DecodeSlotImage(message.sections[0]);
  const absl::Status loaded = image.ok() ? data_.Load(slot, *image, snap.lane_changes()) : image.status();
  if (!loaded.ok()) {
    LOG(ERROR) << "slot " << slot << ": " << loaded;
    stream.refused().insert(slot);
    return;
  }
  if (state.role == Role::kPrimary) Void({slot}, outbox);
  state.role = Role::kCopy;
  state.loading = false;
  loading_.erase(slot);
  state.peers.clear();
  state.term = snap.term();
  state.sync_id = snap.sync_id();
  source_[slot] = &stream;
  stream.refused().erase(slot);
  Refresh(slot);
  unsettled_.erase(slot);
}

}  // namespace ps
