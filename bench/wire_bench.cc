// Codecs per core, and messages over ZeroMQ on loopback with both ends on this machine.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "ps/wire/frame.h"
#include "ps/wire/key_codec.h"
#include "ps/wire/routing_table.h"
#include "ps/wire/transport.h"
#include "ps/wire/value_codec.h"
#include "ps/wire/zeromq_transport.h"
#include "tests/wire/random_keys.h"

namespace ps {
namespace {

constexpr std::size_t kListKeys = 100000;

std::vector<Key> Keys() {
  std::mt19937_64 random(1);
  return RandomKeys(random, kListKeys);
}

std::vector<float> Values(double zeros) {
  std::mt19937_64 random(2);
  std::vector<float> values(kListKeys);
  for (float& value : values) {
    const bool zero = static_cast<double>(random() >> 11) * 0x1p-53 < zeros;
    value = zero ? 0.0f : static_cast<float>(random() % 2001) / 1000.0f - 1.0005f;
  }
  return values;
}

void CountItems(benchmark::State& state, std::size_t section_bytes) {
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * kListKeys));
  state.counters["bytes_a_key"] = static_cast<double>(section_bytes) / kListKeys;
}

void BM_EncodeKeys(benchmark::State& state) {
  const std::vector<Key> keys = Keys();
  std::string section;
  for (auto _ : state) benchmark::DoNotOptimize(section = EncodeKeys(keys));
  CountItems(state, section.size());
}
BENCHMARK(BM_EncodeKeys);

void BM_DecodeKeys(benchmark::State& state) {
  const std::vector<Key> keys = Keys();
  const std::string section = EncodeKeys(keys);
  std::vector<Key> decoded;
  for (auto _ : state) {
    if (!DecodeKeys(section, keys.size(), decoded).ok()) state.SkipWithError("refused");
  }
  CountItems(state, section.size());
}
BENCHMARK(BM_DecodeKeys);

void BM_SignatureOfKeys(benchmark::State& state) {
  const std::vector<Key> keys = Keys();
  for (auto _ : state) benchmark::DoNotOptimize(SignatureOf(keys));
  CountItems(state, 16);
}
BENCHMARK(BM_SignatureOfKeys);

// Arguments: format, zeros in percent.
void BM_EncodeValues(benchmark::State& state) {
  const std::vector<float> values = Values(static_cast<double>(state.range(1)) / 100);
  const auto format = static_cast<wire::ValueFormat>(state.range(0));
  std::string section;
  for (auto _ : state) benchmark::DoNotOptimize(section = EncodeValues(format, values));
  CountItems(state, section.size());
}
BENCHMARK(BM_EncodeValues)->ArgsProduct({{wire::F32, wire::BF16, wire::INT8}, {0, 60}});

void BM_DecodeValues(benchmark::State& state) {
  std::vector<float> values = Values(static_cast<double>(state.range(1)) / 100);
  const auto format = static_cast<wire::ValueFormat>(state.range(0));
  const std::string section = EncodeValues(format, values);
  for (auto _ : state) {
    if (!DecodeValues(format, section, absl::MakeSpan(values)).ok()) state.SkipWithError("refused");
  }
  CountItems(state, section.size());
}
BENCHMARK(BM_DecodeValues)->ArgsProduct({{wire::F32, wire::BF16, wire::INT8}, {0, 60}});

// Argument: shards.
void BM_SplitKeys(benchmark::State& state) {
  const std::vector<Key> keys = Keys();
  std::vector<RoutingTable::Shard> shards;
  for (std::int64_t i = 0; i < state.range(0); ++i) shards.push_back({static_cast<NodeId>(i), "e"});
  const RoutingTable table = RoutingTable::Even(1, kDefaultSlotBits, shards).value();
  for (auto _ : state) benchmark::DoNotOptimize(table.Split(keys));
  CountItems(state, 0);
}
BENCHMARK(BM_SplitKeys)->Arg(2)->Arg(64);

// What a shard does to a push besides its table, from the frame's bytes to keys and values.
// Argument: bulk checksum or not.
void BM_DecodePush(benchmark::State& state) {
  const std::vector<Key> keys = Keys();
  Message push;
  *push.body.mutable_push()->mutable_keys() = DescribeKeys(keys);
  push.sections = {EncodeKeys(keys), EncodeValues(wire::F32, Values(0))};
  const KeyListSignature signature = SignatureOf(keys);
  const std::string frame = EncodeFrame(push, {.bulk_checksum = state.range(0) != 0}).value();
  std::vector<Key> decoded;
  std::vector<float> values(kListKeys);
  for (auto _ : state) {
    const absl::StatusOr<Message> message = DecodeFrame(frame);
    if (!message.ok() || !DecodeKeys(message->sections[0], kListKeys, decoded).ok() ||
        !DecodeValues(wire::F32, message->sections[1], absl::MakeSpan(values)).ok() ||
        SignatureOf(decoded) != signature) {
      state.SkipWithError("refused");
    }
  }
  CountItems(state, frame.size());
}
BENCHMARK(BM_DecodePush)->Arg(0)->Arg(1);

Message Bulk(std::size_t bytes) {
  Message message;
  message.body.set_request(1);
  message.body.mutable_heartbeat();
  message.sections = {std::string(bytes, 'b')};
  return message;
}

// Frames of one section to a receiver in another thread, which answers each with a small one; at
// most eight are in flight. Arguments: section bytes, bulk checksum or not.
void BM_ZeroMqLoopback(benchmark::State& state) {
  constexpr int kInFlight = 8;
  const auto bytes = static_cast<std::size_t>(state.range(0));
  ZeroMqOptions options;
  options.bulk_checksum = state.range(1) != 0;
  const std::unique_ptr<Transport> receiver = OpenZeroMqTransport(options).value();
  const std::unique_ptr<Transport> sender = OpenZeroMqTransport(options).value();
  const std::string endpoint = receiver->endpoint();
  std::thread thread([&receiver] {
    while (true) {
      std::optional<Transport::Inbound> inbound = receiver->Receive(std::chrono::seconds(5));
      if (!inbound.has_value() || inbound->message.body.has_stop()) return;
      receiver->Send(inbound->from, Bulk(1));
    }
  });
  const auto await = [&] {
    if (!sender->Receive(std::chrono::seconds(5)).has_value()) state.SkipWithError("no answer");
  };
  for (int i = 0; i < kInFlight; ++i) sender->Send(endpoint, Bulk(bytes));
  for (auto _ : state) {
    await();
    sender->Send(endpoint, Bulk(bytes));
  }
  for (int i = 0; i < kInFlight; ++i) await();
  Message stop;
  stop.body.mutable_stop();
  sender->Send(endpoint, std::move(stop));
  thread.join();
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * bytes));
}
BENCHMARK(BM_ZeroMqLoopback)
    ->ArgsProduct({{64 << 10, 256 << 10, 1 << 20, 4 << 20}, {0, 1}})
    ->UseRealTime();

}  // namespace
}  // namespace ps

BENCHMARK_MAIN();
