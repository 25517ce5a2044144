#include "trainer/cluster/local_nodes.h"

#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "ps/base/status_macros.h"
#include "trainer/exit_code.h"

namespace ps {

absl::StatusOr<std::string> ThisProgramsDirectory() {
  char path[PATH_MAX];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof(path));
  if (length <= 0) return absl::UnavailableError("cannot read /proc/self/exe");
  const std::string program(path, static_cast<std::size_t>(length));
  return program.substr(0, program.rfind('/'));
}

LocalNodes::LocalNodes(Options options)
    : options_(std::move(options)),
      turns_(options_.gpus),
      servers_{.program = absl::StrCat(options_.directory, "/ps_server")},
      workers_{.program = absl::StrCat(options_.directory, "/ps_worker")},
      restarts_left_(options_.most_restarts) {}

absl::Status LocalNodes::StartOne(const Kind& kind) {
  std::vector<std::string> argv = {kind.program};
  argv.insert(argv.end(), options_.arguments.begin(), options_.arguments.end());
  std::optional<int> gpu;
  if (&kind == &workers_) gpu = turns_.Next(children_.Running(kind.program));
  if (gpu) argv.push_back(absl::StrCat("--gpu=", *gpu));
  PS_RETURN_IF_ERROR(children_.Start(argv));
  if (&kind == &workers_) turns_.Started(children_.Running(kind.program).back(), gpu);
  return absl::OkStatus();
}

absl::Status LocalNodes::Start(SchedulerMachine::Wanted wanted) {
  wanted_ = wanted;
  for (std::uint32_t i = 0; i < wanted.servers; ++i) PS_RETURN_IF_ERROR(StartOne(servers_));
  for (std::uint32_t i = 0; i < wanted.workers; ++i) PS_RETURN_IF_ERROR(StartOne(workers_));
  return absl::OkStatus();
}

bool LocalNodes::MayReplace(MonotonicTime now) {
  constexpr int kAtOnce = 12;
  constexpr MonotonicTime kWithin = std::chrono::seconds(2);
  died_at_.push_back(now);
  const auto recent = std::count_if(died_at_.begin(), died_at_.end(),
                                    [&](MonotonicTime at) { return now - at < kWithin; });
  return recent <= kAtOnce && restarts_left_-- > 0;
}

void LocalNodes::StartMissing(Kind& kind, std::size_t wanted, const NodeOwner& owner) {
  const std::set<std::uint32_t> leaving = owner.LeavingPids();
  const std::vector<pid_t> running = children_.Running(kind.program);
  std::size_t there = kind.given_up;
  for (const pid_t pid : running) there += !leaving.contains(static_cast<std::uint32_t>(pid));
  for (; there < wanted; ++there) {
    const absl::Status started = StartOne(kind);
    if (started.ok()) continue;
    LOG(ERROR) << started;
    ++kind.given_up;
  }
}

void LocalNodes::Keep(NodeOwner& owner, MonotonicTime now) {
  const std::vector<ChildProcesses::Ended> ended = children_.Reap();
  for (const ChildProcesses::Ended& child : ended) {
    if (child.in_order) continue;
    LOG(WARNING) << child.what;
    deaths_.push_back(child.what);
    const auto pid = static_cast<std::uint32_t>(child.pid);
    const bool to_replace = owner.running() && !owner.LeavingPids().contains(pid);
    const bool of_device =
        child.exit_code == static_cast<int>(ExitCode::kImpossible) && child.program == workers_.program;
    owner.OnProcessEnded(pid, child.what);
    Kind& kind = child.program == servers_.program ? servers_ : workers_;
    if (!to_replace) continue;
    const bool device_left = !of_device || turns_.Failed(child.pid);
    if (!device_left) LOG(ERROR) << "no worker is started in its place: those before it failed of their GPU, too";
    if (!device_left || !MayReplace(now)) ++kind.given_up;
  }
  // Before training begins a process that ends is a mistake that would be made again.
  if (!owner.running()) return;
  const SchedulerMachine::Wanted wanted = owner.wanted();
  if (ended.empty() && wanted == wanted_) return;
  if (wanted != wanted_) servers_.given_up = workers_.given_up = 0;
  wanted_ = wanted;
  StartMissing(servers_, wanted.servers, owner);
  StartMissing(workers_, wanted.workers, owner);
}

}  // namespace ps
