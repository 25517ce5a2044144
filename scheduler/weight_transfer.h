// Whole weights between the coordinator and all shards: export in ascending key order, page by
// page, and import before the first pass. One request a shard at a time, repeated until it is
// answered. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "absl/types/span.h"
#include "ps/base/key.h"
#include "ps/wire/machine.h"
#include "ps/wire/routing_table.h"

namespace ps {

// Sends a message to a shard, by its position in the routing table.
using SendToShard = std::function<void(ShardIndex, Message)>;

class WeightExporter {
 public:
  using Page = std::function<void(absl::Span<const Key>, absl::Span<const float>)>;

  // `page` empty: nothing but entries are counted. Else weights are those of a lane.
  WeightExporter(const RoutingTable& routing, Page page, std::uint32_t lane, std::uint64_t first_request);

  // Sends what is due.
  void OnTick(MonotonicTime now, const SendToShard& send);
  // Takes an ExportReply; others and repeated ones are ignored.
  void OnReply(const Message& message, MonotonicTime now);
  // Slots have moved, or a shard is not ready: asks again soon.
  void Rerouted() { deadline_ = MonotonicTime::zero(); }
  void OnError(const Message& message, MonotonicTime now);
  bool finished() const { return slot_ == slots_; }
  std::uint64_t entries() const { return entries_; }

 private:
  SlotIndex RunEnd() const;  // of the slots from slot_ on with the same owner

  const RoutingTable& routing_;
  const Page page_;
  const std::uint32_t lane_;
  const SlotIndex slots_;
  SlotIndex slot_ = 0;  // the first that is not exported
  std::uint64_t request_;
  MonotonicTime deadline_{0};
  std::uint64_t entries_ = 0;
};

class WeightImporter {
 public:
  using NextPage = std::function<bool(std::vector<Key>*, std::vector<float>*)>;

  WeightImporter(const RoutingTable& routing, NextPage next, std::uint64_t first_request)
      : routing_(routing), next_(std::move(next)), next_request_(first_request) {}

  void OnTick(MonotonicTime now, const SendToShard& send);
  // Takes an ImportAck.
  void OnReply(const Message& message, MonotonicTime now);
  // Slots have moved: the page is parted anew.
  void Rerouted();
  void OnError(const Message& message, MonotonicTime now);
  bool finished() const { return finished_; }

 private:
  const RoutingTable& routing_;
  const NextPage next_;
  std::uint64_t next_request_;
  bool finished_ = false;
  std::vector<Key> keys_;
  std::vector<float> weights_;
  std::map<std::uint64_t, RoutingTable::Part> unanswered_;  // by request
  MonotonicTime deadline_{0};
};

}  // namespace ps
