// ps_worker: a process of a cluster that reads data and computes gradients. Ends when the scheduler
// says so.
#include <gflags/gflags.h>
#include <glog/logging.h>

#include <cstdio>
#include <cstdlib>

#include "ps/base/program_flags.h"
#include "trainer/cluster/gpu_turns.h"
#include "trainer/cluster/node_process.h"

DEFINE_string(scheduler, "", "Where the scheduler is: tcp://HOST:PORT");
DEFINE_string(bind, "tcp://127.0.0.1:0", "Where to listen; port 0 takes a free one");
DEFINE_string(advertised_host, "",
              "The host that other workers are told; needed where --bind is a wildcard");
DEFINE_string(curve_key_file, "",
              "The job's key pair, as ps_ctl keygen makes it; empty: nothing is encrypted or checked");
DEFINE_int32(gpu, -1, "The GPU to compute on, of those that it would see otherwise; negative: the first");
DEFINE_int32(silence_limit_s, 300,
             "Leave with exit code 75 when the scheduler is silent for this long");

int main(int argc, char** argv) {
  FLAGS_logtostderr = true;
  FLAGS_minloglevel = google::GLOG_WARNING;
  ps::ParseProgramFlags("ps_worker", "a worker of a Hyperplane cluster", __FILE__, &argc, &argv);
  google::InitGoogleLogging(argv[0]);
  if (argc > 1 || FLAGS_scheduler.empty() || FLAGS_silence_limit_s < 1) {
    std::fprintf(stderr, "ps_worker: --scheduler=tcp://HOST:PORT is needed\n");
    return 2;
  }
  if (FLAGS_gpu >= 0) {  // before anything asks CUDA, which looks once
    const char* const variable = "CUDA_VISIBLE_DEVICES";
    const char* const visible = std::getenv(variable);
    const std::string gpu = ps::VisibleGpu(visible, FLAGS_gpu);
    if (gpu.empty()) {
      std::fprintf(stderr, "ps_worker: --gpu=%d: %s=%s shows fewer GPUs\n", FLAGS_gpu, variable, visible);
      return 2;
    }
    ::setenv(variable, gpu.c_str(), 1);
  }
  const absl::Status status =
      ps::RunWorkerNode({.scheduler = FLAGS_scheduler,
                         .bind = FLAGS_bind,
                         .advertised_host = FLAGS_advertised_host,
                         .curve_key_file = FLAGS_curve_key_file,
                         .silence_limit = std::chrono::seconds(FLAGS_silence_limit_s),
                         .leave = ps::LeaveAtSigterm()});
  if (!status.ok()) std::fprintf(stderr, "ps_worker: %s\n", status.ToString().c_str());
  return ps::NodeExitCode(status);
}
