// Programs of PS_BIN_DIR run as a user runs them, each with a deadline, for the end-to-end tests.
//
// Every program gets a process group of its own, so that whatever it leaves behind can be found and
// ended. One thread. A program that outlives its deadline is killed and the test fails.
#pragma once

#include <sys/types.h>

#include <map>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/trainer/json_reader.h"

namespace ps {

// Sanitized programs are several times slower: they have more time, and what they do can be less.
inline const bool kSanitized = std::getenv("PS_SANITIZED") != nullptr;

struct Finished {
  int exit_code = -1;  // 128 + signal for a killed program, as a shell shows it
  std::string out, err;
};

// A directory that is removed in the end.
class Workplace {
 public:
  Workplace();
  ~Workplace();
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;

  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class Program {
 public:
  // Starts it with `directory` as its current one; PATH programs when the name is not one of ours.
  Program(const std::string& name, const std::vector<std::string>& arguments,
          const std::string& directory);
  ~Program();  // ends it, with all that it started
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t pid() const { return pid_; }
  void Signal(int signal) const;
  // Waits for the end. Fails the test when that takes more than `seconds`.
  Finished Wait(double seconds = 50);
  // True once `text` is in what it has printed to standard error, false when it has ended without.
  bool WaitForError(const std::string& text, double seconds = 50);
  std::string ErrorText() const;  // so far
  bool Running();
  // Living processes whose parent it is, with their names.
  std::map<pid_t, std::string> Children() const;

 private:
  void Reap(bool block);

  pid_t pid_ = -1;
  bool reaped_ = false;
  int status_ = 0;
  std::string out_path_, err_path_;
};

// Start and wait.
Finished RunProgram(const std::string& name, const std::vector<std::string>& arguments,
                    const std::string& directory, double seconds = 50);

// ps_train with `job` of that directory, with `settings` (--set) and what else there is on the command line.
Finished TrainJob(const std::string& directory, const std::vector<std::string>& settings,
                  const std::string& job = "job.yaml", const std::vector<std::string>& more = {});

// True once no process of the list is left (a zombie is none); waits up to `seconds`.
bool AllGone(const std::map<pid_t, std::string>& processes, double seconds = 10);

std::string ReadText(const std::string& path);
void WriteText(const std::string& path, const std::string& text);
std::string FirstLines(const std::string& text, std::size_t lines);

// ps_datagen into `directory`/`name`; the format is that of the job files.
void Generate(const std::string& directory, const std::string& name, const std::string& format,
              int rows, int first_row = 0);

// metrics.json of a bundle; fails the test when it is absent or malformed.
JsonValue MetricsOf(const std::string& bundle);
// A number by dotted path, e.g. "test.logloss"; fails the test when there is none.
double NumberAt(const JsonValue& json, const std::string& path);
// -p ln p - (1 - p) ln (1 - p) of the part's positives: what the constant prediction scores.
double ConstantLogLoss(const JsonValue& metrics, const std::string& part);

// The directory of real data sets, or empty where there is none.
std::string RealDataDirectory();
std::string SourceDirectory();

}  // namespace ps
