// A message in memory: protobuf meaning plus raw sections of bulk. Plain data.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ps/wire/message.pb.h"

namespace ps {

// Number of a node in a job: the scheduler is 0, shards and workers get theirs with Welcome.
using NodeId = std::uint32_t;
inline constexpr NodeId kSchedulerNode = 0;
inline constexpr NodeId kNoNode = 0xffffffffu;

struct Message {
  wire::Body body;
  std::vector<std::string> sections;  // which are there is said at each kind in message.proto
};

}  // namespace ps
