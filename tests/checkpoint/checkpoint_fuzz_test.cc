// The fuzzer's targets on random mutations of good files, for builds without libFuzzer.
#include "tests/checkpoint/checkpoint_fuzz.h"

#include <gtest/gtest.h>

#include <random>

#include "ps/state_store/state_log.h"
#include "tests/checkpoint/checkpoint_sample.h"
#include "tests/checkpoint/memory_storage.h"

namespace ps {
namespace {

constexpr int kRounds = 20'000;

std::string Mutated(std::mt19937_64& random, std::string bytes) {
  for (std::uint64_t n = 1 + random() % 4; n > 0 && !bytes.empty(); --n) {
    const std::size_t at = random() % bytes.size();
    switch (random() % 5) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
        break;
      case 2:  // extremes, where numbers are
        bytes.replace(at, 8, random() % 2 ? std::string(8, '\xff') : std::string(8, '\0'));
        break;
      case 3:
        bytes.erase(at, random() % 40);
        break;
      default:
        bytes.insert(at, bytes.substr(random() % bytes.size(), random() % 60));
    }
  }
  return bytes;
}

TEST(CheckpointFuzz, MutatedFilesAreAnswered) {
  std::mt19937_64 random(11);
  MemoryStorage storage;
  WriteSample(storage, 1, 2, 2, 30, 1);
  std::string manifest = storage.objects[ManifestName(1)];
  manifest.resize(manifest.size() - 9);
  const std::string slots = SlotFileSeed();
  std::string log;
  for (std::uint64_t sequence = 1; sequence < 5; ++sequence) {
    const std::pair<std::string, std::string> record{"name", std::string(sequence * 5, 'v')};
    log += *EncodeStateFrame({sequence, 1}, absl::MakeConstSpan(&record, 1));
  }
  for (int round = 0; round < kRounds; ++round) {
    TrySlotFile(Mutated(random, slots), round % 4 != 0);
    TryStateLog(Mutated(random, log));
    if (round % 10 == 0) TryManifest(Mutated(random, manifest));
  }
}

}  // namespace
}  // namespace ps
