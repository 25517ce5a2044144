#include "trainer/search/trial_gaps.h"

#include <optional>

#include "trainer/row_losses.h"
#include "trainer/search/search_trace.h"

namespace ps {

bool HasRowLosses(const std::string& metric) { return metric != "auc"; }

void CompareWithBest(const SearchStore& store, const std::string& metric, search::Search* state) {
  const int best = BestTrial(*state);
  if (best < 0 || !HasRowLosses(metric)) return;
  // Losses are squared errors where the root of their mean is what counts: to the first order a row moves it by its own
  // over twice the root.
  const auto losses_of = [&](int number) {
    const double rmse = state->trials(number).rmse();
    return ScaledLosses{store.LossesPath(number), metric == "rmse" ? 1 / (2 * rmse) : 1};
  };
  for (int i = 0; i < state->trials_size(); ++i) {
    search::Trial& trial = *state->mutable_trials(i);
    const bool judged = JudgedRung(trial) == static_cast<int>(state->top_rung());
    if (i == best || !judged || static_cast<int>(trial.behind()) == best + 1) continue;
    trial.set_behind(static_cast<std::uint32_t>(best + 1));
    trial.clear_error();
    if (const auto gap = CompareRowLosses(losses_of(i), losses_of(best))) trial.set_error(gap->error);
  }
}

}  // namespace ps
