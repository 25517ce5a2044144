// A few threads that do one piece of work together, again and again, thousands of times a second:
// between two pieces they wait in a short loop, then sleep. Threads live as long as the crew.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace ps {

class Crew {
 public:
  explicit Crew(int threads);
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  int threads() const { return static_cast<int>(others_.size()) + 1; }

  // Calls item(thread, i) for i in [0, count), handed out in order; returns when all are done. One caller at a time.
  // Nobody is waited for who has not come by then: where the machine is busy a thread may come after milliseconds,
  // and the caller has done the work alone meanwhile.
  void ForEach(std::size_t count, const std::function<void(int, std::size_t)>& item);

 private:
  void Live(int thread);
  // Work begins on the other threads, and on this one, and ends.
  void Run(const std::function<void(int)>& work);
  bool Enter(std::uint32_t call);

  // The gate of a call: its number in the upper half, whether it is closed, and how many are inside.
  static constexpr std::uint64_t kClosed = std::uint64_t{1} << 31, kInside = kClosed - 1;

  std::atomic<std::uint32_t> call_{0};
  std::atomic<std::uint64_t> gate_{kClosed};
  std::atomic<bool> leave_{false};
  const std::function<void(int)>* work_ = nullptr;  // of the current call
  std::vector<std::thread> others_;
};

}  // namespace ps
