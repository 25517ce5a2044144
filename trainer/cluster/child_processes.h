// Processes started by this one, ended with it. One thread. They die with their parent
// (PR_SET_PDEATHSIG) even where it is killed.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace ps {

class ChildProcesses {
 public:
  ~ChildProcesses();  // kills and reaps what is left

  // Files for what a process prints; empty: where this one's goes.
  struct Output {
    std::string out, err;
  };
  // Starts argv[0] with the arguments. Unavailable where it cannot be started.
  absl::Status Start(const std::vector<std::string>& argv, const Output& output = {});

  struct Ended {
    pid_t pid;
    std::string program;  // argv[0]
    bool in_order = false;  // by exit 0
    int exit_code = -1;     // -1: killed by a signal
    std::string what;  // e.g. "ps_server (pid 17) was killed by signal 9"
  };
  // Reaps those that have ended since.
  std::vector<Ended> Reap();
  // Those of a program that have not been reaped.
  std::vector<pid_t> Running(const std::string& program) const;

  void SignalAll(int signal) const;
  // Waits up to `seconds` for all to end of themselves, then kills and reaps the rest.
  void Finish(double seconds);

 private:
  struct Child {
    pid_t pid;
    std::string program;
  };
  std::vector<Child> children_;
};

}  // namespace ps
