// A job's control server with all that it needs: the board it shows, the queue of commands, and the
// file that tells ps_ctl where it is.
//
// Made before training, in the thread that runs the job; OnTick and the like are called there. The
// server answers in threads of its own until the destructor.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "scheduler/scheduler_machine.h"
#include "trainer/control/command_queue.h"
#include "trainer/control/control_server.h"

namespace ps {

// Beside the model's directory, while the job runs: one line, the URL.
std::string ControlUrlPath(const std::string& output_dir);

class JobControl {
 public:
  struct Options {
    std::string listen;  // as ParseHttpEndpoint takes it
    std::string token;
    std::string job;
    std::string mode;  // JobStatus::mode
    std::string output_dir;
    // Where no cluster's scheduler takes commands: how to stop the job. Called from any thread.
    // Empty: OnTick hands commands to the scheduler.
    std::function<void()> stop;
  };
  // InvalidArgument: `listen` is no address. Unavailable: it cannot be had.
  static absl::StatusOr<std::unique_ptr<JobControl>> Start(const Options& options);
  ~JobControl();

  StatusBoard& board() { return board_; }
  const std::string& url() const { return server_->url(); }

  // Carries out what was asked, and a few times a second shows how the scheduler stands.
  void OnTick(SchedulerMachine& scheduler, MonotonicTime now);
  // No scheduler will tick again.
  void Finishing();

 private:
  explicit JobControl(const Options& options)
      : options_(options), board_(options.job, options.mode) {}
  absl::StatusOr<std::string> Embedded(const ClusterCommand& command) const;

  const Options options_;
  StatusBoard board_;
  CommandQueue queue_;
  MonotonicTime shown_at_{-1};
  std::unique_ptr<ControlServer> server_;
};

}  // namespace ps
