// How much a test's thread has read. Test code only.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>

namespace ps {

// Bytes this thread has asked the system for, files in memory included; 0 where that is not told.
inline std::uint64_t BytesRead() {
  std::ifstream io("/proc/thread-self/io");
  std::string name;
  std::uint64_t bytes = 0;
  while (io >> name >> bytes) {
    if (name == "rchar:") return bytes;
  }
  return 0;
}

}  // namespace ps
