// The fuzzer's entry over seeded mutations of valid frames, under any compiler.
#include "tests/wire/frame_fuzz.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <random>
#include <string>
#include <vector>

namespace ps {
namespace {

void Mutate(std::mt19937_64& random, const std::vector<std::string>& examples, std::string& frame) {
  const auto at = [&] { return random() % frame.size(); };
  switch (random() % 8) {
    case 0:
      frame[at()] = static_cast<char>(random());
      return;
    case 1:
      frame[at()] ^= static_cast<char>(1 << (random() % 8));
      return;
    case 2:
      frame.resize(1 + at());
      return;
    case 3:
      frame.insert(at(), std::string(1 + random() % 20, static_cast<char>(random())));
      return;
    case 4:
      frame.erase(at(), 1 + random() % 8);
      if (frame.empty()) frame = "x";
      return;
    case 5: {  // a number that is on some edge, anywhere
      constexpr std::uint32_t kEdges[] = {0,      1,          0x7f,       0x80,    0xff,
                                          0xffff, 0x7fffffff, 0xffffffff, 1u << 24};
      const std::uint32_t edge = kEdges[random() % std::size(kEdges)];
      const std::size_t bytes = std::min<std::size_t>(4, frame.size());
      std::memcpy(frame.data() + random() % (frame.size() - bytes + 1), &edge, bytes);
      return;
    }
    case 6: {  // the beginning of one frame and the end of another
      const std::string& other = examples[random() % examples.size()];
      frame = frame.substr(0, at()) + other.substr(random() % other.size());
      return;
    }
    default: {  // a length in the header, a little off
      std::uint32_t length;
      const std::size_t field = 8 + 4 * (random() % 10);
      if (frame.size() < field + 4) return;
      std::memcpy(&length, frame.data() + field, 4);
      length += static_cast<std::uint32_t>(random() % 9) - 4;
      std::memcpy(frame.data() + field, &length, 4);
    }
  }
}

TEST(FrameFuzz, ExamplesAreAccepted) {
  for (const std::string& frame : FrameExamples()) EXPECT_TRUE(TryFrame(frame));
}

TEST(FrameFuzz, MutationsAreRefusedOrSound) {
  const std::vector<std::string> examples = FrameExamples();
  std::mt19937_64 random(20240607);
  constexpr int kRounds = 300000;
  int accepted = 0, accepted_with_checksums = 0;
  for (int round = 0; round < kRounds; ++round) {
    std::string frame = examples[random() % examples.size()];
    for (std::uint64_t i = 0; i <= random() % 4; ++i) Mutate(random, examples, frame);
    const bool changed = std::find(examples.begin(), examples.end(), frame) == examples.end();
    accepted += changed && TryFrame(frame);
    accepted_with_checksums += TryFrameWithChecksums(frame);
  }
  EXPECT_EQ(accepted, 0);                            // the checksums see every one of these changes
  EXPECT_GT(accepted_with_checksums, kRounds / 20);  // and behind them is where the work is
}

}  // namespace
}  // namespace ps
