// ps_serve: answers requests for predictions of a model bundle over HTTP.
#include <gflags/gflags.h>
#include <glog/logging.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "ps/base/cgroup.h"
#include "ps/base/http_server.h"
#include "ps/base/program_flags.h"
#include "serving/example_request.h"
#include "serving/model_service.h"
#include "serving/model_watch.h"
#include "trainer/exit_code.h"

DEFINE_string(model, "", "directory of the model bundle");
DEFINE_string(name, "", "of the model in paths; left out: the last part of --model");
DEFINE_string(listen, "127.0.0.1:8080", "HOST:PORT, or :PORT of this host only; port 0: a free one");
DEFINE_int32(threads, 0, "requests that are answered at once; 0: four for each processor that the container grants");
DEFINE_int32(max_rows, 4096, "of a request");
DEFINE_int64(max_body, 16 << 20, "bytes of a request's body");
DEFINE_int64(max_bodies, 256 << 20, "bytes of the bodies of all requests at once");

namespace ps {
namespace {

constexpr char kUsage[] =
    "usage: ps_serve --model DIR [--name NAME] [--listen HOST:PORT] [--threads N] [--max_rows N] [--max_body BYTES]\n"
    "                [--max_bodies BYTES]\n"
    "\n"
    "Serves predictions of a model that ps_train has written, of any type, until SIGTERM or SIGINT: then it takes no\n"
    "further connection, answers what is under way, and ends. When training replaces the model, the new one is served.\n"
    "\n"
    "  POST /v1/models/NAME:predict    {\"instances\": [{\"column\": value, ...}, ...]}\n"
    "  POST /v2/models/NAME/infer      Open Inference Protocol\n"
    "  GET  /healthz /readyz /metrics /v1/models/NAME /v2/models/NAME\n"
    "\n"
    "exit codes: 0 stopped; 2 wrong usage, an address that cannot be had, or not a model bundle; 3 a damaged bundle;\n"
    "75 another program has the port, or the model is replaced faster than it can be opened\n";

constexpr auto kDrainLimit = std::chrono::seconds(20);
constexpr int kConnections = 1000;
constexpr int kConnectionsOfThread = 16;  // at least
constexpr unsigned kFewestConnections = 16;
constexpr unsigned kRequestSeconds = 30;
constexpr unsigned kIdleSeconds = 60;  // of connections that are kept for the next request
constexpr std::size_t kConnectionBytes = 64 << 10;
constexpr int kThreadsOfProcessor = 4;  // connections stay with their thread, and are not evenly shared out
constexpr int kMostThreads = 1024;
constexpr unsigned kFilesOfThread = 4;   // what a thread wakes by
constexpr unsigned kFurtherFiles = 64;   // models that are opened, standard streams
constexpr int kMostRows = 1 << 20;
constexpr std::int64_t kMostBody = std::int64_t{1} << 30;
constexpr std::int64_t kMostBodies = std::int64_t{1} << 40;

int Usage(const std::string& what) {
  std::cerr << "ps_serve: " << what << "\n\n" << kUsage;
  return kWrongFlagsExit;
}

int Fail(const absl::Status& status, ExitCode code) {
  std::cerr << "ps_serve: " << status.message() << "\n";
  return static_cast<int>(code);
}

// The last part of the directory. Empty: it has none.
std::string NameOf(const std::string& dir) {
  std::error_code error;
  std::filesystem::path path = std::filesystem::absolute(dir, error).lexically_normal();
  if (path.filename().empty()) path = path.parent_path();
  return path.filename().string();
}

bool IsName(const std::string& name) {
  constexpr char kPlain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  return !name.empty() && name.find_first_not_of(kPlain) == std::string::npos;
}

// So many of the connections that are wanted as there may be files for; raises the limit of files as far as it goes.
unsigned AffordableConnections(unsigned wanted, unsigned threads) {
  const rlim_t others = kFilesOfThread * threads + kFurtherFiles;
  struct rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return wanted;
  if (files.rlim_cur < wanted + others) {
    files.rlim_cur = std::min<rlim_t>(files.rlim_max, wanted + others);
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  if (files.rlim_cur >= wanted + others) return wanted;
  return files.rlim_cur > others ? static_cast<unsigned>(files.rlim_cur - others) : 0;
}

HttpOptions ServerOptions(const HttpEndpoint& endpoint) {
  const int threads = FLAGS_threads > 0 ? FLAGS_threads : kThreadsOfProcessor * EffectiveCpuCount();
  const unsigned connections = AffordableConnections(
      static_cast<unsigned>(std::max(kConnections, kConnectionsOfThread * threads)), static_cast<unsigned>(threads));
  return {.endpoint = endpoint,
          .threads = static_cast<unsigned>(threads),
          .connections = connections,
          // A load balancer has many; but nobody has all, so that probes find a place.
          .connections_per_address = connections / 2,
          .idle_seconds = kIdleSeconds,
          .request_seconds = kRequestSeconds,
          .connection_bytes = kConnectionBytes,
          .most_body_bytes = static_cast<std::size_t>(FLAGS_max_body),
          .most_bytes_at_once = static_cast<std::size_t>(std::max(FLAGS_max_bodies, FLAGS_max_body)),
          .takes_body = ModelService::TakesBody};
}

// A path that is no bundle is the caller's mistake, a bundle that is damaged is not.
ExitCode ExitCodeOfModel(const absl::Status& status) {
  if (absl::IsDataLoss(status)) return ExitCode::kData;
  return absl::IsUnavailable(status) ? ExitCode::kTryAgain : ExitCode::kConfiguration;
}

sigset_t EndSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

// While there is nothing to drain. As the first process of a container it gets no signal that it has no handler for.
void EndAtOnce(int) { ::_exit(0); }

void SayWhatIsServed(const ServedModel& model, const std::string& name, const std::string& url) {
  std::cerr << "serving " << FLAGS_model << " as " << name << ": " << model.info().model_type << " of "
            << model.scorer().plan().format() << " rows, version " << model.version() << "\n"
            << "  " << url << "\n"
            << "  " << ExampleCommand(model, url, name) << std::endl;
}

int Serve() {
  const std::string name = FLAGS_name.empty() ? NameOf(FLAGS_model) : FLAGS_name;
  if (!IsName(name)) {
    return Usage(absl::StrCat("\"", name, "\" cannot be a model's name in a path: give --name, of letters, digits, '.', '_' and '-'"));
  }
  const absl::StatusOr<HttpEndpoint> endpoint = ParseHttpEndpoint(FLAGS_listen);
  if (!endpoint.ok()) return Usage(absl::StrCat("--listen: ", endpoint.status().message()));
  const HttpOptions options = ServerOptions(*endpoint);
  if (options.connections < kFewestConnections) {
    return Usage("so many --threads leave no files for connections: the limit of open files (ulimit -n) is too low");
  }
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGTERM, EndAtOnce);
  ::signal(SIGINT, EndAtOnce);
  const absl::StatusOr<std::unique_ptr<ModelWatch>> models = ModelWatch::Open(FLAGS_model);
  if (!models.ok()) return Fail(models.status(), ExitCodeOfModel(models.status()));
  // Before there is a thread that stays: all of them leave these signals to sigwait.
  const sigset_t end_signals = EndSignals();
  ::pthread_sigmask(SIG_BLOCK, &end_signals, nullptr);
  ModelService service({.name = name, .most_rows = static_cast<std::size_t>(FLAGS_max_rows)}, models->get());
  auto server = HttpServer::Listen(options, [&service](const HttpRequest& request) { return service.Answer(request); });
  if (!server.ok()) {
    return Fail(server.status(), absl::IsUnavailable(server.status()) ? ExitCode::kTryAgain : ExitCode::kConfiguration);
  }
  SayWhatIsServed(*(*models)->Current(), name, (*server)->url());
  (*models)->Start();
  int signal = 0;
  ::sigwait(&end_signals, &signal);
  service.Drain();
  std::cerr << "ps_serve: stopping, after the requests that are under way" << std::endl;
  if (!(*server)->Drain(kDrainLimit)) {
    std::cerr << "ps_serve: requests that took longer than " << kDrainLimit.count() << " s are not answered" << std::endl;
    ::_exit(0);  // the server's end would wait for its handlers, however long they take
  }
  return 0;
}

}  // namespace
}  // namespace ps

int main(int argc, char** argv) {
  google::InitGoogleLogging(argv[0]);
  FLAGS_logtostderr = true;
  ps::ParseProgramFlags("ps_serve", ps::kUsage, nullptr, &argc, &argv);
  if (argc > 1) return ps::Usage(absl::StrCat("unexpected argument \"", argv[1], "\""));
  if (FLAGS_model.empty()) return ps::Usage("--model is missing");
  if (FLAGS_threads < 0 || FLAGS_threads > ps::kMostThreads) return ps::Usage("--threads is 0 to 1024");
  if (FLAGS_max_rows < 1 || FLAGS_max_rows > ps::kMostRows) return ps::Usage("--max_rows is 1 to 1048576");
  if (FLAGS_max_body < 1 || FLAGS_max_body > ps::kMostBody) return ps::Usage("--max_body is 1 to 1073741824 bytes");
  if (FLAGS_max_bodies < 1 || FLAGS_max_bodies > ps::kMostBodies) return ps::Usage("--max_bodies is 1 to 1099511627776 bytes");
  return ps::Serve();
}
