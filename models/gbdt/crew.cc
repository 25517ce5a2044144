#include "models/gbdt/crew.h"

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

void Crew::Live(int thread) {
  std::uint32_t seen = 0;
  while (true) {
    WaitWhile(call_, seen);
    seen = call_.load(std::memory_order_acquire);
    if (leave_.load()) return;
    (*work_)(thread);
    if (working_.fetch_sub(1, std::memory_order_acq_rel) == 1) working_.notify_all();
  }
}

void Crew::Run(const std::function<void(int)>& work) {
  work_ = &work;
  working_.store(static_cast<std::uint32_t>(others_.size()), std::memory_order_relaxed);
  call_.fetch_add(1, std::memory_order_release);
  if (!others_.empty()) call_.notify_all();
  work(0);
  for (std::uint32_t left = working_.load(std::memory_order_acquire); left != 0;
       left = working_.load(std::memory_order_acquire)) {
    WaitWhile(working_, left);
  }
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
