// The race of lanes of a cluster's job, as its coordinator runs it: what lanes predicted comes batch by
// batch, as batches land, and goes to the Tuner; at some chunks of the first pass, once all chunks before
// are done, the Tuner decides. Lanes that are left at the end of that pass give way to one, or go on into
// later passes: then they are judged on validation rows after each, and change before the first chunk of the
// next.
//
// With staleness 0 batches reach the Tuner in the order of the data, and a batch that a rollback had
// learnt again does so as if it had not: every decision is a function of the data. A rollback goes back
// behind changes of lanes too; they are made again where they had been made. Without such steps, batches
// come as they land, each once, and a change that was made stays.
//
// One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "ps/wire/message.pb.h"
#include "scheduler/job_events.h"
#include "trainer/tuning/tuner.h"

namespace ps {

class LaneRace {
 public:
  struct Options {
    int lanes = kMostLanes;          // at most, at once: 1, 2, 4, 8 or 16
    bool in_order = true;            // staleness 0
    std::uint32_t chunks = 0;        // of a pass
    std::uint32_t round_chunks = 1;  // lanes are looked at before a multiple of it
    double chunk_rows = 1;           // about
    bool warm_start = false;
    bool later_passes = false;  // lanes go on into them
  };
  static Options OptionsOf(const wire::Plan& plan, std::uint32_t chunks);
  explicit LaneRace(const Options& options);

  // As JobEvents has it.
  void OnLanes(const LearntLanes& rows);
  std::uint32_t NextLook(std::uint32_t pass, std::uint32_t chunk) const;
  std::size_t OnLook(std::uint32_t pass, std::uint32_t chunk, std::uint64_t entries);
  const std::vector<LaneChange>& LaneChanges() const { return changes_; }
  int lanes() const { return tuner_.lanes(); }
  std::uint32_t LeadingLane() const { return static_cast<std::uint32_t>(tuner_.leader()); }

  bool AllDiverged() const { return tuner_.AllDiverged(); }
  std::string TakeNews() { return tuner_.TakeNews(); }

  // Whether lanes are to be judged on validation rows at the end of this pass: not where they were before, or one was chosen.
  bool Judges(std::uint32_t pass) const {
    return options_.later_passes && !over_ && (!looked_.has_value() || *looked_ < Place{pass + 1, 0});
  }
  // Their losses on these rows, of as many lanes as there are. Returns which of them leads.
  int JudgePass(std::uint32_t pass, const LaneRecord& valid, int patience);
  // Whether some lane has improved of late: then it is early to stop.
  bool improving() const { return tuner_.improving(); }
  // The lane that leads, by its number over the whole race.
  int leader_number() const { return tuner_.leader_number(); }

  bool HadLane(int number) const { return number < static_cast<int>(tuner_.trace().lanes.size()); }

  // The lane of that number is the model, and the race is over.
  const OptimizerParams& Choose(int number);
  const TuningTrace& trace() const { return tuner_.trace(); }

  std::string Save() const;
  // DataLoss for bytes that are not of such a race.
  absl::Status Load(const std::string& bytes);

 private:
  struct Rows {
    std::vector<float> margins, labels, weights;
    bool last = false;  // of its chunk
  };
  using Place = std::pair<std::uint32_t, std::uint32_t>;  // pass and chunk
  using BatchPlace = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>;  // and batch

  void Observe(const Rows& rows);
  std::size_t Holding(const Place& look) const;

  const Options options_;
  Tuner tuner_;
  bool over_ = false;  // one lane is left for good
  std::vector<LaneChange> changes_;
  std::vector<Place> changed_at_;
  std::optional<Place> looked_;      // the last look
  BatchPlace next_{0, 0, 0};         // in order: the batch that comes next
  std::map<BatchPlace, Rows> early_;  // those that came before their turn
};

}  // namespace ps
