// Processes that LocalNodes starts and replaces, with shell scripts in the place of the programs: what they are
// told, and what becomes of those that end as a worker does whose GPU fails.
#include "trainer/cluster/local_nodes.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace ps {
namespace {

struct Owner : NodeOwner {
  explicit Owner(std::uint32_t workers) { wanted_nodes.workers = workers; }
  SchedulerMachine::Wanted wanted() const override { return wanted_nodes; }
  bool running() const override { return true; }
  std::set<std::uint32_t> LeavingPids() const override { return {}; }
  void OnProcessEnded(std::uint32_t, const std::string&) override { ++ended; }
  SchedulerMachine::Wanted wanted_nodes;
  int ended = 0;
};

class LocalNodesTest : public testing::Test {
 protected:
  LocalNodesTest() { std::filesystem::create_directories(place_); }
  ~LocalNodesTest() override { std::filesystem::remove_all(place_); }

  // Both write down what they are told; then the worker does as `worker` says.
  void Write(const std::string& worker) {
    for (const auto& [program, does] :
         {std::pair<std::string, std::string>{"ps_server", "exec sleep 60"}, {"ps_worker", worker}}) {
      const std::filesystem::path path = place_ / program;
      std::ofstream(path) << "#!/bin/sh\necho \"$*\" >>" << path.string() << ".told\n" << does << "\n";
      std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    }
  }
  std::vector<std::string> Told(const std::string& program) const {
    std::vector<std::string> lines;
    std::ifstream in(place_ / (program + ".told"));
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
  }
  LocalNodes::Options Options(std::vector<int> gpus) const {
    return {.directory = place_.string(), .arguments = {"--a=b"}, .gpus = std::move(gpus)};
  }
  // Looks after them until it holds, for ten seconds at most, or for so long.
  static bool Keep(LocalNodes& nodes, Owner& owner, const std::function<bool()>& holds, int most_ms = 10000) {
    const auto begin = std::chrono::steady_clock::now();
    while (!holds()) {
      const auto now = std::chrono::steady_clock::now();
      if (now - begin > std::chrono::milliseconds(most_ms)) return false;
      nodes.Keep(owner, std::chrono::duration_cast<MonotonicTime>(now.time_since_epoch()));
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
  }

  const std::filesystem::path place_ =
      std::filesystem::path(testing::TempDir()) / absl::StrCat("local_nodes_", ::getpid());
};

TEST_F(LocalNodesTest, AWorkerWhoseGpuFailsIsReplacedOnAnother) {
  Write("case \"$*\" in *--gpu=0*) exit 5 ;; esac\nexec sleep 60");
  LocalNodes nodes(Options({0, 3}));
  Owner owner(2);
  ASSERT_TRUE(nodes.Start(owner.wanted()).ok());
  ASSERT_TRUE(Keep(nodes, owner, [&] { return Told("ps_worker").size() == 3; }));
  std::vector<std::string> told = Told("ps_worker");
  std::sort(told.begin(), told.begin() + 2);  // the first two write at once
  EXPECT_EQ(told, (std::vector<std::string>{"--a=b --gpu=0", "--a=b --gpu=3", "--a=b --gpu=3"}));
  EXPECT_EQ(Told("ps_server"), std::vector<std::string>{"--a=b"});
  EXPECT_EQ(owner.ended, 1);
  nodes.Finish(0);
}

TEST_F(LocalNodesTest, NoneIsReplacedWhenEveryGpuHasFailedOften) {
  Write("exit 5");
  for (const std::vector<int>& gpus : {std::vector<int>{}, {0}, {0, 1}}) {
    SCOPED_TRACE(gpus.size());
    std::filesystem::remove(place_ / "ps_worker.told");
    LocalNodes nodes(Options(gpus));
    Owner owner(2);
    ASSERT_TRUE(nodes.Start(owner.wanted()).ok());
    // Two are there at a time, so one may still be started when the last GPU fails once more.
    const int failures = gpus.size() == 2 ? 6 : 3;
    ASSERT_TRUE(Keep(nodes, owner, [&] { return owner.ended == failures + 1; })) << owner.ended;
    EXPECT_FALSE(Keep(nodes, owner, [&] { return owner.ended > failures + 1; }, 300));
    EXPECT_EQ(Told("ps_worker").size(), static_cast<std::size_t>(failures + 1));
    nodes.Finish(0);
  }
}

// Of anything else it is not the GPU that is to be avoided.
TEST_F(LocalNodesTest, AWorkerThatEndsOtherwiseIsReplacedWhereItWas) {
  Write("case \"$*\" in *--gpu=0*) exit 1 ;; esac\nexec sleep 60");
  LocalNodes nodes(Options({0, 1}));
  Owner owner(2);
  ASSERT_TRUE(nodes.Start(owner.wanted()).ok());
  ASSERT_TRUE(Keep(nodes, owner, [&] { return Told("ps_worker").size() == 6; }));
  EXPECT_EQ(Told("ps_worker").back(), "--a=b --gpu=0");
  nodes.Finish(0);
}

}  // namespace
}  // namespace ps
