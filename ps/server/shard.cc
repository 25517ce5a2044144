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
      data_(options.table),
      replicator_(options.replication, &data_),
      key_lists_(options.key_cache_bytes) {}

bool Shard::OnConfig(const Message& message, MonotonicTime now, Outbox& outbox) {
  const std::uint64_t gen = replicator_.gen();
  const bool taken = replicator_.OnConfig(message, now, outbox);
  if (replicator_.gen() != gen) {  // a rollback: all steps begin anew
    steps_ = StepBuffer();
    parked_.clear();
  }
  return taken;
}

Message Shard::Refuse(const Message& request, wire::Error::Code code, std::string why) {
  ++refused_;
  Message reply = ReplyTo(request);
  reply.body.mutable_error()->set_code(code);
  reply.body.mutable_error()->set_message(std::move(why));
  return reply;
}

bool Shard::Handle(const Address& from, Message message, MonotonicTime now, Outbox& outbox) {
  switch (message.body.kind_case()) {
    case wire::Body::kPull:
      if (std::optional<Message> reply = Pull(message)) {
        outbox.Send(from, *std::move(reply));
      } else {
        Park(from, message, now, outbox);
      }
      return true;
    case wire::Body::kPush:
      Push(from, message, now, outbox);
      if (std::exchange(step_committed_, false)) AnswerParked(outbox);
      return true;
    case wire::Body::kExport:
      outbox.Send(from, Export(message));
      return true;
    case wire::Body::kImport:
      Import(from, message, now, outbox);
      return true;
    case wire::Body::kRepl:
      replicator_.OnRepl(from, std::move(message), now, outbox);
      return true;
    case wire::Body::kRack:
      replicator_.OnRack(message.body.rack(), now, outbox);
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
  if (message.body.gen() != replicator_.gen()) {
    *error = Refuse(message, wire::Error::RETRY, "another gen");
    return nullptr;
  }
  switch (replicator_.Check(**keys)) {
    case Replicator::Serving::kReady:
      return *std::move(keys);
    case Replicator::Serving::kLater:
      *error = Refuse(message, wire::Error::RETRY, "a slot of the request is not ready");
      return nullptr;
    case Replicator::Serving::kNot:
      break;
  }
  *error = Refuse(message, wire::Error::MOVED, "a slot of the request is not of this server");
  return nullptr;
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
  values_.resize(keys->size() * data_.table.lanes());
  if (pull.stepped()) {
    const Step step = StepOf(pull.name(), pull.round());
    if (!steps_.Ready(step)) return std::nullopt;
    steps_.Pull(data_.table, step, *keys, absl::MakeSpan(values_));
  } else {
    data_.table.Pull(*keys, absl::MakeSpan(values_));
  }
  Message reply = ReplyTo(message);
  wire::PullReply& body = *reply.body.mutable_pull_reply();
  body.set_count(static_cast<std::uint32_t>(keys->size()));
  body.set_format(pull.format());
  reply.sections.push_back(EncodeValues(pull.format(), values_));
  return reply;
}

SharedKeys Shard::ReadPush(const Message& message, Message* error) {
  const wire::Push& push = message.body.push();
  const std::size_t sections = (push.keys().cached() ? 0 : 1) + 1 + (push.has_counts() ? 1 : 0);
  if (push.stepped() != options_.stepped || push.name().batch() >= kBatchesPerChunk ||
      !wire::ValueFormat_IsValid(push.format()) || message.sections.size() != sections) {
    *error = Refuse(message, wire::Error::MALFORMED, "push: mode, batch, format or sections");
    return nullptr;
  }
  SharedKeys keys = ResolveKeys(message, push.keys(), error);
  if (keys == nullptr) return nullptr;
  if (!push.stepped() && keys->empty()) {
    *error = Refuse(message, wire::Error::MALFORMED, "push: no keys");
    return nullptr;
  }
  const std::size_t first = push.keys().cached() ? 0 : 1;
  values_.resize(keys->size() * data_.table.lanes());
  const absl::Status decoded =
      DecodeValues(push.format(), message.sections[first], absl::MakeSpan(values_));
  if (!decoded.ok()) {
    *error = Refuse(message, wire::Error::MALFORMED, std::string(decoded.message()));
    return nullptr;
  }
  counts_.clear();
  if (push.has_counts()) {
    const std::string& section = message.sections[first + 1];
    if (section.size() != keys->size() || section.find('\0') != std::string::npos) {
      *error = Refuse(message, wire::Error::MALFORMED, "push: counts differ from keys or are zero");
      return nullptr;
    }
    counts_.assign(section.begin(), section.end());
  }
  return keys;
}

void Shard::Push(const Address& from, const Message& message, MonotonicTime now, Outbox& outbox) {
  Message error;
  const SharedKeys keys = ReadPush(message, &error);
  if (keys == nullptr) return outbox.Send(from, std::move(error));
  if (message.body.push().stepped()) return outbox.Send(from, ApplyStepped(message, keys));
  ApplyNow(from, message, keys, now, outbox);
}

void Shard::ApplyNow(const Address& from, const Message& message, const SharedKeys& keys,
                     MonotonicTime now, Outbox& outbox) {
  const wire::Name& name = message.body.push().name();
  PushLedger& ledger = data_.ledger;
  if (ledger.open_chunks() >= options_.most_open_chunks &&
      !ledger.IsOpen(name.pass(), name.chunk()) && !ledger.IsDone(name.pass(), name.chunk())) {
    return outbox.Send(from, Refuse(message, wire::Error::RETRY, "too many open chunks"));
  }
  ledger.Record({name.pass(), name.chunk(), name.batch()}, *keys, &fresh_, data_.seq.data());
  const Gradients gradients{*keys, values_, counts_};
  for (const KeyRange& range : fresh_) data_.Apply(gradients, range);
  replicator_.Forward(name, gradients, fresh_, message.body.push().format(), now, outbox);
  Message reply = ReplyTo(message);
  reply.body.set_gen(replicator_.gen());
  *reply.body.mutable_push_ack()->mutable_name() = name;
  // A repetition waits too: what it repeats may not have reached the copies.
  replicator_.ReplyWhenSafe(from, std::move(reply), keys, outbox);
}

Message Shard::ApplyStepped(const Message& message, const SharedKeys& keys) {
  const wire::Push& push = message.body.push();
  // Bounds the memory that a round can take here.
  constexpr std::uint32_t kMostChunksPerRound = 1 << 16;
  if (push.round_chunks() == 0 || push.round_chunks() > kMostChunksPerRound) {
    return Refuse(message, wire::Error::MALFORMED, "push: chunks of the round");
  }
  if (!data_.ledger.IsDone(push.name().pass(), push.name().chunk())) {
    Contribution part{push.name().chunk(), push.last_of_chunk(), keys, values_, counts_};
    switch (steps_.Add(StepOf(push.name(), push.round()), {push.round_first(), push.round_chunks()},
                       std::move(part))) {
      case StepBuffer::Accepted::kBuffered:
        // From now on no slot takes weights to start from.
        if (data_.seq.front() == 0) std::fill(data_.seq.begin(), data_.seq.end(), 1);
        step_committed_ = steps_.Commit(data_.table) || step_committed_;
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
  reply.body.set_gen(replicator_.gen());
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
  replicator_.OnTick(now, outbox);
  std::erase_if(parked_, [&](const Parked& parked) {
    if (now < parked.deadline) return false;
    outbox.Send(parked.from,
                Refuse(parked.pull, wire::Error::RETRY, "the step before is not complete"));
    return true;
  });
}

void Shard::MarkDone(std::uint64_t gen, const wire::Done& done) {
  if (gen != replicator_.gen()) return;
  std::vector<IntervalSet::Interval> chunks;
  chunks.reserve(done.chunks_size());
  for (const wire::Done::Interval& interval : done.chunks()) {
    chunks.push_back({interval.first(), interval.last()});
  }
  data_.ledger.MarkDone(done.pass(), chunks);
}

}  // namespace ps
