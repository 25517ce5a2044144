#include "trainer/control/job_control.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "ps/base/file.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr std::chrono::seconds kCommandLimit(30);  // then the person is told that it goes on
constexpr MonotonicTime kShowEvery = std::chrono::milliseconds(200);

}  // namespace

std::string ControlUrlPath(const std::string& output_dir) {
  const std::size_t end = output_dir.find_last_not_of('/');
  return output_dir.substr(0, end == std::string::npos ? 0 : end + 1) + ".control_url";
}

absl::StatusOr<std::unique_ptr<JobControl>> JobControl::Start(const Options& options) {
  PS_ASSIGN_OR_RETURN(const HttpEndpoint endpoint, ParseHttpEndpoint(options.listen));
  std::unique_ptr<JobControl> control(new JobControl(options));
  PS_ASSIGN_OR_RETURN(
      control->server_,
      ControlServer::Start({.endpoint = endpoint, .token = options.token}, &control->board_,
                           [control = control.get()](const ClusterCommand& command) {
                             return control->options_.stop
                                        ? control->Embedded(command)
                                        : control->queue_.Ask(command, kCommandLimit);
                           }));
  const std::string path = ControlUrlPath(options.output_dir);
  // Training does not depend on it: a job in a read-only place is still found by its address.
  if (absl::Status written = WriteFileAtomically(path, control->url() + "\n"); !written.ok()) {
    LOG(WARNING) << "ps_ctl --dir will not find this job: " << written.message();
  }
  LOG(INFO) << "status and commands: " << control->url();
  return control;
}

JobControl::~JobControl() {
  queue_.Close();
  server_.reset();
  ::unlink(ControlUrlPath(options_.output_dir).c_str());
}

void JobControl::OnTick(SchedulerMachine& scheduler, MonotonicTime now) {
  while (std::optional<CommandQueue::Asked> asked = queue_.Poll()) {
    scheduler.OnCommand(asked->command, now, asked->reply);
    shown_at_ = MonotonicTime(-1);
  }
  if (shown_at_ >= MonotonicTime::zero() && now - shown_at_ < kShowEvery) return;
  shown_at_ = now;
  board_.SetCluster(scheduler.Status(now));
}

void JobControl::Finishing() {
  board_.SetState(JobStatus::State::kFinishing);
  queue_.Close();
}

absl::StatusOr<std::string> JobControl::Embedded(const ClusterCommand& command) const {
  if (command.kind != ClusterCommand::Kind::kStop) {
    return absl::UnimplementedError("not supported by this job: it trains in one process");
  }
  options_.stop();
  return std::string("stopping: what was learnt so far is written as the model");
}

}  // namespace ps
