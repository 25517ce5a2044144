// Whole weights in and out of a shard: export after (or between) passes, import for a warm start.
#include <algorithm>
#include <utility>
#include <vector>

#include "kernels/optimizer.h"
#include "ps/server/shard.h"
#include "ps/wire/value_codec.h"

namespace ps {
namespace {

// The state with no history whose weight is `weight`: FTRL's z solves FtrlWeight(z, 0) = weight.
void SetState(const OptimizerParams& params, float weight, float* state) {
  std::fill_n(state, StateFloats(params.type), 0.0f);
  if (params.type != Optimizer::kFtrl) {
    state[0] = weight;
    return;
  }
  const float shrunk = -weight * (params.beta * (1.0f / params.alpha) + params.l2);
  state[0] = shrunk + (shrunk < 0 ? -params.l1 : params.l1);
}

}  // namespace

Message Shard::Export(const Message& message) {
  const wire::Export& request = message.body.export_();
  if (request.end_slot() > table_.slots() || request.first_slot() > request.end_slot() ||
      request.limit() == 0) {
    return Refuse(message, wire::Error::MALFORMED, "export: slots or limit");
  }
  std::vector<std::pair<Key, float>> page;
  std::uint64_t entries = 0;
  SlotIndex slot = request.first_slot();
  for (; slot < request.end_slot() && page.size() < request.limit(); ++slot) {
    if (!routing_.has_value() || routing_->OwnerOf(slot) != self_) {
      return Refuse(message, wire::Error::MOVED, "export: a slot is not of this shard");
    }
    const std::size_t begin = page.size();
    std::as_const(table_).ForEachInSlot(slot, [&](Key key, const float* state) {
      ++entries;
      const float weight = WeightOf(options_.table.optimizer, state);
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

Message Shard::Import(const Message& message) {
  const wire::Import& request = message.body.import();
  std::vector<Key> keys;
  if (message.sections.size() != 2) {
    return Refuse(message, wire::Error::MALFORMED, "import: two sections are needed");
  }
  absl::Status decoded = DecodeKeys(message.sections[0], request.count(), keys);
  values_.resize(keys.size());
  if (decoded.ok()) {
    decoded = DecodeValues(wire::F32, message.sections[1], absl::MakeSpan(values_));
  }
  if (!decoded.ok()) {
    return Refuse(message, wire::Error::MALFORMED, std::string(decoded.message()));
  }
  if (!routing_.has_value() || !routing_->OwnsAll(self_, keys)) {
    return Refuse(message, wire::Error::MOVED, "import: a slot is not of this shard");
  }
  // Once there are pushes, every import has been acknowledged: this one is a late copy.
  for (std::size_t i = 0; i < keys.size() && !pushed_; ++i) {
    if (values_[i] != 0)
      SetState(options_.table.optimizer, values_[i], table_.FindOrInsert(keys[i]));
  }
  Message reply;
  reply.body.set_request(message.body.request());
  reply.body.mutable_import_ack();
  return reply;
}

}  // namespace ps
