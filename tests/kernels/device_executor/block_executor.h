// Runs the threads of a block as fibers of one thread: each goes on until it waits for the others
// of its block or of its warp. Who is next is drawn anew whenever all wait, so that a kernel that
// lacks a barrier gives a wrong result sooner or later. A barrier that not all threads reach ends
// the program. Threads change places at barriers and before a compare-and-swap: other races are not seen.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

namespace device_executor {

inline constexpr unsigned kLanes = 32;

// Calls body() once a thread, `enter` with the thread's number whenever it goes on. Threads are a
// multiple of 32.
void RunBlock(unsigned threads, const std::function<void(unsigned)>& enter,
              const std::function<void()>& body);

// From inside of body.
void Barrier();
// Others may go on before this thread does: now and then, at random.
void Yield();
// All lanes of the warp come; returns what each brought, until the next call.
const std::array<std::uint64_t, kLanes>& ExchangeInWarp(std::uint64_t mine);

}  // namespace device_executor
