#include "worker/shard_client.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ps/base/status_macros.h"
#include "ps/wire/key_codec.h"
#include "ps/wire/value_codec.h"

namespace ps {
namespace {

// The part's keys, in place where they are neighbours (nearly always), else gathered into *copy.
absl::Span<const Key> KeysOf(const Flight& flight, const Flight::Part& part,
                             std::vector<Key>* copy) {
  if (part.keys.ranges.empty()) return {};
  const absl::Span<const Key> all = flight.batch.keys;
  if (part.keys.ranges.size() == 1) {
    const RoutingTable::IndexRange& range = part.keys.ranges.front();
    return all.subspan(range.begin, range.end - range.begin);
  }
  *copy = Gather(part.keys, all);
  return *copy;
}

template <typename Visit>
void ForEachPosition(const RoutingTable::Part& part, const Visit& visit) {
  for (const RoutingTable::IndexRange& range : part.ranges) {
    for (std::size_t i = range.begin; i < range.end; ++i) visit(i);
  }
}

wire::Name NameOf(const Flight& flight) {
  wire::Name name;
  name.set_pass(flight.chunk->lease.pass());
  name.set_chunk(flight.chunk->lease.chunk());
  name.set_batch(flight.index);
  return name;
}

}  // namespace

ShardClient::ShardClient(const Options& options)
    : options_(options),
      silence_(options.retry_first, options.retry_longest, options.seed),
      refusal_(std::chrono::milliseconds(5), std::chrono::milliseconds(200), options.seed + 1),
      next_request_(Mix64(options.seed)) {}

bool ShardClient::TakeMoved() { return std::exchange(moved_, false); }

void ShardClient::SetGen(std::uint64_t gen) {
  if (options_.stepped && gen != gen_) routing_.reset();
  gen_ = gen;
}

void ShardClient::SetRouting(RoutingTable routing, MonotonicTime now, Outbox& outbox) {
  const std::optional<RoutingTable> before = std::exchange(routing_, std::move(routing));
  const std::vector<Flight*> flights = flights_;
  for (Flight* flight : flights) {
    if (!options_.stepped) {
      Reroute(*flight, *before, now, outbox);
      continue;
    }
    Forget(*flight);
    Part(*flight);
    Begin(*flight, now, outbox);
  }
}

void ShardClient::Reroute(Flight& flight, const RoutingTable& before, MonotonicTime now,
                          Outbox& outbox) {
  const std::size_t count = flight.parts.size();
  std::vector<Key> copy;
  for (std::size_t i = 0; i < count; ++i) {
    if (flight.parts[i].answered) continue;
    std::map<ShardIndex, RoutingTable::Part> by_shard;
    for (const RoutingTable::IndexRange& range : flight.parts[i].keys.ranges) {
      const auto keys = absl::MakeConstSpan(flight.batch.keys)
                            .subspan(range.begin, range.end - range.begin);
      for (const RoutingTable::Part& piece : routing_->Split(keys)) {
        RoutingTable::Part& part = by_shard[piece.shard];
        part.shard = piece.shard;
        part.keys += piece.keys;
        for (const RoutingTable::IndexRange& r : piece.ranges) {
          part.ranges.push_back({r.begin + range.begin, r.end + range.begin});
        }
      }
    }
    const std::string& endpoint = before.shards()[flight.parts[i].shard].endpoint;
    if (by_shard.size() == 1 &&
        routing_->shards()[by_shard.begin()->first].endpoint == endpoint) {
      flight.parts[i].shard = by_shard.begin()->first;
      continue;
    }
    waiting_.erase(flight.parts[i].request);
    std::size_t at = i;
    for (auto& [shard, keys] : by_shard) {
      Flight::Part part;
      part.shard = shard;
      part.keys = std::move(keys);
      part.description = DescribeKeys(KeysOf(flight, part, &copy));
      flight.parts[at] = std::move(part);
      Ask(flight, at, now, outbox);
      at = flight.parts.size();
      flight.parts.emplace_back();
      ++flight.unanswered;
    }
    flight.parts.pop_back();
    --flight.unanswered;
  }
}

void ShardClient::Part(Flight& flight) const {
  flight.parts.clear();
  flight.epoch = routing_->epoch();
  std::vector<bool> has_part(routing_->shards().size(), false);
  std::vector<Key> copy;
  const auto add = [&](ShardIndex shard, RoutingTable::Part keys) {
    Flight::Part part;
    part.shard = shard;
    part.keys = std::move(keys);
    part.description = DescribeKeys(KeysOf(flight, part, &copy));
    flight.parts.push_back(std::move(part));
  };
  for (RoutingTable::Part& part : routing_->Split(flight.batch.keys)) {
    has_part[part.shard] = true;
    add(part.shard, std::move(part));
  }
  if (!options_.stepped) return;
  for (ShardIndex shard = 0; shard < has_part.size(); ++shard) {
    if (!has_part[shard]) add(shard, RoutingTable::Part{.shard = shard});
  }
}

void ShardClient::Begin(Flight& flight, MonotonicTime now, Outbox& outbox) {
  flight.unanswered = flight.parts.size();
  if (flight.parts.empty()) {
    flight.phase = flight.phase == Flight::Phase::kPulling ? Flight::Phase::kComputable
                                                           : Flight::Phase::kLanded;
    return;
  }
  flights_.push_back(&flight);
  for (std::size_t i = 0; i < flight.parts.size(); ++i) Ask(flight, i, now, outbox);
}

void ShardClient::Ask(Flight& flight, std::size_t index, MonotonicTime now, Outbox& outbox) {
  Flight::Part& part = flight.parts[index];
  part.request = next_request_++;
  part.answered = false;
  part.attempts = 0;
  waiting_[part.request] = {&flight, index};
  Send(flight, part, now, outbox);
}

void ShardClient::Pull(Flight& flight, MonotonicTime now, Outbox& outbox) {
  flight.phase = Flight::Phase::kPulling;
  Part(flight);
  Begin(flight, now, outbox);
}

void ShardClient::Push(Flight& flight, MonotonicTime now, Outbox& outbox) {
  flight.phase = Flight::Phase::kPushing;
  if (flight.epoch != routing_->epoch()) {
    Part(flight);
  } else {
    for (Flight::Part& part : flight.parts) part.send_keys = false;  // the pull left them there
  }
  Begin(flight, now, outbox);
}

void ShardClient::Forget(Flight& flight) {
  std::erase(flights_, &flight);
  for (const Flight::Part& part : flight.parts) waiting_.erase(part.request);
}

void ShardClient::Send(Flight& flight, Flight::Part& part, MonotonicTime now, Outbox& outbox) {
  Message message =
      flight.phase == Flight::Phase::kPulling ? MakePull(flight, part) : MakePush(flight, part);
  message.body.set_request(part.request);
  message.body.set_epoch(routing_->epoch());
  message.body.set_gen(gen_);
  part.deadline = now + silence_.Wait(part.attempts++);
  next_deadline_ = std::min(next_deadline_, part.deadline);
  outbox.Send(routing_->shards()[part.shard].endpoint, std::move(message));
}

Message ShardClient::MakePull(const Flight& flight, const Flight::Part& part) const {
  Message message;
  wire::Pull& pull = *message.body.mutable_pull();
  *pull.mutable_keys() = part.description;
  pull.set_format(options_.values);
  *pull.mutable_name() = NameOf(flight);
  if (options_.stepped) {
    pull.set_stepped(true);
    pull.set_round(flight.chunk->lease.chunk() / options_.chunks_per_round);
  }
  std::vector<Key> copy;
  message.sections.push_back(EncodeKeys(KeysOf(flight, part, &copy)));
  return message;
}

void ShardClient::FillStep(const Flight& flight, wire::Push* push) const {
  const std::uint32_t round = flight.chunk->lease.chunk() / options_.chunks_per_round;
  push->set_stepped(true);
  push->set_round(round);
  push->set_round_first(round * options_.chunks_per_round);
  push->set_round_chunks(flight.chunk->lease.round_chunks());
  push->set_last_of_chunk(flight.index + 1 == flight.chunk->batches);
}

Message ShardClient::MakePush(const Flight& flight, const Flight::Part& part) {
  Message message;
  wire::Push& push = *message.body.mutable_push();
  *push.mutable_name() = NameOf(flight);
  *push.mutable_keys() = part.description;
  push.set_format(options_.values);
  if (options_.stepped) FillStep(flight, &push);
  if (part.send_keys) {
    std::vector<Key> copy;
    message.sections.push_back(EncodeKeys(KeysOf(flight, part, &copy)));
  } else {
    push.mutable_keys()->set_cached(true);
  }
  values_.clear();
  const Batch& batch = flight.batch;
  const auto lanes = static_cast<std::size_t>(batch.lanes);
  ForEachPosition(part.keys, [&](std::size_t i) {
    if (lanes == 1) return values_.push_back(batch.gradient[batch.id_at[i]]);
    const float* const of = batch.gradient.data() + batch.id_at[i] * lanes;
    values_.insert(values_.end(), of, of + lanes);
  });
  message.sections.push_back(EncodeValues(options_.values, values_));
  if (options_.send_counts) {
    push.set_has_counts(true);
    std::string counts;
    ForEachPosition(part.keys, [&](std::size_t i) { counts.push_back(flight.counts[i]); });
    message.sections.push_back(std::move(counts));
  }
  return message;
}

absl::Status ShardClient::TakeWeights(Flight& flight, const Flight::Part& part,
                                      const Message& message) {
  const wire::PullReply& reply = message.body.pull_reply();
  const std::string& shard = routing_->shards()[part.shard].endpoint;
  if (reply.count() != part.keys.keys || message.sections.size() != 1) {
    return absl::InternalError(absl::StrCat("server ", shard, ": a reply of another size"));
  }
  Batch& batch = flight.batch;
  const auto lanes = static_cast<std::size_t>(batch.lanes);
  values_.resize(part.keys.keys * lanes);
  const absl::Status decoded =
      DecodeValues(reply.format(), message.sections[0], absl::MakeSpan(values_));
  // Damage on the way is caught by the frame's checksums: asking again would give the same.
  if (!decoded.ok()) {
    return absl::OutOfRangeError(absl::StrCat("the model has diverged, server ", shard,
                                              " sends no usable weights: ", decoded.message()));
  }
  std::size_t at = 0;
  ForEachPosition(part.keys, [&](std::size_t i) {
    if (lanes == 1) {
      batch.weight[batch.id_at[i]] = values_[at++];
    } else {
      std::copy_n(values_.data() + at, lanes, batch.weight.data() + batch.id_at[i] * lanes);
      at += lanes;
    }
  });
  return absl::OkStatus();
}

void ShardClient::Answered(Flight& flight, Flight::Part& part) {
  waiting_.erase(part.request);
  part.answered = true;
  if (--flight.unanswered > 0) return;
  std::erase(flights_, &flight);
  flight.phase =
      flight.phase == Flight::Phase::kPulling ? Flight::Phase::kComputable : Flight::Phase::kLanded;
}

absl::Status ShardClient::OnReply(const Message& message, MonotonicTime now, Outbox& outbox) {
  const auto found = waiting_.find(message.body.request());
  if (found == waiting_.end())
    return absl::OkStatus();  // a second answer, or one to a forgotten flight
  Flight& flight = *found->second.flight;
  Flight::Part& part = flight.parts[found->second.part];
  const bool pulling = flight.phase == Flight::Phase::kPulling;
  if (message.body.has_error()) return OnError(message, flight, part, now, outbox);
  if (message.body.has_pull_reply() && pulling) {
    PS_RETURN_IF_ERROR(TakeWeights(flight, part, message));
    Answered(flight, part);
  } else if (message.body.has_push_ack() && !pulling && message.body.gen() == gen_) {
    Answered(flight, part);
  }
  return absl::OkStatus();
}

absl::Status ShardClient::OnError(const Message& message, Flight& flight, Flight::Part& part,
                                  MonotonicTime now, Outbox& outbox) {
  const wire::Error& error = message.body.error();
  // A frame may be damaged on its way, but not this often.
  constexpr int kMostMalformed = 20;
  switch (error.code()) {
    case wire::Error::UNKNOWN_KEY_LIST:
      part.send_keys = true;
      Send(flight, part, now, outbox);
      return absl::OkStatus();
    case wire::Error::MALFORMED:
      if (++part.malformed > kMostMalformed) break;
      [[fallthrough]];
    case wire::Error::MOVED:
    case wire::Error::RETRY:
      moved_ |= error.code() == wire::Error::MOVED;
      part.deadline = now + refusal_.Wait(part.attempts);
      next_deadline_ = std::min(next_deadline_, part.deadline);
      return absl::OkStatus();
    default:
      break;
  }
  return absl::InternalError(absl::StrCat(
      "server ", routing_->shards()[part.shard].endpoint,
      " refuses a request: ", wire::Error::Code_Name(error.code()), " ", error.message()));
}

void ShardClient::OnTick(MonotonicTime now, Outbox& outbox) {
  if (now < next_deadline_) return;
  next_deadline_ = MonotonicTime::max();
  for (Flight* flight : flights_) {
    for (Flight::Part& part : flight->parts) {
      if (part.answered) continue;
      if (part.deadline <= now) {
        ++repeated_;
        Send(*flight, part, now, outbox);
      } else {
        next_deadline_ = std::min(next_deadline_, part.deadline);
      }
    }
  }
}

}  // namespace ps
