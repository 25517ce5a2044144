#include "ps/base/crew.h"

#include <immintrin.h>

#include <algorithm>

namespace ps {
namespace {

// About twenty microseconds: longer than the gaps between the pieces of one tree.
constexpr int kSpins = 600;

template <typename Value>
void WaitWhile(const std::atomic<Value>& atomic, Value old) {
  for (int i = 0; i < kSpins; ++i) {
    if (atomic.load(std::memory_order_acquire) != old) return;
    _mm_pause();
  }
  atomic.wait(old, std::memory_order_acquire);
}

}  // namespace

Crew::Crew(int threads) {
  for (int t = 1; t < std::max(threads, 1); ++t) others_.emplace_back([this, t] { Live(t); });
}

Crew::~Crew() {
  leave_.store(true);
  call_.fetch_add(1, std::memory_order_release);
  call_.notify_all();
  for (std::thread& thread : others_) thread.join();
}

bool Crew::Enter(std::uint32_t call) {
  std::uint64_t gate = gate_.load(std::memory_order_acquire);
  while (gate >> 32 == call && (gate & kClosed) == 0) {
    if (gate_.compare_exchange_weak(gate, gate + 1, std::memory_order_acq_rel)) return true;
  }
  return false;
}

void Crew::Live(int thread) {
  std::uint32_t seen = 0;
  while (true) {
    WaitWhile(call_, seen);
    seen = call_.load(std::memory_order_acquire);
    if (leave_.load()) return;
    if (!Enter(seen)) continue;  // it is over, or already the next one
    (*work_)(thread);
    const std::uint64_t before = gate_.fetch_sub(1, std::memory_order_acq_rel);
    if ((before & (kClosed | kInside)) == (kClosed | 1)) gate_.notify_all();
  }
}

void Crew::Run(const std::function<void(int)>& work) {
  work_ = &work;
  const std::uint32_t call = call_.load(std::memory_order_relaxed) + 1;
  gate_.store(std::uint64_t{call} << 32, std::memory_order_release);
  call_.store(call, std::memory_order_release);
  call_.notify_all();
  work(0);
  std::uint64_t gate = gate_.fetch_or(kClosed, std::memory_order_acq_rel) | kClosed;
  for (; (gate & kInside) != 0; gate = gate_.load(std::memory_order_acquire)) WaitWhile(gate_, gate);
}

void Crew::ForEach(std::size_t count, const std::function<void(int, std::size_t)>& item) {
  if (count <= 1 || others_.empty()) {
    for (std::size_t i = 0; i < count; ++i) item(0, i);
    return;
  }
  std::atomic<std::size_t> next{0};
  Run([&](int thread) {
    for (std::size_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) item(thread, i);
  });
}

}  // namespace ps
