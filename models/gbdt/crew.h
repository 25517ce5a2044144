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

  // Calls work(0) here and work(1..threads-1) on the others; returns when all have. One caller at a
  // time.
  void Run(const std::function<void(int)>& work);

  // Calls item(thread, i) for i in [0, count), handed out in order. Few items are done here alone.
  void ForEach(std::size_t count, const std::function<void(int, std::size_t)>& item);

 private:
  void Live(int thread);

  std::atomic<std::uint32_t> call_{0};
  std::atomic<std::uint32_t> working_{0};
  std::atomic<bool> leave_{false};
  const std::function<void(int)>* work_ = nullptr;  // of the current call
  std::vector<std::thread> others_;
};

}  // namespace ps
