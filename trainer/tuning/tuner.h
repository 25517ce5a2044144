// Finds the optimiser's settings while a model learns: which lanes live, which go, what takes their
// place.
//
// In the first pass lanes are judged by what they predicted before they learnt it, at row counts
// that grow by 1.4. A lane that is behind the leader by more than 3 standard errors of the paired
// difference goes, and so does one that is surely too little different to matter. What
// is free becomes challengers near those that lead, while enough rows are to come for them to show
// something; the number of lanes allowed falls with the part of the data read. In later passes
// lanes are judged on the validation rows at the end of each.
//
// Everything follows from losses in the order of the data: the same data gives the same decisions,
// whatever ran where. docs/tuning.md says what it means to a user. One thread at a time.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "kernels/lane_learner.h"
#include "trainer/tuning/lane_record.h"
#include "trainer/tuning/lane_search.h"
#include "trainer/tuning/tuning_trace.h"

namespace ps {

class Tuner {
 public:
  // Passes without improvement until a lane is spent, where the job does not say.
  static constexpr int kUsualPatience = 2;

  // `later_passes`: lanes go on into them, judged on validation rows. `most_lanes`: that live at once.
  // `warm_start`: lanes begin with the weights of a model, and challengers keep those of their parent.
  explicit Tuner(bool later_passes, int most_lanes = kMostLanes, bool warm_start = false);

  // Settings of the lanes that live now, by lane.
  std::vector<OptimizerParams> Settings() const;
  int lanes() const { return static_cast<int>(lanes_.size()); }
  // The lane whose predictions stand for the model: the leader of the last decision.
  int leader() const { return leader_; }
  std::uint64_t rows() const { return rows_; }  // observed

  // Rows from here to the next place where a decision may fall. Those places are row numbers, and no
  // Observe goes beyond one: then nothing depends on the blocks in which rows come, which the length
  // of their text decides.
  std::size_t RowsToLook() const;
  // What rows (rows x lanes margins) were predicted before they were learnt. In later passes only
  // divergence is watched.
  void Observe(absl::Span<const float> margins, absl::Span<const float> labels,
               absl::Span<const float> weights);
  // True when every lane's predictions went beyond all bounds.
  bool AllDiverged() const;

  // How to go on: settings and origins for DenseModel::ChangeLanes, and what to tell a person.
  struct Change {
    std::vector<OptimizerParams> settings;
    std::vector<LaneOrigin> origins;
  };
  // After each Observe in the first pass, when IsDue, or when memory asks for it while `deciding`.
  // `all_rows`: rows of the pass, about; `features`: learnt so far. Nothing: all goes on as it is.
  bool deciding() const { return pass_ == 1; }
  bool IsDue() const {
    return deciding() && weights_.empty() && (rows_ >= next_look_ || new_divergence_);
  }
  std::optional<Change> Decide(double all_rows, std::uint64_t features);
  // At the end of a pass that others follow: losses of the validation rows. A lane goes when it has
  // not improved for `patience` passes; far behind may be a lane that is only slow. One lane alone
  // stays, and its loss is noted.
  std::optional<Change> DecideOnValidation(const LaneRecord& valid, int pass, int patience);
  // Whether some lane has improved in the last `patience` passes: then it is early to stop.
  bool improving() const { return improving_; }
  // One lane is left: the leader, by validation rows where there were decisions on them.
  std::optional<Change> Finish();
  // Settings that were solved over all rows beside the race (newton_cg), with their mean losses on the
  // validation rows; they get numbers like lanes, and the first one's is returned. After Finish, or
  // before a lane is chosen without it.
  int NoteSolved(absl::Span<const OptimizerParams> settings, absl::Span<const double> losses);
  // The lane, or solved setting, of that number is the model.
  void Choose(int number);

  int leader_number() const { return lanes_[leader_].number; }
  const OptimizerParams& SettingOf(int number) const { return trace_.lanes[number].setting; }

  // One line about the last decision, empty when there was none since the last call.
  std::string TakeNews();
  const TuningTrace& trace() const { return trace_; }

 private:
  struct Lane {
    int number = 0;  // of its own, over the whole race
    OptimizerParams setting;
    bool diverged = false;
    double best_valid = INFINITY;  // loss, and the pass that had it
    int best_pass = 0;
  };
  struct Standing;

  void RecordRows();  // those observed since the last time
  int NewLane(const OptimizerParams& setting, int parent);
  void End(int number, const std::string& why);
  std::vector<Standing> Standings(
      const LaneRecord& record) const;  // the leader first, without the diverged
  void NoteDecision(const std::vector<Standing>& standings);
  void Announce(const std::vector<Standing>& standings);
  std::uint64_t BornRows(int lane) const { return trace_.lanes[lanes_[lane].number].born_rows; }
  struct Rules {
    int allowed = 1;          // lanes that may live
    bool challenge = false;   // free places are taken by challengers
    bool drop_behind = true;  // those behind, or equal, go
    int spent_since = 0;      // those that have not improved on validation since that pass go
  };
  struct Verdict {
    std::vector<int> stay, gone;   // lanes, the best first
    std::vector<std::string> why;  // by lane, of those that go
  };
  struct Field {
    std::vector<Lane> lanes;
    std::vector<LaneOrigin> origins;
  };
  std::optional<Change> Go(const LaneRecord& record, const Rules& rules);
  Verdict Judge(const std::vector<Standing>& standings, const Rules& rules) const;
  Field NextField(const Verdict& verdict, const Rules& rules);  // births challengers
  Change Apply(Field next);

  friend struct TunerAccess;  // tuner_state.h

  const bool later_passes_, warm_start_;
  std::vector<Lane> lanes_;
  LaneRecord record_;
  LaneSearch search_;
  TuningTrace trace_;
  int leader_ = 0;
  int next_number_ = 0;
  int pass_ = 1;
  std::uint64_t rows_ = 0;  // learnt, over all passes
  std::uint64_t next_look_;
  bool new_divergence_ = false;
  bool improving_ = false;
  std::string news_;
  std::vector<float> losses_, weights_;  // of the rows that are not recorded yet
};

}  // namespace ps
