#include "trainer/search/search_trace.h"

#include <cmath>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "trainer/progress/json_log.h"
#include "trainer/progress/progress_line.h"

namespace ps {

SearchSpace::Point PointOf(const search::Trial& trial) { return {trial.point().begin(), trial.point().end()}; }

int BestTrial(const search::Search& search) {
  int best = -1;
  for (int i = 0; i < search.trials_size(); ++i) {
    const search::Trial& trial = search.trials(i);
    if (!trial.ended() || !trial.failure().empty()) continue;
    if (best < 0 || trial.loss() < search.trials(best).loss()) best = i;
  }
  return best;
}

std::string DescribeTrial(const SearchSpace& space, const std::string& metric, const search::Search& search, int number) {
  const search::Trial& trial = search.trials(number);
  std::string text = absl::StrCat("trial ", number + 1, ", ", space.Describe(PointOf(trial)), ": ");
  if (!trial.failure().empty()) return absl::StrCat(text, "failed: ", trial.failure());
  absl::StrAppendFormat(&text, "%s %.5f, %s", metric, std::fabs(trial.loss()), FormatDuration(trial.seconds()));
  return text;
}

std::string SearchJson(const SearchSpace& space, const std::string& metric, const search::Search& search) {
  const int best = BestTrial(search);
  std::vector<JsonObject> trials;
  for (int i = 0; i < search.trials_size(); ++i) {
    const search::Trial& trial = search.trials(i);
    if (!trial.ended()) continue;
    JsonObject setting, json;
    const SearchSpace::Point point = PointOf(trial);
    for (int key = 0; key < space.keys(); ++key) {
      if (space.Applies(key, point)) setting.Add(space.vary()[key].key.c_str(), space.vary()[key].values[point[key]]);
    }
    json.Add("trial", i + 1).Add("values", setting);
    const bool failed = !trial.failure().empty();
    json.Add("end", failed ? "failed" : i == best ? "chosen" : "done");
    if (failed) json.Add("failure", trial.failure());
    const auto number = [](bool has, double value) { return has ? std::optional(value) : std::nullopt; };
    json.Add("log_loss", number(trial.has_log_loss(), trial.log_loss()))
        .Add("auc", number(trial.has_auc(), trial.auc()))
        .Add("rmse", number(trial.has_rmse(), trial.rmse()))
        .Add("rows_valid", trial.rows_valid())
        .Add("seconds", trial.seconds());
    trials.push_back(json);
  }
  return absl::StrCat("{\n  \"format\": \"hyperplane-search\",\n  \"version\": 1,\n  \"metric\": \"", metric,
                      "\",\n  \"chosen\": ", best + 1, ",\n  \"trials\": ", JsonLines(trials), "\n}\n");
}

}  // namespace ps
