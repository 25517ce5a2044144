#include "trainer/search/search_schedule.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "trainer/search/search_trace.h"
#include "trainer/search/trial_order.h"

namespace ps {
namespace {

constexpr int kReduction = 3;  // one of so many goes on, to so many times the rows

int Power(int exponent) { return exponent == 0 ? 1 : kReduction * Power(exponent - 1); }

bool Failed(const search::Trial& trial) { return trial.ended() && !trial.failure().empty(); }

// On a rung, of trials that have ended there.
struct Standing {
  double loss;
  int number;
  bool operator<(const Standing& other) const {
    return loss != other.loss ? loss < other.loss : number < other.number;
  }
};

std::vector<Standing> StandingsOn(std::uint32_t rung, const search::Search& state) {
  std::vector<Standing> standings;
  for (int i = 0; i < state.trials_size(); ++i) {
    const search::Trial& trial = state.trials(i);
    if (trial.rung() > rung) {
      standings.push_back({trial.rung_losses(static_cast<int>(rung)), i});
    } else if (trial.rung() == rung && trial.ended()) {
      standings.push_back({Failed(trial) ? INFINITY : trial.loss(), i});
    }
  }
  std::sort(standings.begin(), standings.end());
  return standings;
}

void StepUp(std::uint32_t rung, search::Trial* trial) {
  trial->add_rung_losses(trial->loss());
  while (trial->rung_losses_size() < static_cast<int>(rung)) trial->add_rung_losses(INFINITY);
  trial->set_rung(rung);
  trial->set_ended(false);
  trial->set_starts(0);
}

// Those that were tried, with what orders them: trials on more rows are better than others.
std::vector<TriedPoint> Tried(const search::Search& state) {
  std::vector<TriedPoint> tried;
  std::vector<std::pair<int, Standing>> judged;
  for (int i = 0; i < state.trials_size(); ++i) {
    const search::Trial& trial = state.trials(i);
    tried.push_back({PointOf(trial), INFINITY});
    if (const int rung = JudgedRung(trial); rung >= 0 && !Failed(trial)) judged.push_back({-rung, {trial.loss(), i}});
  }
  std::sort(judged.begin(), judged.end());
  for (std::size_t rank = 0; rank < judged.size(); ++rank) tried[judged[rank].second.number].loss = static_cast<double>(rank);
  return tried;
}

}  // namespace

double SearchSchedule::PartOf(int rung, int top_rung) { return 1.0 / Power(top_rung - rung); }

std::string SearchSchedule::PartName(int rung, int top_rung) {
  return rung == top_rung ? "all rows" : absl::StrCat("1/", Power(top_rung - rung), " of the training rows");
}

std::optional<int> SearchSchedule::NextUp(const search::Search& state, bool rounds_up) const {
  for (std::uint32_t rung = state.top_rung(); rung-- > 0;) {
    const std::vector<Standing> standings = StandingsOn(rung, state);
    const std::size_t go_on = (standings.size() + (rounds_up ? kReduction - 1 : 0)) / kReduction;
    for (std::size_t place = 0; place < standings.size(); ++place) {
      const auto& [loss, number] = standings[place];
      const bool waits = state.trials(number).rung() == rung && std::isfinite(loss);
      if (waits && (place < go_on || number == 0)) return number;
    }
  }
  return std::nullopt;
}

// The best of those on the most rows.
std::optional<int> SearchSchedule::Furthest(const search::Search& state) const {
  for (std::uint32_t rung = state.top_rung(); rung-- > 0;) {
    for (const auto& [loss, number] : StandingsOn(rung, state)) {
      if (state.trials(number).rung() == rung && std::isfinite(loss)) return number;
    }
  }
  return std::nullopt;
}

bool SearchSchedule::AddTrial(search::Search* state) const {
  if (static_cast<std::uint64_t>(state->trials_size()) >= most_) return false;
  const std::optional<SearchSpace::Point> point = NextPoint(space_, seed_, Tried(*state));
  if (!point.has_value()) return false;
  search::Trial& trial = *state->add_trials();
  for (const int value : *point) trial.add_point(static_cast<std::uint32_t>(value));
  return true;
}

std::optional<int> SearchSchedule::NextStep(bool late, search::Search* state) const {
  const auto step_up = [state](int number, std::uint32_t rung) {
    StepUp(rung, state->mutable_trials(number));
    return number;
  };
  const auto next_up = [&](bool rounds_up) {
    const std::optional<int> up = NextUp(*state, rounds_up);
    return up ? std::optional(step_up(*up, state->trials(*up).rung() + 1)) : std::nullopt;
  };
  if (!late) {
    if (const auto up = next_up(false)) return up;
    if (AddTrial(state)) return state->trials_size() - 1;
  }
  const auto at_work = [](const search::Trial& trial) { return !trial.ended(); };
  if (std::any_of(state->trials().begin(), state->trials().end(), at_work)) return std::nullopt;
  if (!late) {
    if (const auto up = next_up(true)) return up;
  }
  // A model is wanted that has learnt all rows: the best so far goes there at once.
  if (BestTrial(*state) >= 0) return std::nullopt;
  if (const std::optional<int> furthest = Furthest(*state)) return step_up(*furthest, state->top_rung());
  if (late && AddTrial(state)) return state->trials_size() - 1;  // all have failed so far
  return std::nullopt;
}

std::vector<int> SearchSchedule::NextWave(bool late, search::Search* state) const {
  std::vector<int> wave;
  for (int i = 0; i < state->trials_size(); ++i) {
    if (!state->trials(i).ended()) wave.push_back(i);
  }
  if (late && BestTrial(*state) >= 0) return {};
  const bool halving = state->top_rung() > 0;
  // What is chosen depends on how many there are at once, not on kills. With halving a wave that was cut off stays what it
  // was, for who goes on follows from what has ended; else it is filled up, where there may be more trials by now.
  if (halving && !wave.empty()) return wave;
  const int parallel = space_.search().parallel;
  const auto filled = [&] {
    return static_cast<int>(wave.size()) >= (halving ? parallel : 1) && (halving || state->trials_size() % parallel == 0);
  };
  while (!filled()) {
    const std::optional<int> step = NextStep(late && halving, state);
    if (!step.has_value()) break;
    wave.push_back(*step);
  }
  return wave;
}

}  // namespace ps
