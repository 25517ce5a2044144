// What a search keeps on disk: its trials, in <output.dir>.search, from which the same command goes on
// after a kill; checkpoints of trials; and, in the bundle of a search that is over, what more trials
// begin with.
//
// One thread, but for Save, which is for one at a time.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "models/config/search_space.h"
#include "trainer/progress/progress_reporter.h"
#include "trainer/search/search_state.pb.h"

namespace ps {

class SearchStore {
 public:
  // All outlive this.
  SearchStore(const LoadedJob* job, const SearchSpace* space, ProgressReporter* reporter);

  static std::string DirOf(const std::string& output_dir) { return output_dir + ".search"; }
  const std::string& dir() const { return dir_; }
  std::string TrialDir(int trial) const;
  // Of losses of validation rows, by a trial that learnt all rows; it stays when the trial's directory goes.
  std::string LossesPath(int trial) const;
  // Of a trial on one rung. Of this search alone: a trial of another job must not find what one of the same number has
  // left.
  std::string CheckpointDir(const search::Search& state, int trial) const;

  // Trials of a search that was cut off, or of the same one that is over, or none. FailedPrecondition:
  // trials of another search are there.
  absl::Status Load(search::Search* state);
  absl::Status Save(const search::Search& state) const;
  // A search that is over has its model in the output only, and may have nothing left to do.
  bool finished() const { return !finished_.empty(); }
  // There is something to do: its model becomes a trial's.
  absl::Status TakeFinished(const search::Search& state);
  absl::Status RemoveCheckpoints(const search::Search& state) const;

 private:
  std::string CheckpointsDir(const search::Search& state) const;
  static constexpr char kStateName[] = "trials.pb";
  std::string StatePath() const { return absl::StrCat(dir_, "/", kStateName); }
  absl::Status CheckOwn() const;  // FailedPrecondition: there is something else in dir_
  absl::StatusOr<std::string> Identity() const;
  absl::StatusOr<bool> LoadFinished(const std::string& identity, search::Search* state);
  bool Fits(const search::Search& state) const;
  void BeginAnew(const std::string& identity, search::Search* state) const;

  const LoadedJob& job_;
  const SearchSpace& space_;
  ProgressReporter& reporter_;
  const std::string dir_;
  std::string finished_;  // the bundle of a search that is over and was not taken yet
};

}  // namespace ps
