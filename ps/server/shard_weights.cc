// Whole weights in and out of a shard: export after (or between) passes, import for a warm start.
#include <algorithm>
#include <utility>
#include <vector>

#include "ps/server/shard.h"
#include "ps/wire/value_codec.h"

namespace ps {

Message Shard::Export(const Message& message) {
  const wire::Export& request = message.body.export_();
  if (request.end_slot() > data_.table.slots() || request.first_slot() > request.end_slot() ||
      request.limit() == 0 || request.lane() >= static_cast<std::uint32_t>(data_.table.lanes())) {
    return Refuse(message, wire::Error::MALFORMED, "export: slots, limit or lane");
  }
  if (message.body.gen() != replicator_.gen()) {
    return Refuse(message, wire::Error::RETRY, "export: another gen");
  }
  // Who was primary by an older configuration may not have what was pushed since.
  if (message.body.epoch() > replicator_.epoch()) {
    return Refuse(message, wire::Error::RETRY, "export: a newer configuration is on its way");
  }
  if (request.count()) return Count(message);
  const auto lane = static_cast<int>(request.lane());
  std::vector<std::pair<Key, float>> page;
  std::uint64_t entries = 0;
  SlotIndex slot = request.first_slot();
  for (; slot < request.end_slot() && page.size() < request.limit(); ++slot) {
    const Replicator::Serving serving = replicator_.serving(slot);
    if (serving != Replicator::Serving::kReady) return RefuseExport(message, serving);
    const std::size_t begin = page.size();
    std::as_const(data_.table).ForEachInSlot(slot, [&](Key key, const float* state) {
      ++entries;
      const float weight = data_.table.WeightOfLane(state, lane);
      if (weight != 0) page.emplace_back(key, weight);
    });
    std::sort(page.begin() + begin, page.end());
  }
  std::vector<Key> keys(page.size());
  std::vector<float> weights(page.size());
  for (std::size_t i = 0; i < page.size(); ++i) {
    keys[i] = page[i].first;
    weights[i] = page[i].second;
  }
  Message reply;
  reply.body.set_request(message.body.request());
  wire::ExportReply& body = *reply.body.mutable_export_reply();
  body.set_count(static_cast<std::uint32_t>(keys.size()));
  body.set_next_slot(slot);
  body.set_entries(entries);
  reply.sections.push_back(EncodeKeys(keys));
  reply.sections.push_back(EncodeValues(wire::F32, weights));
  return reply;
}

Message Shard::Count(const Message& message) {
  const wire::Export& request = message.body.export_();
  Message reply;
  reply.body.set_request(message.body.request());
  wire::ExportReply& body = *reply.body.mutable_export_reply();
  std::uint64_t entries = 0;
  for (SlotIndex slot = request.first_slot(); slot < request.end_slot(); ++slot) {
    const Replicator::Serving serving = replicator_.serving(slot);
    if (serving != Replicator::Serving::kReady) return RefuseExport(message, serving);
    entries += data_.table.slot_size(slot);
  }
  body.set_next_slot(request.end_slot());
  body.set_entries(entries);
  reply.sections = {EncodeKeys({}), EncodeValues(wire::F32, {})};
  return reply;
}

Message Shard::RefuseExport(const Message& message, Replicator::Serving serving) {
  return Refuse(message, serving == Replicator::Serving::kNot ? wire::Error::MOVED : wire::Error::RETRY,
                "export: a slot is not of this server, or not ready");
}

void Shard::Import(const Address& from, const Message& message, MonotonicTime now,
                   Outbox& outbox) {
  const wire::Import& request = message.body.import();
  const auto refuse = [&](wire::Error::Code code, std::string why) {
    outbox.Send(from, Refuse(message, code, std::move(why)));
  };
  if (message.sections.size() != 2) {
    return refuse(wire::Error::MALFORMED, "import: two sections are needed");
  }
  std::vector<Key> decoded_keys;
  absl::Status decoded = DecodeKeys(message.sections[0], request.count(), decoded_keys);
  const auto keys = std::make_shared<const std::vector<Key>>(std::move(decoded_keys));
  values_.resize(keys->size());
  if (decoded.ok()) {
    decoded = DecodeValues(wire::F32, message.sections[1], absl::MakeSpan(values_));
  }
  if (!decoded.ok()) return refuse(wire::Error::MALFORMED, std::string(decoded.message()));
  const Replicator::Serving serving = replicator_.Check(*keys);
  if (serving == Replicator::Serving::kNot) {
    return refuse(wire::Error::MOVED, "import: a slot is not of this server");
  }
  if (serving == Replicator::Serving::kLater || message.body.gen() != replicator_.gen()) {
    return refuse(wire::Error::RETRY, "import: another gen, or a slot is not ready");
  }
  // A slot that has had pushes has its weights: this is a late copy, or was meant for other slots
  // that were lost.
  fresh_.clear();
  ForEachSlotRun(*keys, {0, keys->size()}, options_.table.slot_bits,
                 [&](SlotIndex slot, KeyRange run) {
                   if (data_.seq[slot] == 0) fresh_.push_back(run);
                 });
  const Gradients weights{*keys, values_, {}, /*weights=*/true};
  for (const KeyRange& range : fresh_) data_.Apply(weights, range);
  replicator_.Forward({}, weights, fresh_, wire::F32, now, outbox);
  Message reply;
  reply.body.set_request(message.body.request());
  reply.body.mutable_import_ack();
  replicator_.ReplyWhenSafe(from, std::move(reply), keys, outbox);
}

}  // namespace ps
