// ps_server: a process of a cluster that holds slots of the model. Ends when the scheduler says so.
#include <gflags/gflags.h>
#include <glog/logging.h>

#include <cstdio>
#include <cstdlib>

#include "ps/base/program_flags.h"
#include "trainer/cluster/node_process.h"

DEFINE_string(scheduler, "", "Where the scheduler is: tcp://HOST:PORT");
DEFINE_int32(shards, 1, "Cores to use; each owns a part of this server's slots");
DEFINE_string(bind, "tcp://127.0.0.1:0", "Where to listen; port 0 takes a free one");
DEFINE_string(advertised_host, "", "Host that workers are told, where --bind is a wildcard");
DEFINE_string(curve_key_file, "",
              "The job's key pair, as ps_ctl keygen makes it; empty: nothing is encrypted or checked");
DEFINE_int32(silence_limit_s, 300,
             "Leave with exit code 75 when the scheduler is silent for this long");

int main(int argc, char** argv) {
  FLAGS_logtostderr = true;
  FLAGS_minloglevel = google::GLOG_WARNING;
  ps::ParseProgramFlags("ps_server", "a server of a Hyperplane cluster", __FILE__, &argc, &argv);
  google::InitGoogleLogging(argv[0]);
  if (argc > 1 || FLAGS_scheduler.empty() || FLAGS_shards < 1 || FLAGS_shards > 1024 ||
      FLAGS_silence_limit_s < 1) {
    std::fprintf(stderr,
                 "ps_server: --scheduler=tcp://HOST:PORT is needed; --shards is 1 to 1024\n");
    return 2;
  }
  const absl::Status status =
      ps::RunServerNode({.scheduler = FLAGS_scheduler,
                         .shards = FLAGS_shards,
                         .bind = FLAGS_bind,
                         .advertised_host = FLAGS_advertised_host,
                         .curve_key_file = FLAGS_curve_key_file,
                         .silence_limit = std::chrono::seconds(FLAGS_silence_limit_s),
                         .leave = ps::LeaveAtSigterm()});
  if (!status.ok()) std::fprintf(stderr, "ps_server: %s\n", status.ToString().c_str());
  return ps::NodeExitCode(status);
}
