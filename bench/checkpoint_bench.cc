// Speed of writing checkpoints against the disk's own: slots of 100 kB through the writer's thread,
// and the same bytes by plain sequential writes with one fsync. Prints the best of several rounds
// of each, taken in turn.
//
//   checkpoint_bench --directory DIR [--gib 1] [--rounds 3]
#include <fcntl.h>
#include <gflags/gflags.h>
#include <glog/logging.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>
#include <thread>

#include "ps/base/file.h"
#include "ps/base/program_flags.h"
#include "ps/checkpoint/checkpoint_writer.h"
#include "ps/checkpoint/local_storage.h"

DEFINE_string(directory, "", "where to write; a directory of its own, which is removed");
DEFINE_double(gib, 1.0, "how much each round writes");
DEFINE_int32(rounds, 3, "rounds");

namespace ps {
namespace {

constexpr std::size_t kImageBytes = 100'000;

double SecondsSince(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double PlainWrite(const std::string& path, const std::string& block, std::size_t blocks) {
  const auto begin = std::chrono::steady_clock::now();
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
  PCHECK(fd >= 0) << path;
  for (std::size_t i = 0; i < blocks; ++i) {
    PCHECK(::write(fd, block.data(), block.size()) == static_cast<ssize_t>(block.size()));
  }
  PCHECK(::fsync(fd) == 0);
  ::close(fd);
  return SecondsSince(begin);
}

double CheckpointWrite(const std::string& directory, const std::string& image, std::size_t slots) {
  const auto begin = std::chrono::steady_clock::now();
  ThreadedCheckpointWriter writer(std::make_shared<LocalStorage>(directory));
  writer.Begin({.checkpoint = 1, .incarnation = 1, .slot_bits = 16});
  for (std::size_t slot = 0; slot < slots; ++slot) {
    std::string copy = image;
    while (!writer.Submit(static_cast<SlotIndex>(slot), {1, slot}, std::move(copy))) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  writer.Finish();
  auto event = writer.Poll();
  for (; !event.has_value(); event = writer.Poll()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  CHECK(event->status.ok()) << event->status;
  return SecondsSince(begin);
}

void Run() {
  std::mt19937_64 random(1);
  std::string image(kImageBytes, '\0');
  for (char& byte : image) byte = static_cast<char>(random());
  const auto slots =
      std::min<std::size_t>(65'536, static_cast<std::size_t>(FLAGS_gib * (1 << 30)) / kImageBytes);
  const double mb = static_cast<double>(slots * kImageBytes) / 1e6;
  double plain = 1e9, checkpoint = 1e9;
  for (int round = 0; round < FLAGS_rounds; ++round) {
    for (const bool ours : {false, true}) {
      CHECK(MakeDirs(FLAGS_directory).ok());
      double& best = ours ? checkpoint : plain;
      best = std::min(best, ours ? CheckpointWrite(FLAGS_directory, image, slots)
                                 : PlainWrite(FLAGS_directory + "/plain", image, slots));
      CHECK(RemoveTree(FLAGS_directory).ok());
    }
  }
  std::printf("plain %.0f MB/s, checkpoint %.0f MB/s, ratio %.2f\n", mb / plain, mb / checkpoint,
              plain / checkpoint);
}

}  // namespace
}  // namespace ps

int main(int argc, char** argv) {
  ps::ParseProgramFlags("checkpoint_bench", "measures writing and reading of checkpoints", __FILE__, &argc, &argv);
  if (FLAGS_directory.empty()) {
    std::fprintf(stderr, "--directory is needed\n");
    return 2;
  }
  ps::Run();
}
