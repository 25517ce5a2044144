// Lengths of time as numbers of seconds, as progress and metrics have them.
#pragma once

#include <chrono>

namespace ps {

template <typename Count, typename Period>
double Seconds(std::chrono::duration<Count, Period> time) {
  return std::chrono::duration<double>(time).count();
}

inline double SecondsSince(std::chrono::steady_clock::time_point start) {
  return Seconds(std::chrono::steady_clock::now() - start);
}

}  // namespace ps
