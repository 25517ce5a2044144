// The ps_server and ps_worker processes of a job on this machine: as many as the scheduler wants.
// One that dies is replaced, one that is asked to leave is not. One thread.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "scheduler/scheduler_machine.h"
#include "trainer/cluster/child_processes.h"
#include "trainer/cluster/gpu_turns.h"

namespace ps {

// Whose nodes they are.
class NodeOwner {
 public:
  virtual ~NodeOwner() = default;
  virtual SchedulerMachine::Wanted wanted() const = 0;
  virtual bool running() const = 0;  // processes that end are replaced
  virtual std::set<std::uint32_t> LeavingPids() const = 0;  // which end because they were asked to
  virtual void OnProcessEnded(std::uint32_t pid, const std::string& what) = 0;
};

// Where the program of this process lies.
absl::StatusOr<std::string> ThisProgramsDirectory();

class LocalNodes {
 public:
  struct Options {
    std::string directory;               // of the programs
    std::vector<std::string> arguments;  // of both
    // Which the workers share out, by their numbers. A worker whose GPU fails is replaced by one on another, where
    // there is one that has failed less, and by none when all have failed often.
    std::vector<int> gpus;
    // Processes started in place of those that died. Not when a dozen die within two seconds: they
    // die of a mistake that another would make too.
    int most_restarts = 100;
  };
  explicit LocalNodes(Options options);

  // Starts the first processes. Unavailable where one cannot be started.
  absl::Status Start(SchedulerMachine::Wanted wanted);

  // Looks after them: tells their owner of those that ended, and starts those that are missing.
  void Keep(NodeOwner& owner, MonotonicTime now);

  // Waits up to `seconds` for all to end of themselves, then kills the rest.
  void Finish(double seconds) { children_.Finish(seconds); }

  // How they died, of those that did.
  const std::vector<std::string>& deaths() const { return deaths_; }

 private:
  struct Kind {
    std::string program;
    std::size_t given_up = 0;  // died, and not replaced
  };
  bool MayReplace(MonotonicTime now);
  absl::Status StartOne(const Kind& kind);
  void StartMissing(Kind& kind, std::size_t wanted, const NodeOwner& owner);

  const Options options_;
  GpuTurns turns_;
  ChildProcesses children_;
  Kind servers_, workers_;
  SchedulerMachine::Wanted wanted_;  // as last seen
  int restarts_left_;
  std::vector<MonotonicTime> died_at_;
  std::vector<std::string> deaths_;
};

}  // namespace ps
