// Streams of a device that is executed on the host. Work waits in its stream until somebody waits
// for it; then streams take turns, at random, a piece at a time, as far as events let them: so that
// what lacks an event, or touches memory too early, gives a wrong result sooner or later. Stream
// null: after all else, at once. One thread at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>

struct CUstream_st {
  // Each returns false while it has to wait.
  std::deque<std::function<bool()>> work;
};
struct CUevent_st {
  std::uint64_t recorded = 0, passed = 0;  // by the host; by the stream
};

namespace device_executor {

CUstream_st* NewStream();
void EndStream(CUstream_st* stream);
void Give(CUstream_st* stream, std::function<void()> work);
void Record(CUevent_st* event, CUstream_st* stream);
void WaitFor(CUevent_st* event, CUstream_st* stream);
void FinishStream(CUstream_st* stream);
void FinishEvent(CUevent_st* event);
void FinishAll();

// Copies like cudaMemcpyAsync: memory of the host that is not pinned is read before it returns, and
// written before it returns.
void Copy(void* to, const void* from, std::size_t bytes, CUstream_st* stream);
// Pinned memory, and memory of the device; false: it is other memory of the host.
void Know(void* at, std::size_t bytes);
void Forget(void* at);
bool Knows(const void* at);

}  // namespace device_executor
