#include "tests/end_to_end/program.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "absl/strings/str_split.h"
#include "gtest/gtest.h"

namespace ps {
namespace {

using Clock = std::chrono::steady_clock;

// Polls until `done` or the deadline; the last answer.
template <typename Done>
bool WaitUntil(double seconds, Done done) {
  const Clock::time_point end = Clock::now() + std::chrono::milliseconds(int(seconds * (kSanitized ? 3000 : 1000)));
  while (!done()) {
    if (Clock::now() > end) return done();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

std::string PathOf(const std::string& name) {
  if (name.rfind("ps_", 0) != 0 && name.rfind("gbdt_", 0) != 0) return name;
  const char* bin = std::getenv("PS_BIN_DIR");
  EXPECT_NE(bin, nullptr) << "run by ctest, or set PS_BIN_DIR to the folder of the programs";
  return std::string(bin == nullptr ? "." : bin) + "/" + name;
}

struct ProcessState {
  std::string name;
  char state = 'X';
  pid_t parent = -1;
};

// Of /proc/PID/stat; state X when there is no such process.
ProcessState StateOf(pid_t pid) {
  const std::string stat = ReadText("/proc/" + std::to_string(pid) + "/stat");
  ProcessState process;
  const std::size_t open = stat.find('('), close = stat.rfind(')');
  if (open == std::string::npos || close == std::string::npos) return process;
  process.name = stat.substr(open + 1, close - open - 1);
  std::istringstream(stat.substr(close + 1)) >> process.state >> process.parent;
  return process;
}

bool IsAlive(pid_t pid) {
  const char state = StateOf(pid).state;
  return state != 'X' && state != 'Z';
}

}  // namespace

Workplace::Workplace() {
  std::string pattern = ::testing::TempDir() + "end_to_end_XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) ADD_FAILURE() << "cannot create " << pattern;
  path_ = pattern;
}

Workplace::~Workplace() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Program::Program(const std::string& name, const std::vector<std::string>& arguments,
                 const std::string& directory) {
  static int number = 0;  // outputs of programs that share a directory
  const std::string prefix =
      directory + "/." + std::filesystem::path(name).filename().string() + std::to_string(++number);
  out_path_ = prefix + ".out";
  err_path_ = prefix + ".err";
  const std::string path = PathOf(name);
  std::vector<char*> argv{const_cast<char*>(path.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const int out = ::open(out_path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const int err = ::open(err_path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::setpgid(0, 0);
    if (::dup2(out, 1) < 0 || ::dup2(err, 2) < 0 || ::chdir(directory.c_str()) != 0) ::_exit(126);
    ::execvp(path.c_str(), argv.data());
    ::_exit(127);
  }
  ::setpgid(pid_, pid_);  // whoever of the two comes first
  ::close(out);
  ::close(err);
}

Program::~Program() {
  ::kill(-pid_, SIGKILL);
  Reap(true);
}

void Program::Signal(int signal) const { ::kill(pid_, signal); }

void Program::Reap(bool block) {
  if (!reaped_) reaped_ = ::waitpid(pid_, &status_, block ? 0 : WNOHANG) == pid_;
}

bool Program::Running() {
  Reap(false);
  return !reaped_;
}

Finished Program::Wait(double seconds) {
  if (!WaitUntil(seconds, [this] { return !Running(); })) {
    ADD_FAILURE() << "no end within " << seconds << " s; it said:\n" << ReadText(err_path_);
    ::kill(-pid_, SIGKILL);
    Reap(true);
  }
  return {WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_), ReadText(out_path_),
          ReadText(err_path_)};
}

std::string Program::ErrorText() const { return ReadText(err_path_); }

bool Program::WaitForError(const std::string& text, double seconds) {
  const auto said = [&] { return ErrorText().find(text) != std::string::npos; };
  WaitUntil(seconds, [&] { return said() || !Running(); });
  return said();
}

std::map<pid_t, std::string> Program::Children() const {
  std::map<pid_t, std::string> children;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid <= 0) continue;
    const ProcessState process = StateOf(pid);
    if (process.parent == pid_ && process.state != 'Z') children[pid] = process.name;
  }
  return children;
}

Finished RunProgram(const std::string& name, const std::vector<std::string>& arguments,
                    const std::string& directory, double seconds) {
  return Program(name, arguments, directory).Wait(seconds);
}

Finished TrainJob(const std::string& directory, const std::vector<std::string>& settings,
                  const std::string& job, const std::vector<std::string>& more) {
  std::vector<std::string> arguments{"--config", job};
  for (const std::string& setting : settings)
    arguments.insert(arguments.end(), {"--set", setting});
  arguments.insert(arguments.end(), more.begin(), more.end());
  return RunProgram("ps_train", arguments, directory);
}

bool AllGone(const std::map<pid_t, std::string>& processes, double seconds) {
  return WaitUntil(seconds, [&] {
    for (const auto& [pid, name] : processes) {
      if (IsAlive(pid) && StateOf(pid).name == name) return false;
    }
    return true;
  });
}

std::string ReadText(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

void WriteText(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

std::string FirstLines(const std::string& text, std::size_t lines) {
  std::size_t end = 0;
  while (lines-- > 0 && end < text.size())
    end = std::min(text.find('\n', end), text.size() - 1) + 1;
  return text.substr(0, end);
}

void Generate(const std::string& directory, const std::string& name, const std::string& format,
              int rows, int first_row) {
  const Finished made = RunProgram("ps_datagen",
                                   {"--format", format, "--rows", std::to_string(rows),
                                    "--first_row", std::to_string(first_row), "--out", name},
                                   directory);
  ASSERT_EQ(made.exit_code, 0) << made.err;
}

JsonValue MetricsOf(const std::string& bundle) {
  const std::string text = ReadText(bundle + "/metrics.json");
  std::optional<JsonValue> json = JsonReader::Read(text);
  EXPECT_TRUE(json.has_value()) << bundle << "/metrics.json: " << text;
  return json.value_or(JsonValue());
}

double NumberAt(const JsonValue& json, const std::string& path) {
  const JsonValue* at = &json;
  for (const std::string& name : std::vector<std::string>(absl::StrSplit(path, '.'))) {
    const auto member = at->members.find(name);
    if (member == at->members.end()) {
      ADD_FAILURE() << "there is no " << path;
      return NAN;
    }
    at = &member->second;
  }
  EXPECT_EQ(at->kind, JsonValue::Kind::kNumber) << path;
  return at->kind == JsonValue::Kind::kNumber ? at->number : NAN;
}

double ConstantLogLoss(const JsonValue& metrics, const std::string& part) {
  const double p = NumberAt(metrics, part + ".positives") / NumberAt(metrics, part + ".rows");
  return -p * std::log(p) - (1 - p) * std::log(1 - p);
}

std::string SourceDirectory() {
  const char* directory = std::getenv("PS_SOURCE_DIR");
  return directory == nullptr ? "." : directory;
}

std::string RealDataDirectory() {
  const char* given = std::getenv("PS_DATA_DIR");
  const std::string directory =
      given != nullptr && *given != '\0' ? given : SourceDirectory() + "/../shared/data";
  return std::filesystem::is_directory(directory) ? directory : "";
}

}  // namespace ps
