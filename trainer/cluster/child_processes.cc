#include "trainer/cluster/child_processes.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "absl/strings/str_cat.h"

namespace ps {

namespace {

// Async-signal-safe. False: the file cannot be made.
bool SendTo(const char* path, int descriptor) {
  const int file = ::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  return file >= 0 && ::dup2(file, descriptor) == descriptor;
}

}  // namespace

ChildProcesses::~ChildProcesses() { Finish(0); }

absl::Status ChildProcesses::Start(const std::vector<std::string>& argv, const Output& output) {
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  if (::access(arguments[0], X_OK) != 0) {
    return absl::UnavailableError(absl::StrCat("cannot start ", argv[0], ": ", strerror(errno)));
  }
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) {
    return absl::UnavailableError(absl::StrCat("cannot start ", argv[0], ": ", strerror(errno)));
  }
  if (pid == 0) {
    // Only async-signal-safe calls until execv. A terminal's Ctrl-C is the coordinator's to handle.
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    // Ignored signals stay so after execv. A service's or container's SIGTERM reaches every
    // process: the coordinator then ends the job in order, for which it needs its nodes.
    ::signal(SIGTERM, SIG_IGN);
    ::signal(SIGINT, SIG_IGN);
    if (::getppid() != parent) ::_exit(75);
    if (!output.out.empty() && !SendTo(output.out.c_str(), STDOUT_FILENO)) ::_exit(126);
    if (!output.err.empty() && !SendTo(output.err.c_str(), STDERR_FILENO)) ::_exit(126);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  children_.push_back({pid, argv[0]});
  return absl::OkStatus();
}

std::vector<ChildProcesses::Ended> ChildProcesses::Reap() {
  std::vector<Ended> ended;
  std::erase_if(children_, [&](const Child& child) {
    int state = 0;
    if (::waitpid(child.pid, &state, WNOHANG) != child.pid) return false;
    const bool killed = WIFSIGNALED(state);
    const int number = killed ? WTERMSIG(state) : WEXITSTATUS(state);
    ended.push_back({child.pid, child.program, !killed && number == 0, killed ? -1 : number,
                     absl::StrCat(child.program.substr(child.program.rfind('/') + 1), " (pid ",
                                  child.pid, killed ? ") was killed by signal " : ") ended with exit code ",
                                  number)});
    return true;
  });
  return ended;
}

std::vector<pid_t> ChildProcesses::Running(const std::string& program) const {
  std::vector<pid_t> pids;
  for (const Child& child : children_) {
    if (child.program == program) pids.push_back(child.pid);
  }
  return pids;
}

void ChildProcesses::SignalAll(int signal) const {
  for (const Child& child : children_) ::kill(child.pid, signal);
}

void ChildProcesses::Finish(double seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!children_.empty() && std::chrono::steady_clock::now() < end) {
    (void)Reap();
    if (!children_.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  for (const Child& child : children_) ::kill(child.pid, SIGKILL);
  for (const Child& child : children_) ::waitpid(child.pid, nullptr, 0);
  children_.clear();
}

}  // namespace ps
