#include "tests/kernels/device_executor/block_executor.h"

#include <ucontext.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define PS_START_SWITCH(save, bottom, size) __sanitizer_start_switch_fiber(save, bottom, size)
#define PS_FINISH_SWITCH(fake, bottom, size) __sanitizer_finish_switch_fiber(fake, bottom, size)
#else
#define PS_START_SWITCH(save, bottom, size) (void)(save)
#define PS_FINISH_SWITCH(fake, bottom, size) (void)(fake)
#endif

namespace device_executor {
namespace {

constexpr std::size_t kStackBytes = 64 << 10;

enum class State { kReady, kAtBarrier, kInWarp, kDone };

struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack{new char[kStackBytes]};
  void* fake_stack = nullptr;
  State state = State::kReady;
  std::uint64_t brought = 0;
};

struct Block {
  std::vector<Fiber> fibers;
  std::vector<std::array<std::uint64_t, kLanes>> of_warp;
  unsigned threads = 0, running = 0;
  const std::function<void()>* body = nullptr;
  ucontext_t main;
  void* main_fake_stack = nullptr;
  const void* main_bottom = nullptr;
  std::size_t main_size = 0;
  std::mt19937 random{1};
};
Block block;

void Leave(State state) {
  Fiber& fiber = block.fibers[block.running];
  fiber.state = state;
  PS_START_SWITCH(state == State::kDone ? nullptr : &fiber.fake_stack, block.main_bottom,
                  block.main_size);
  swapcontext(&fiber.context, &block.main);
  PS_FINISH_SWITCH(fiber.fake_stack, &block.main_bottom, &block.main_size);
}

void Live() {
  PS_FINISH_SWITCH(nullptr, &block.main_bottom, &block.main_size);
  (*block.body)();
  Leave(State::kDone);
}

void Begin(Fiber* fiber) {
  getcontext(&fiber->context);
  fiber->context.uc_stack.ss_sp = fiber->stack.get();
  fiber->context.uc_stack.ss_size = kStackBytes;
  fiber->context.uc_link = nullptr;
  makecontext(&fiber->context, Live, 0);
  fiber->state = State::kReady;
}

void Resume(unsigned thread) {
  Fiber& fiber = block.fibers[thread];
  block.running = thread;
  PS_START_SWITCH(&block.main_fake_stack, fiber.stack.get(), kStackBytes);
  swapcontext(&block.main, &fiber.context);
  PS_FINISH_SWITCH(block.main_fake_stack, nullptr, nullptr);
}

bool All(unsigned first, unsigned count, State state) {
  return std::all_of(block.fibers.begin() + first, block.fibers.begin() + first + count,
                     [state](const Fiber& fiber) { return fiber.state == state; });
}

void MakeReady(unsigned first, unsigned count) {
  for (unsigned i = first; i < first + count; ++i) block.fibers[i].state = State::kReady;
}

// Some threads go on; false when all have ended.
bool Release() {
  if (All(0, block.threads, State::kDone)) return false;
  if (std::any_of(block.fibers.begin(), block.fibers.begin() + block.threads,
                  [](const Fiber& fiber) { return fiber.state == State::kReady; })) {
    return true;
  }
  if (All(0, block.threads, State::kAtBarrier)) {
    MakeReady(0, block.threads);
    return true;
  }
  bool any = false;
  for (unsigned first = 0; first < block.threads; first += kLanes) {
    if (!All(first, kLanes, State::kInWarp)) continue;
    for (unsigned lane = 0; lane < kLanes; ++lane)
      block.of_warp[first / kLanes][lane] = block.fibers[first + lane].brought;
    MakeReady(first, kLanes);
    any = true;
  }
  if (!any) {
    std::fprintf(stderr, "a kernel's threads wait for others that never come\n");
    std::abort();
  }
  return true;
}

}  // namespace

void RunBlock(unsigned threads, const std::function<void(unsigned)>& enter,
              const std::function<void()>& body) {
  if (block.fibers.size() < threads) block.fibers = std::vector<Fiber>(threads);
  block.of_warp.resize(threads / kLanes);
  block.threads = threads;
  block.body = &body;
  std::vector<unsigned> order(threads);
  for (unsigned i = 0; i < threads; ++i) {
    Begin(&block.fibers[i]);
    order[i] = i;
  }
  do {
    std::shuffle(order.begin(), order.end(), block.random);
    for (const unsigned thread : order) {
      if (block.fibers[thread].state != State::kReady) continue;
      enter(thread);
      Resume(thread);
    }
  } while (Release());
}

void Barrier() { Leave(State::kAtBarrier); }

void Yield() {
  if (block.random() % 2 == 0) Leave(State::kReady);
}

const std::array<std::uint64_t, kLanes>& ExchangeInWarp(std::uint64_t mine) {
  block.fibers[block.running].brought = mine;
  Leave(State::kInWarp);
  return block.of_warp[block.running / kLanes];
}

}  // namespace device_executor
