#include "trainer/search/trial_process.h"

#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include <cmath>
#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "models/gbdt/json_value.h"
#include "ps/base/file.h"
#include "ps/base/status_macros.h"
#include "trainer/cluster/child_processes.h"
#include "trainer/exit_code.h"

namespace ps {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(10);
constexpr auto kTimeToEnd = std::chrono::seconds(60);  // after SIGTERM: weights are collected and written

absl::StatusOr<std::string> ThisProgram() {
  char path[PATH_MAX];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof(path));
  if (length <= 0) return absl::UnavailableError("cannot read /proc/self/exe");
  return std::string(path, static_cast<std::size_t>(length));
}

// What the program said last, on one line.
std::string Reason(const std::string& log, const std::string& otherwise) {
  constexpr std::size_t kLongest = 500;
  constexpr char kSays[] = "ps_train: ";
  std::string reason;
  for (const absl::string_view line : absl::StrSplit(log, '\n', absl::SkipWhitespace())) {
    if (absl::StartsWith(line, kSays)) {
      reason = std::string(line.substr(sizeof(kSays) - 1));
    } else if (!reason.empty() && absl::StartsWith(line, "  ")) {
      absl::StrAppend(&reason, "; ", absl::StripAsciiWhitespace(line));
    }
  }
  return (reason.empty() ? otherwise : reason).substr(0, kLongest);
}

void ReadWarnings(const std::string& log, search::Trial* trial) {
  trial->clear_warnings();
  for (const absl::string_view line : absl::StrSplit(log, '\n')) {
    if (absl::StartsWith(line, "warning: ")) trial->add_warnings(std::string(line));
  }
}

// Fills in the figures of metrics.json.
absl::Status ReadMetrics(const std::string& path, const std::string& metric, search::Trial* trial) {
  PS_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(path));
  PS_ASSIGN_OR_RETURN(const JsonNode json, ParseJson(text));
  const JsonNode* const valid = json.Find("valid");
  const auto number = [valid](const char* name) -> std::optional<double> {
    const JsonNode* const found = valid == nullptr ? nullptr : valid->Find(name);
    if (found == nullptr || found->kind != JsonNode::Kind::kNumber) return std::nullopt;
    return found->number;
  };
  if (const auto value = number("logloss")) trial->set_log_loss(*value);
  if (const auto value = number("auc")) trial->set_auc(*value);
  if (const auto value = number("rmse")) trial->set_rmse(*value);
  if (const JsonNode* rows = json.Find("rows_valid")) trial->set_rows_valid(static_cast<std::uint64_t>(rows->number));
  const auto judged = metric == "auc" ? number("auc") : number(metric == "rmse" ? "rmse" : "logloss");
  if (!judged.has_value() || !std::isfinite(*judged)) {
    return absl::InvalidArgumentError(absl::StrCat("the validation rows give no ", metric));
  }
  trial->set_loss(metric == "auc" ? -*judged : *judged);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TrialProcess::End> TrialProcess::Run(const Options& options, search::Trial* trial) {
  PS_ASSIGN_OR_RETURN(const std::string program, ThisProgram());
  std::vector<std::string> argv = {program, "--config", JobPath(options.directory)};
  argv.insert(argv.end(), options.flags.begin(), options.flags.end());
  const std::string log = options.directory + "/log";
  const Clock::time_point start = Clock::now();
  ChildProcesses children;
  PS_RETURN_IF_ERROR(children.Start(argv, {.out = OutPath(options.directory), .err = log}));
  bool stopping = false, out_of_time = false;
  Clock::time_point tell_at = Clock::time_point::min(), kill_at = Clock::time_point::max();
  std::vector<ChildProcesses::Ended> ended;
  while ((ended = children.Reap()).empty()) {
    const Clock::time_point now = Clock::now();
    out_of_time |= options.deadline.has_value() && now >= *options.deadline;
    if (!stopping && (options.stop->load() || out_of_time)) {
      stopping = true;
      kill_at = now + kTimeToEnd;
    }
    if (stopping && now >= tell_at) {  // and again: a process that has just begun does not listen yet
      children.SignalAll(SIGTERM);
      tell_at = now + std::chrono::seconds(1);
    }
    if (now >= kill_at) children.SignalAll(SIGKILL);
    std::this_thread::sleep_for(kPoll);
  }
  const bool told_to_stop = stopping || ended[0].exit_code == static_cast<int>(ExitCode::kTerminated);
  const bool without_test = ended[0].exit_code == static_cast<int>(ExitCode::kWithoutTest);
  const bool has_model = ended[0].in_order || without_test;
  if (!has_model && told_to_stop) return out_of_time && !options.stop->load() ? End::kOutOfTime : End::kStopped;
  trial->set_ended(true);
  trial->set_seconds(trial->seconds() + std::chrono::duration<double>(Clock::now() - start).count());
  const absl::StatusOr<std::string> text = ReadWholeFile(log);
  if (text.ok()) ReadWarnings(*text, trial);
  absl::Status judged = absl::OkStatus();
  trial->set_without_test(without_test);
  if (has_model) {
    judged = ReadMetrics(ModelPath(options.directory) + "/metrics.json", options.metric, trial);
  } else {
    judged = absl::InternalError(Reason(text.ok() ? *text : "", ended[0].what));
  }
  if (!judged.ok()) trial->set_failure(std::string(judged.message()));
  return End::kEnded;
}

}  // namespace ps
