// The receiving side of replication: what a copy takes from the streams of primaries.
#include <algorithm>
#include <utility>

#include "glog/logging.h"
#include "ps/server/replicator.h"
#include "ps/wire/key_codec.h"
#include "ps/wire/value_codec.h"

namespace ps {

void Replicator::OnRepl(const Address& from, Message message, MonotonicTime, Outbox& outbox) {
  const wire::Repl& repl = message.body.repl();
  // A process that was at this address before had another number.
  if (repl.to() != options_.self || repl.from() == options_.self) return;
  // A later gen's items would meet what was done in an earlier one. They are sent again.
  if (message.body.gen() > gen_) return;
  IncomingStream& stream = incoming_[repl.from()];
  if (repl.stream() < stream.id()) return;
  if (stream.Take(std::move(message))) {
    // The one before will not be continued: its copies miss what comes now.
    for (SlotState& state : states_) {
      if (state.source == &stream) state.source = nullptr;
    }
  }
  while (const Message* item = stream.Next()) {
    if (!ApplyItem(*item, stream, outbox)) break;
    stream.Advance();
  }
  Message reply;
  *reply.body.mutable_rack() = stream.Acknowledge(options_.self);
  outbox.Send(from, std::move(reply));
}

// False for an item that no sender of ours makes.
bool Replicator::ApplyItem(const Message& message, IncomingStream& stream, Outbox& outbox) {
  switch (message.body.repl().item_case()) {
    case wire::Repl::kEntry:
      return ApplyEntry(message, stream);
    case wire::Repl::kSnap:
      if (message.sections.size() != 1 || message.body.repl().snap().slot() >= states_.size()) {
        return false;
      }
      ApplySnap(message, stream, outbox);
      return true;
    default:
      return false;
  }
}

bool Replicator::ApplyEntry(const Message& message, IncomingStream& stream) {
  const wire::Repl::Entry& entry = message.body.repl().entry();
  const std::size_t sections = entry.has_counts() ? 3 : 2;
  if (message.sections.size() != sections || entry.name().batch() >= kBatchesPerChunk ||
      !wire::ValueFormat_IsValid(entry.format()) ||
      !DecodeKeys(message.sections[0], entry.count(), keys_).ok()) {
    return false;
  }
  values_.resize(keys_.size());
  if (!DecodeValues(entry.format(), message.sections[1], absl::MakeSpan(values_)).ok()) return false;
  entry_counts_.clear();
  if (entry.has_counts()) {
    const std::string& counts = message.sections[2];
    if (counts.size() != keys_.size()) return false;
    entry_counts_.assign(counts.begin(), counts.end());
  }
  const PushName name{entry.name().pass(), entry.name().chunk(), entry.name().batch()};
  const Gradients gradients{keys_, values_, entry_counts_, entry.import()};
  const auto apply = [&](KeyRange range) {
    if (range.begin == range.end) return;
    data_.Apply(gradients, range);
    if (entry.import()) return;
    const auto keys = gradients.keys.subspan(range.begin, range.end - range.begin);
    data_.ledger.Set(name, keys);
    data_.Count(keys);
  };
  KeyRange accepted;  // neighbouring runs are applied together
  ForEachSlotRun(keys_, {0, keys_.size()}, data_.table.options().slot_bits,
                 [&](SlotIndex slot, KeyRange run) {
                   if (states_[slot].source == &stream) {
                     if (accepted.end != run.begin) {
                       apply(accepted);
                       accepted.begin = run.begin;
                     }
                     accepted.end = run.end;
                   } else {
                     stream.refused().insert(slot);
                   }
                 });
  apply(accepted);
  return true;
}

void Replicator::ApplySnap(const Message& message, IncomingStream& stream, Outbox& outbox) {
  const wire::Repl::Snap& snap = message.body.repl().snap();
  const SlotIndex slot = snap.slot();
  SlotState& state = states_[slot];
  const bool old = snap.term() < state.term || snap.sync_id() < state.sync_id ||
                   (state.role == Role::kPrimary && state.term >= snap.term());
  if (old) {
    stream.refused().insert(slot);
    return;
  }
  const absl::StatusOr<SlotImage> image = DecodeSlotImage(message.sections[0]);
  const absl::Status loaded = image.ok() ? data_.Load(slot, *image) : image.status();
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
  state.source = &stream;
  stream.refused().erase(slot);
  Refresh(slot);
  unsettled_.erase(slot);
}

}  // namespace ps
