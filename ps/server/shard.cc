#include "ps/server/shard.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ps/wire/value_codec.h"

namespace ps {
namespace {

Message ReplyTo(const Message& request) {
  Message reply;
  reply.body.set_request(request.body.request());
  return reply;
}

Step StepOf(const wire::Name& name, std::uint32_t round) {
  return {name.pass(), round, name.batch()};
}

}  // namespace

Shard::Shard(const Options& options)
    : options_(options),
      table_(options.table),
      ledger_(options.table.slot_bits),
      key_lists_(options.key_cache_bytes) {}

void Shard::SetRouting(RoutingTable routing, ShardIndex self) {
  routing_ = std::move(routing);
  self_ = self;
}

Message Shard::Refuse(const Message& request, wire::Error::Code code, std::string why) {
  ++refused_;
  Message reply = ReplyTo(request);
  reply.body.mutable_error()->set_code(code);
  reply.body.mutable_error()->set_message(std::move(why));
  return reply;
}

bool Shard::Handle(const Address& from, const Message& message, MonotonicTime now, Outbox& outbox) {
  switch (message.body.kind_case()) {
    case wire::Body::kPull:
      if (std::optional<Message> reply = Pull(message)) {
        outbox.Send(from, *std::move(reply));
      } else {
        Park(from, message, now, outbox);
      }
      return true;
    case wire::Body::kPush:
      outbox.Send(from, Push(message));
      if (std::exchange(step_committed_, false)) AnswerParked(outbox);
      return true;
    case wire::Body::kExport:
      outbox.Send(from, Export(message));
      return true;
    case wire::Body::kImport:
      outbox.Send(from, Import(message));
      return true;
    default:
      return false;
  }
}

SharedKeys Shard::ResolveKeys(const Message& message, const wire::KeyList& list, Message* error) {
  const std::string none;
  const bool has_section = !list.cached() && !message.sections.empty();
  absl::StatusOr<SharedKeys> keys =
      key_lists_.Resolve(list, has_section ? message.sections.front() : none);
  if (!keys.ok()) {
    *error = Refuse(
        message,
        absl::IsNotFound(keys.status()) ? wire::Error::UNKNOWN_KEY_LIST : wire::Error::MALFORMED,
        std::string(keys.status().message()));
    return nullptr;
  }
  if (!routing_.has_value() || !routing_->OwnsAll(self_, **keys)) {
    *error = Refuse(message, wire::Error::MOVED, "a slot of the request is not of this shard");
    return nullptr;
  }
  return *std::move(keys);
}

std::optional<Message> Shard::Pull(const Message& message) {
  const wire::Pull& pull = message.body.pull();
  if (pull.stepped() != options_.stepped || pull.name().batch() >= kBatchesPerChunk ||
      !wire::ValueFormat_IsValid(pull.format()) ||
      message.sections.size() != (pull.keys().cached() ? 0 : 1)) {
    return Refuse(message, wire::Error::MALFORMED, "pull: mode, batch, format or sections");
  }
  Message error;
  const SharedKeys keys = ResolveKeys(message, pull.keys(), &error);
  if (keys == nullptr) return error;
  if (!pull.stepped() && keys->empty()) {
    return Refuse(message, wire::Error::MALFORMED, "pull: no keys");
  }
  values_.resize(keys->size());
  if (pull.stepped()) {
    const Step step = StepOf(pull.name(), pull.round());
    if (!steps_.Ready(step)) return std::nullopt;
    steps_.Pull(table_, step, *keys, absl::MakeSpan(values_));
  } else {
    table_.Pull(*keys, absl::MakeSpan(values_));
  }
  Message reply = ReplyTo(message);
  wire::PullReply& body = *reply.body.mutable_pull_reply();
  body.set_count(static_cast<std::uint32_t>(keys->size()));
  body.set_format(pull.format());
  reply.sections.push_back(EncodeValues(pull.format(), values_));
  return reply;
}

Message Shard::Push(const Message& message) {
  const wire::Push& push = message.body.push();
  const std::size_t sections = (push.keys().cached() ? 0 : 1) + 1 + (push.has_counts() ? 1 : 0);
  if (push.stepped() != options_.stepped || push.name().batch() >= kBatchesPerChunk ||
      !wire::ValueFormat_IsValid(push.format()) || message.sections.size() != sections) {
    return Refuse(message, wire::Error::MALFORMED, "push: mode, batch, format or sections");
  }
  Message error;
  const SharedKeys keys = ResolveKeys(message, push.keys(), &error);
  if (keys == nullptr) return error;
  if (!push.stepped() && keys->empty()) {
    return Refuse(message, wire::Error::MALFORMED, "push: no keys");
  }
  const std::size_t first = push.keys().cached() ? 0 : 1;
  values_.resize(keys->size());
  const absl::Status decoded =
      DecodeValues(push.format(), message.sections[first], absl::MakeSpan(values_));
  if (!decoded.ok()) {
    return Refuse(message, wire::Error::MALFORMED, std::string(decoded.message()));
  }
  counts_.clear();
  if (push.has_counts()) {
    const std::string& section = message.sections[first + 1];
    if (section.size() != keys->size() || section.find('\0') != std::string::npos) {
      return Refuse(message, wire::Error::MALFORMED, "push: counts differ from keys or are zero");
    }
    counts_.assign(section.begin(), section.end());
  }
  pushed_ = true;
  return push.stepped() ? ApplyStepped(message, keys) : ApplyNow(message, keys);
}

Message Shard::ApplyNow(const Message& message, const SharedKeys& keys) {
  const wire::Name& name = message.body.push().name();
  if (ledger_.open_chunks() >= options_.most_open_chunks &&
      !ledger_.IsOpen(name.pass(), name.chunk()) && !ledger_.IsDone(name.pass(), name.chunk())) {
    return Refuse(message, wire::Error::RETRY, "too many open chunks");
  }
  ledger_.Record({name.pass(), name.chunk(), name.batch()}, *keys, &fresh_);
  for (const KeyRange& range : fresh_) {
    const std::size_t count = range.end - range.begin;
    const auto some_keys = absl::MakeConstSpan(*keys).subspan(range.begin, count);
    const auto gradients = absl::MakeConstSpan(values_).subspan(range.begin, count);
    if (counts_.empty()) {
      table_.Push(some_keys, gradients);
    } else {
      table_.Push(some_keys, gradients, absl::MakeConstSpan(counts_).subspan(range.begin, count));
    }
  }
  Message reply = ReplyTo(message);
  *reply.body.mutable_push_ack()->mutable_name() = name;
  return reply;
}

Message Shard::ApplyStepped(const Message& message, const SharedKeys& keys) {
  const wire::Push& push = message.body.push();
  // Bounds the memory that a round can take here.
  constexpr std::uint32_t kMostChunksPerRound = 1 << 16;
  if (push.round_chunks() == 0 || push.round_chunks() > kMostChunksPerRound) {
    return Refuse(message, wire::Error::MALFORMED, "push: chunks of the round");
  }
  if (!ledger_.IsDone(push.name().pass(), push.name().chunk())) {
    Contribution part{push.name().chunk(), push.last_of_chunk(), keys, values_, counts_};
    switch (steps_.Add(StepOf(push.name(), push.round()), {push.round_first(), push.round_chunks()},
                       std::move(part))) {
      case StepBuffer::Accepted::kBuffered:
        step_committed_ = steps_.Commit(table_) || step_committed_;
        break;
      case StepBuffer::Accepted::kRepeated:
        break;
      case StepBuffer::Accepted::kTooEarly:
        return Refuse(message, wire::Error::RETRY, "push: an earlier step is not complete");
      case StepBuffer::Accepted::kImpossible:
        return Refuse(message, wire::Error::MALFORMED, "push: contradicts its round");
    }
  }
  Message reply = ReplyTo(message);
  *reply.body.mutable_push_ack()->mutable_name() = push.name();
  return reply;
}

void Shard::Park(const Address& from, const Message& pull, MonotonicTime now, Outbox& outbox) {
  const auto same = std::find_if(parked_.begin(), parked_.end(), [&](const Parked& parked) {
    return parked.from == from && parked.pull.body.request() == pull.body.request();
  });
  if (same != parked_.end()) {
    same->deadline = now + options_.park_limit;
    return;
  }
  if (parked_.size() >= options_.most_parked) {
    outbox.Send(from, Refuse(pull, wire::Error::RETRY, "too many pulls wait for their step"));
    return;
  }
  parked_.push_back({from, pull, now + options_.park_limit});
}

void Shard::AnswerParked(Outbox& outbox) {
  std::erase_if(parked_, [&](const Parked& parked) {
    std::optional<Message> reply = Pull(parked.pull);
    if (!reply.has_value()) return false;
    outbox.Send(parked.from, *std::move(reply));
    return true;
  });
}

void Shard::OnTick(MonotonicTime now, Outbox& outbox) {
  std::erase_if(parked_, [&](const Parked& parked) {
    if (now < parked.deadline) return false;
    outbox.Send(parked.from,
                Refuse(parked.pull, wire::Error::RETRY, "the step before is not complete"));
    return true;
  });
}

void Shard::MarkDone(const wire::Done& done) {
  std::vector<IntervalSet::Interval> chunks;
  chunks.reserve(done.chunks_size());
  for (const wire::Done::Interval& interval : done.chunks()) {
    chunks.push_back({interval.first(), interval.last()});
  }
  ledger_.MarkDone(done.pass(), chunks);
}

}  // namespace ps
