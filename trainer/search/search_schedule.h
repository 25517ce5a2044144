// What a search does next: which trial begins, and with halving which one goes on to more rows.
//
// Successive halving without waiting (Li et al., MLSys 2020). A trial begins on a ninth of the training
// rows, its first rung, and goes on to a third and to all of them when it is among the best third of
// those that have ended on its rung. Whoever may go on does, from the uppermost rung down, before another
// trial begins; when none can begin any more a third is rounded up, so that the best on each rung has
// learnt all rows in the end. The first trial, the job as it stands in the file, always goes on: what the
// search ends with is not worse on the validation rows. Without halving there is one rung, of all rows.
//
// Trials that are run at once are a wave: `parallel` steps, chosen with what is known before the wave.
//
// A function of space, seed and the state: a search that goes on after a kill goes on as it would have.
// Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/config/search_space.h"
#include "trainer/search/search_state.pb.h"

namespace ps {

class SearchSchedule {
 public:
  static int TopRung(const SearchConfig& search) { return search.halving ? 2 : 0; }
  // Of the training rows, on a rung that is not the top one: "1/9 of the training rows"; else "all rows".
  static std::string PartName(int rung, int top_rung);
  static double PartOf(int rung, int top_rung);

  // `most`: trials. The space outlives this.
  SearchSchedule(const SearchSpace* space, std::uint64_t seed, std::uint64_t most)
      : space_(*space), seed_(seed), most_(most) {}

  // Trials of the next wave, not ended: those that were begun and not ended, and others that it fills up with; none: the
  // search is over. `late`: there is no time for anything but a model that has learnt all rows, if there is none.
  std::vector<int> NextWave(bool late, search::Search* state) const;

 private:
  std::optional<int> NextStep(bool late, search::Search* state) const;
  std::optional<int> NextUp(const search::Search& state, bool rounds_up) const;
  std::optional<int> Furthest(const search::Search& state) const;
  bool AddTrial(search::Search* state) const;  // false: there is no job that was not tried

  const SearchSpace& space_;
  const std::uint64_t seed_, most_;
};

}  // namespace ps
