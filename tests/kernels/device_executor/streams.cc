#include "tests/kernels/device_executor/streams.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <utility>
#include <vector>

namespace device_executor {
namespace {

std::vector<CUstream_st*> streams;
std::map<const char*, std::size_t> known;
std::mt19937 random_turns{7};

// Streams take turns until `done`.
void RunUntil(const std::function<bool()>& done) {
  std::vector<CUstream_st*> order;
  while (!done()) {
    order = streams;
    std::shuffle(order.begin(), order.end(), random_turns);
    const bool any = std::any_of(order.begin(), order.end(), [](CUstream_st* stream) {
      if (stream->work.empty() || !stream->work.front()()) return false;
      stream->work.pop_front();
      return true;
    });
    if (any) continue;
    std::fprintf(stderr, "streams wait for events that never come\n");
    std::abort();
  }
}

}  // namespace

CUstream_st* NewStream() {
  streams.push_back(new CUstream_st);
  return streams.back();
}

void EndStream(CUstream_st* stream) {
  FinishStream(stream);
  std::erase(streams, stream);
  delete stream;
}

void Give(CUstream_st* stream, std::function<void()> work) {
  if (stream == nullptr) {
    FinishAll();
    return work();
  }
  stream->work.emplace_back([work = std::move(work)] {
    work();
    return true;
  });
}

void Record(CUevent_st* event, CUstream_st* stream) {
  Give(stream, [event, number = ++event->recorded] { event->passed = number; });
}

void WaitFor(CUevent_st* event, CUstream_st* stream) {
  const auto passed = [event, number = event->recorded] { return event->passed >= number; };
  if (stream == nullptr) return RunUntil(passed);
  stream->work.emplace_back(passed);
}

void FinishStream(CUstream_st* stream) {
  if (stream == nullptr) return FinishAll();
  RunUntil([stream] { return stream->work.empty(); });
}

void FinishEvent(CUevent_st* event) {
  RunUntil([event, number = event->recorded] { return event->passed >= number; });
}

void FinishAll() {
  RunUntil([] {
    return std::all_of(streams.begin(), streams.end(),
                       [](const CUstream_st* stream) { return stream->work.empty(); });
  });
}

void Copy(void* to, const void* from, std::size_t bytes, CUstream_st* stream) {
  if (bytes == 0) return;
  if (!Knows(from)) {
    const auto* const first = static_cast<const char*>(from);
    return Give(stream, [to, copied = std::vector<char>(first, first + bytes)] {
      std::memcpy(to, copied.data(), copied.size());
    });
  }
  Give(stream, [=] { std::memcpy(to, from, bytes); });
  if (!Knows(to)) FinishStream(stream);
}

void Know(void* at, std::size_t bytes) { known[static_cast<const char*>(at)] = bytes; }
void Forget(void* at) { known.erase(static_cast<const char*>(at)); }
bool Knows(const void* at) {
  const auto* const byte = static_cast<const char*>(at);
  auto after = known.upper_bound(byte);
  if (after == known.begin()) return false;
  --after;
  return byte < after->first + std::max<std::size_t>(after->second, 1);
}

}  // namespace device_executor
