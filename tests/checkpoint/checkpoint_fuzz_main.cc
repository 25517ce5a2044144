// libFuzzer's entry: `checkpoint_fuzz CORPUS_DIR -max_total_time=300`. Built with clang only.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tests/checkpoint/checkpoint_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  ps::TrySlotFile(std::string(bytes), false);
  ps::TrySlotFile(std::string(bytes), true);
  ps::TryManifest(bytes);
  ps::TryStateLog(bytes);
  return 0;
}
