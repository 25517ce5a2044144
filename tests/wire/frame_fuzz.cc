#include "tests/wire/frame_fuzz.h"

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "ps/base/crc32c.h"
#include "ps/wire/frame.h"
#include "ps/wire/key_codec.h"
#include "ps/wire/key_list_cache.h"
#include "ps/wire/routing_table.h"
#include "ps/wire/value_codec.h"

namespace ps {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

// A section in a block of its own, so that the address sanitizer sees a read beyond its end.
struct Exact {
  explicit Exact(std::string_view bytes) : copy(bytes.begin(), bytes.end()) {}
  std::string_view view() const { return {copy.data(), copy.size()}; }
  std::vector<char> copy;
};

void TryKeys(const wire::KeyList& list, std::string_view section) {
  KeyListCache cache(1 << 20);
  const absl::StatusOr<SharedKeys> resolved = cache.Resolve(list, section);
  std::vector<Key> keys;
  const absl::Status status = DecodeKeys(section, list.count(), keys);
  if (resolved.ok() && !list.cached()) Require(status.ok() && **resolved == keys);
  if (!status.ok()) return;
  Require(keys.size() == list.count() && CheckKeys(keys).ok());
  std::vector<Key> again;
  Require(DecodeKeys(EncodeKeys(keys), keys.size(), again).ok() && again == keys);
}

void TryValues(wire::ValueFormat format, std::size_t count, std::string_view section) {
  // More than this cannot be in a section of this size but as zeros; bounds the fuzzer's memory.
  if (count > 8 * section.size() + 8) return;
  std::vector<float> values(count);
  if (!DecodeValues(format, section, absl::MakeSpan(values)).ok()) return;
  for (const float value : values) Require(value - value == 0);
  std::vector<float> again(count);
  Require(DecodeValues(format, EncodeValues(format, values), absl::MakeSpan(again)).ok());
  if (format == wire::F32) Require(again == values);
}

void TryRouting(std::uint64_t epoch, const wire::Routing& routing) {
  const absl::StatusOr<RoutingTable> table = RoutingTable::FromWire(epoch, routing);
  if (!table.ok()) return;
  constexpr std::array<Key, 4> kKeys = {1, Key{1} << 40, Key{1} << 63, ~Key{0}};
  std::size_t keys = 0;
  for (const RoutingTable::Part& part : table->Split(kKeys)) keys += part.keys;
  Require(keys == kKeys.size());
}

void TrySections(const Message& message) {
  const Exact first(message.sections.empty() ? std::string_view() : message.sections.front());
  const Exact last(message.sections.empty() ? std::string_view() : message.sections.back());
  const wire::Body& body = message.body;
  if (body.has_pull()) TryKeys(body.pull().keys(), first.view());
  if (body.has_push()) {
    TryKeys(body.push().keys(), first.view());
    TryValues(body.push().format(), body.push().keys().count(), last.view());
  }
  if (body.has_pull_reply()) {
    TryValues(body.pull_reply().format(), body.pull_reply().count(), first.view());
  }
  if (body.has_routing()) TryRouting(body.epoch(), body.routing());
}

}  // namespace

bool TryFrame(std::string_view bytes) {
  const Exact exact(bytes);
  absl::StatusOr<Message> message = DecodeFrame(exact.view());
  const absl::StatusOr<FrameHead> head = DecodeFrameHead(exact.view());
  if (!message.ok()) {
    Require(!message.status().message().empty());
    return false;
  }
  Require(head.ok() && CheckSections(*head, message->sections).ok());
  const absl::StatusOr<std::string> encoded = EncodeFrame(*message);
  Require(encoded.ok());
  const absl::StatusOr<Message> again = DecodeFrame(*encoded);
  Require(again.ok() && again->sections == message->sections &&
          again->body.SerializeAsString() == message->body.SerializeAsString());
  TrySections(*message);
  return true;
}

bool TryFrameWithChecksums(std::string bytes) {
  FrameHeader header;
  if (bytes.size() < sizeof header) return TryFrame(bytes);
  std::memcpy(&header, bytes.data(), sizeof header);
  const std::string_view rest = std::string_view(bytes).substr(sizeof header);
  const std::string_view body = rest.substr(0, header.body_bytes);
  if ((header.flags & kFrameBulkChecksum) != 0) header.bulk_crc = Crc32c(rest.substr(body.size()));
  header.head_crc = ExtendCrc32c(
      Crc32c({reinterpret_cast<const char*>(&header), offsetof(FrameHeader, head_crc)}), body);
  std::memcpy(bytes.data(), &header, sizeof header);
  return TryFrame(bytes);
}

std::vector<std::string> FrameExamples() {
  const std::vector<Key> keys = {1, 70, 1u << 20, Key{1} << 50, (Key{1} << 50) + 3, ~Key{0}};
  const std::vector<float> values = {0.5f, -1.25f, 0, 3e-5f, 0, 100};
  std::vector<Message> messages(5);
  messages[0].body.mutable_heartbeat()->set_rows(12);
  messages[1].body.set_request(77);
  *messages[1].body.mutable_pull()->mutable_keys() = DescribeKeys(keys);
  messages[1].sections = {EncodeKeys(keys)};
  messages[2].body.mutable_error()->set_message("no");
  messages[3].body.set_epoch(3);
  *messages[3].body.mutable_routing() =
      RoutingTable::Even(3, 2, {{1, "tcp://a:1"}, {2, "tcp://b:2"}})->ToWire();
  messages[4].body.mutable_pull_reply()->set_count(8);
  messages[4].sections = {EncodeValues(wire::F32, std::vector<float>(8, 0.0f))};
  for (const wire::ValueFormat format : {wire::F32, wire::BF16, wire::INT8}) {
    Message push;
    push.body.set_request(99);
    push.body.mutable_push()->mutable_name()->set_chunk(4);
    *push.body.mutable_push()->mutable_keys() = DescribeKeys(keys);
    push.body.mutable_push()->set_format(format);
    push.sections = {EncodeKeys(keys), EncodeValues(format, values)};
    messages.push_back(push);
  }
  std::vector<std::string> frames;
  for (const Message& message : messages) frames.push_back(EncodeFrame(message).value());
  return frames;
}

}  // namespace ps
