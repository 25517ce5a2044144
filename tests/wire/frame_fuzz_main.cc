// libFuzzer's entry: `frame_fuzz CORPUS_DIR -max_total_time=300`. Built with clang only.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tests/wire/frame_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  ps::TryFrame(bytes);
  ps::TryFrameWithChecksums(std::string(bytes));
  return 0;
}
