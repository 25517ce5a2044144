#include "scheduler/weight_transfer.h"

#include <algorithm>
#include <utility>

#include "ps/wire/key_codec.h"
#include "ps/wire/value_codec.h"

namespace ps {
namespace {

constexpr std::uint32_t kPageKeys = 1 << 17;
constexpr MonotonicTime kRetry = std::chrono::seconds(2);
constexpr MonotonicTime kAfterRefusal = std::chrono::milliseconds(50);

}  // namespace

WeightExporter::WeightExporter(const RoutingTable& routing, Page page, std::uint32_t lane, std::uint64_t first_request)
    : routing_(routing), page_(std::move(page)), lane_(lane), slots_(routing.slots()), request_(first_request) {}

SlotIndex WeightExporter::RunEnd() const {
  SlotIndex end = slot_ + 1;
  while (end < slots_ && routing_.OwnerOf(end) == routing_.OwnerOf(slot_)) ++end;
  return end;
}

void WeightExporter::OnTick(MonotonicTime now, const SendToShard& send) {
  if (finished() || now < deadline_) return;
  Message message;
  message.body.set_request(request_);
  wire::Export& request = *message.body.mutable_export_();
  request.set_first_slot(slot_);
  request.set_end_slot(RunEnd());
  request.set_limit(kPageKeys);
  request.set_lane(lane_);
  request.set_count(page_ == nullptr);
  send(routing_.OwnerOf(slot_), std::move(message));
  deadline_ = now + kRetry;
}

void WeightExporter::OnReply(const Message& message, MonotonicTime now) {
  if (finished() || message.body.request() != request_ || !message.body.has_export_reply()) return;
  const wire::ExportReply& reply = message.body.export_reply();
  if (message.sections.size() != 2 || reply.next_slot() <= slot_ || reply.next_slot() > RunEnd())
    return;
  std::vector<Key> keys;
  if (!DecodeKeys(message.sections[0], reply.count(), keys).ok()) return;
  std::vector<float> weights(keys.size());
  if (!DecodeValues(wire::F32, message.sections[1], absl::MakeSpan(weights)).ok()) return;
  if (!keys.empty() && page_ != nullptr) page_(keys, weights);
  entries_ += reply.entries();
  slot_ = reply.next_slot();
  ++request_;
  deadline_ = now;
}

void WeightExporter::OnError(const Message& message, MonotonicTime now) {
  if (message.body.request() == request_) deadline_ = std::min(deadline_, now + kAfterRefusal);
}

void WeightImporter::OnError(const Message& message, MonotonicTime now) {
  if (!unanswered_.contains(message.body.request())) return;
  deadline_ = std::min(deadline_, now + kAfterRefusal);
}

void WeightImporter::Rerouted() {
  if (unanswered_.empty()) return;
  unanswered_.clear();
  for (RoutingTable::Part& part : routing_.Split(keys_)) {
    unanswered_.emplace(next_request_++, std::move(part));
  }
  deadline_ = MonotonicTime::zero();
}

void WeightImporter::OnTick(MonotonicTime now, const SendToShard& send) {
  if (finished_ || (now < deadline_ && !unanswered_.empty())) return;
  if (unanswered_.empty()) {
    if (!next_(&keys_, &weights_)) {
      finished_ = true;
      return;
    }
    for (RoutingTable::Part& part : routing_.Split(keys_)) {
      unanswered_.emplace(next_request_++, std::move(part));
    }
  }
  for (const auto& [request, part] : unanswered_) {
    Message message;
    message.body.set_request(request);
    message.body.mutable_import()->set_count(static_cast<std::uint32_t>(part.keys));
    message.sections.push_back(EncodeKeys(Gather(part, absl::MakeConstSpan(keys_))));
    message.sections.push_back(
        EncodeValues(wire::F32, Gather(part, absl::MakeConstSpan(weights_))));
    send(part.shard, std::move(message));
  }
  deadline_ = now + kRetry;
}

void WeightImporter::OnReply(const Message& message, MonotonicTime now) {
  if (!message.body.has_import_ack()) return;
  if (unanswered_.erase(message.body.request()) > 0 && unanswered_.empty()) deadline_ = now;
}

}  // namespace ps
