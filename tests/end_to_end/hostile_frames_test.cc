// A job whose ports somebody sends changed frames to, and bytes that are none, all the while: no
// process dies, and the model is the same bytes as without. PS_HOSTILE_SECONDS=n makes it last.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/end_to_end/program.h"
#include "tests/wire/frame_fuzz.h"
#include "tests/wire/raw_zmtp_peer.h"

namespace ps {
namespace {

using Clock = std::chrono::steady_clock;

// A port that was free a moment ago.
std::string FreeEndpoint() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), length), 0);
  EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length), 0);
  ::close(fd);
  return "tcp://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

// Changes that the checksums see: whoever can make sound frames is kept out by CURVE, not by them.
std::string Changed(std::string frame, std::mt19937_64& random) {
  for (std::uint64_t i = 0; i <= random() % 3; ++i) {
    const std::size_t at = random() % frame.size();
    switch (random() % 4) {
      case 0: frame[at] = static_cast<char>(frame[at] ^ (1 << (random() % 8))); break;
      case 1: frame.resize(1 + at); break;
      case 2: frame.insert(at, 1 + random() % 20, static_cast<char>(random())); break;
      default: frame.erase(at, 1 + random() % 8);
    }
    if (frame.empty()) frame = "x";
  }
  return frame;
}

// Sends them until told to stop; counts what was sent.
void Attack(const std::string& endpoint, std::uint64_t seed, const std::atomic<bool>& stop,
            std::atomic<std::uint64_t>& sent) {
  const std::vector<std::string> examples = FrameExamples();
  std::mt19937_64 random(seed);
  while (!stop) {
    SendBytesAndHangUp(endpoint, std::string(1 + random() % 300, static_cast<char>(random())));
    RawZmtpPeer peer(endpoint);
    for (int i = 0; i < 200 && !stop && peer.greeted(); ++i) {
      std::vector<std::string> parts;
      for (std::uint64_t p = 0; p <= random() % 3; ++p) {
        parts.push_back(Changed(examples[random() % examples.size()], random));
      }
      peer.Send(parts);
      sent += 1;
      // An answer means that the other side has caught up.
      if (i % 20 == 19 && !peer.Receive().has_value()) break;
    }
  }
}

constexpr int kRows = 20000;

TEST(HostileFrames, ChangeNothing) {
  const Workplace place;
  const char* text = std::getenv("PS_HOSTILE_SECONDS");
  const int seconds = text != nullptr ? std::atoi(text) : 0;
  Generate(place.path(), "train.svm", "libsvm", seconds > 0 ? 400000 : kRows);
  WriteText(place / "job.yaml",
            "data:\n"
            "  train: {files: [train.svm]}\n"
            "model: {optimizer: {type: ftrl, alpha: 0.05}}\n"
            "train: {staleness: 0, passes: " + std::to_string(seconds > 0 ? 100000 : 4) + "}\n"
            "cluster: {servers: 2, workers: 1}\n");
  const std::string listen = FreeEndpoint();
  const std::vector<std::string> servers = {FreeEndpoint(), FreeEndpoint()};
  Program job("ps_train", {"--config", "job.yaml", "--listen", listen, "--set", "output.dir=attacked"},
              place.path());
  std::vector<std::unique_ptr<Program>> nodes;
  for (const std::string& bind : servers) {
    nodes.push_back(std::make_unique<Program>(
        "ps_server", std::vector<std::string>{"--scheduler", listen, "--bind", bind}, place.path()));
  }
  nodes.push_back(std::make_unique<Program>(
      "ps_worker", std::vector<std::string>{"--scheduler", listen}, place.path()));
  ASSERT_TRUE(job.WaitForError("loss mean")) << job.Wait().err;

  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> sent = 0;
  std::vector<std::thread> attackers;
  for (const std::string& endpoint : {listen, servers[0], servers[1]}) {
    attackers.emplace_back(Attack, endpoint, attackers.size() + 1, std::cref(stop), std::ref(sent));
  }
  const auto enough = [&, end = Clock::now() + std::chrono::seconds(std::max(seconds, 1))] {
    return Clock::now() > end;
  };
  while (!enough() && job.Running()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  stop = true;
  for (std::thread& attacker : attackers) attacker.join();
  for (const auto& node : nodes) EXPECT_TRUE(node->Running() || seconds == 0) << "a node has died";
  if (seconds > 0) job.Signal(SIGTERM);
  const Finished attacked = job.Wait(100);
  std::fprintf(stderr, "%llu changed frames sent\n", static_cast<unsigned long long>(sent));
  EXPECT_GT(sent, 100u);
  for (const auto& node : nodes) EXPECT_EQ(node->Wait().exit_code, 0);
  if (seconds > 0) {
    EXPECT_EQ(attacked.exit_code, 143) << attacked.err;
    return;
  }
  ASSERT_EQ(attacked.exit_code, 0) << attacked.err;
  const Finished quiet = RunProgram(
      "ps_train", {"--config", "job.yaml", "--local", "2x1", "--set", "output.dir=quiet"},
      place.path());
  ASSERT_EQ(quiet.exit_code, 0) << quiet.err;
  EXPECT_EQ(ReadText(place / "attacked/weights.bin"), ReadText(place / "quiet/weights.bin"));
  EXPECT_EQ(NumberAt(MetricsOf(place / "attacked"), "rows_learnt"), 4 * kRows);
}

}  // namespace
}  // namespace ps
