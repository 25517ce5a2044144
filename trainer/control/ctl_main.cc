// ps_ctl: looks at a running job and tells it what to do, over the HTTP of its --http.
#include <gflags/gflags.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ps/base/file.h"
#include "ps/base/program_flags.h"
#include "ps/base/status_macros.h"
#include "ps/wire/curve.h"
#include "trainer/control/http_client.h"
#include "trainer/control/job_control.h"

DEFINE_string(job, "", "http://HOST:PORT, where the job's --http is");
DEFINE_string(dir, "", "the job's output.dir on this machine, instead of --job");
DEFINE_bool(watch, false, "status: again every second, until the job has ended");
DEFINE_bool(json, false, "status: as JSON");
DEFINE_int32(servers, -1, "scale: how many servers there shall be");
DEFINE_int32(workers, -1, "scale: how many workers there shall be");
namespace ps {
namespace {

constexpr char kUsage[] =
    "usage: ps_ctl [--job http://HOST:PORT | --dir OUTPUT_DIR] COMMAND\n"
    "\n"
    "  status [--watch] [--json]      how the job stands\n"
    "  scale --servers N --workers N  change how many there are (either or both)\n"
    "  drain NODE                     empty a node of its work, then let it leave\n"
    "  checkpoint                     write one now\n"
    "  stop                           finish what is begun, write the model, end\n"
    "  keygen FILE                    make a key pair for cluster.curve_key_file; asks no job\n"
    "\n"
    "Without --job and --dir: $PS_JOB_URL, else http://127.0.0.1:8080. $PS_CONTROL_TOKEN is sent\n"
    "where the job asks for a token.\n"
    "exit codes: 0 done; 1 the job refused, or failed to; 2 wrong usage; 75 the job does not "
    "answer,\n"
    "or is still at it\n";

enum Exit { kDone = 0, kRefused = 1, kUsageError = kWrongFlagsExit, kTryAgain = 75 };

int Usage(const std::string& what) {
  std::cerr << "ps_ctl: " << what << "\n\n" << kUsage;
  return kUsageError;
}

std::string Environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

absl::StatusOr<std::string> JobUrl() {
  if (!FLAGS_job.empty()) return FLAGS_job;
  if (FLAGS_dir.empty()) return Environment("PS_JOB_URL", "http://127.0.0.1:8080");
  const std::string path = ControlUrlPath(FLAGS_dir);
  absl::StatusOr<std::string> url = ReadWholeFile(path);
  if (url.ok()) return std::string(absl::StripAsciiWhitespace(*url));
  return absl::UnavailableError(absl::StrCat("no job with --http writes to '", FLAGS_dir,
                                             "' now ('", path, "' is not there)"));
}

int Fail(const absl::Status& status) {
  std::cerr << "ps_ctl: " << status.message() << "\n";
  return absl::IsInvalidArgument(status) ? kUsageError : kTryAgain;
}

int Show(const HttpAnswer& answer) {
  if (answer.status == 200) {
    std::cout << answer.body << std::flush;
    return kDone;
  }
  std::cerr << "ps_ctl: " << answer.body;
  // 202: at work; 503: the job is ending, or has too many commands.
  return answer.status == 202 || answer.status == 503 ? kTryAgain : kRefused;
}

int Status(HttpQuestion question) {
  question.target = FLAGS_json ? "/status" : "/status?format=text";
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  for (bool first = true;; first = false) {
    const absl::StatusOr<HttpAnswer> answer = AskHttp(question);
    if (!answer.ok()) {
      if (first || !absl::IsUnavailable(answer.status())) return Fail(answer.status());
      std::cerr << "ps_ctl: the job has ended\n";
      return kDone;
    }
    if (terminal && FLAGS_watch && !FLAGS_json) std::cout << "\033[H\033[2J";
    const int shown = Show(*answer);
    if (shown != kDone || !FLAGS_watch) return shown;
    if (!terminal && !FLAGS_json) std::cout << std::endl;
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
}

int Keygen(const std::string& path) {
  const absl::StatusOr<CurveKeys> keys = NewCurveKeys();
  const absl::Status written = keys.ok() ? WriteCurveKeys(path, *keys) : keys.status();
  if (written.ok()) return kDone;
  std::cerr << "ps_ctl: " << written.message() << "\n";
  return kRefused;
}

int Run(const std::vector<std::string>& words) {
  if (words.empty()) return Usage("a command is missing");
  const std::string& command = words[0];
  const bool scales = FLAGS_servers != -1 || FLAGS_workers != -1;
  const bool has_argument = command == "drain" || command == "keygen";
  if (words.size() > (has_argument ? 2u : 1u)) return Usage("too many words");
  if (!FLAGS_job.empty() && !FLAGS_dir.empty()) return Usage("--job and --dir exclude each other");
  if (scales && command != "scale") return Usage("--servers and --workers belong to scale");
  if ((FLAGS_watch || FLAGS_json) && command != "status") {
    return Usage("--watch and --json belong to status");
  }
  if (command == "keygen") {
    if (words.size() != 2) return Usage("keygen needs the file to make");
    return Keygen(words[1]);
  }
  HttpQuestion question{.method = "POST", .target = "/" + command};
  question.limit = std::chrono::seconds(40);  // the job answers within 30
  if (command == "scale") {
    if (!scales) return Usage("scale needs --servers N, --workers N or both");
    std::vector<std::string> numbers;
    for (const auto& [name, number] : {std::pair("servers", FLAGS_servers), {"workers", FLAGS_workers}}) {
      if (number == -1) continue;
      if (number < 1) return Usage(absl::StrCat("--", name, " is 1 or more"));
      numbers.push_back(absl::StrCat(name, "=", number));
    }
    absl::StrAppend(&question.target, "?", absl::StrJoin(numbers, "&"));
  } else if (command == "drain") {
    std::uint32_t node = 0;
    if (words.size() != 2 || !absl::SimpleAtoi(words[1], &node) || node == 0) {
      return Usage("drain needs the number of a node, as status shows it");
    }
    absl::StrAppend(&question.target, "?node=", node);
  } else if (command != "status" && command != "checkpoint" && command != "stop") {
    return Usage(absl::StrCat("there is no command \"", command, "\""));
  }
  const absl::StatusOr<std::string> url = JobUrl();
  if (!url.ok()) return Fail(url.status());
  question.url = *url;
  question.token = Environment("PS_CONTROL_TOKEN", "");
  if (command == "status") {
    question.method = "GET";
    question.limit = std::chrono::seconds(10);
    return Status(std::move(question));
  }
  const absl::StatusOr<HttpAnswer> answer = AskHttp(question);
  return answer.ok() ? Show(*answer) : Fail(answer.status());
}

}  // namespace
}  // namespace ps

int main(int argc, char** argv) {
  ps::ParseProgramFlags("ps_ctl", ps::kUsage, nullptr, &argc, &argv);
  return ps::Run(std::vector<std::string>(argv + 1, argv + argc));
}
