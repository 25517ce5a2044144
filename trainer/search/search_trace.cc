#include "trainer/search/search_trace.h"

#include <cmath>
#include <optional>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "trainer/progress/json_log.h"
#include "trainer/progress/progress_line.h"
#include "trainer/search/search_schedule.h"

namespace ps {

SearchSpace::Point PointOf(const search::Trial& trial) { return {trial.point().begin(), trial.point().end()}; }

int JudgedRung(const search::Trial& trial) {
  const int rung = static_cast<int>(trial.rung());
  return trial.ended() && trial.failure().empty() ? rung : rung - 1;
}

int BestTrial(const search::Search& search) {
  int best = -1;
  for (int i = 0; i < search.trials_size(); ++i) {
    const search::Trial& trial = search.trials(i);
    if (JudgedRung(trial) != static_cast<int>(search.top_rung())) continue;
    if (best < 0 || trial.loss() < search.trials(best).loss()) best = i;
  }
  return best;
}

std::string DescribeGap(const search::Search& search, int number) {
  const search::Trial& trial = search.trials(number);
  const int best = BestTrial(search);
  if (best < 0 || static_cast<int>(trial.behind()) != best + 1 || !trial.has_error()) return "";
  return absl::StrFormat("%.5f ± %.5f", trial.loss() - search.trials(best).loss(), trial.error());
}

std::string DescribeEqualTrials(const search::Search& search) {
  constexpr double kErrors = 2;
  const int best = BestTrial(search);
  int next = -1, equal = 0;
  for (int i = 0; i < search.trials_size(); ++i) {
    const search::Trial& trial = search.trials(i);
    if (i == best || DescribeGap(search, i).empty()) continue;
    if (trial.loss() - search.trials(best).loss() > kErrors * trial.error()) continue;
    ++equal;
    if (next < 0 || trial.loss() < search.trials(next).loss()) next = i;
  }
  if (equal == 0) return "";
  return absl::StrCat("trial ", next + 1, " is behind by ", DescribeGap(search, next), " only",
                      equal > 1 ? absl::StrCat(", and ", equal - 1, " more by less than two standard errors") : "",
                      ": which of them is the best is partly chance");
}

std::string DescribeTrial(const SearchSpace& space, const std::string& metric, const search::Search& search, int number) {
  const search::Trial& trial = search.trials(number);
  std::string text = absl::StrCat("trial ", number + 1, ", ", space.Describe(PointOf(trial)), ": ");
  if (!trial.failure().empty()) return absl::StrCat(text, "failed: ", trial.failure());
  const int rung = JudgedRung(trial), top = static_cast<int>(search.top_rung());
  const std::string part = rung < top ? absl::StrCat(" on ", SearchSchedule::PartName(rung, top)) : "";
  absl::StrAppendFormat(&text, "%s %.5f%s, %s", metric, std::fabs(trial.loss()), part, FormatDuration(trial.seconds()));
  return text;
}

std::vector<std::string> NewWarnings(const search::Search& search, int number) {
  std::set<std::string> said;
  for (int i = 0; i < number; ++i) said.insert(search.trials(i).warnings().begin(), search.trials(i).warnings().end());
  std::vector<std::string> news;
  for (const std::string& warning : search.trials(number).warnings()) {
    if (said.insert(warning).second) news.push_back(warning);
  }
  return news;
}

std::string SearchJson(const SearchSpace& space, const std::string& metric, const search::Search& search) {
  const int best = BestTrial(search);
  std::vector<JsonObject> trials;
  for (int i = 0; i < search.trials_size(); ++i) {
    const search::Trial& trial = search.trials(i);
    const int rung = JudgedRung(trial), top = static_cast<int>(search.top_rung());
    if (!trial.ended() && rung < 0) continue;
    JsonObject setting, json;
    const SearchSpace::Point point = PointOf(trial);
    for (int key = 0; key < space.keys(); ++key) {
      if (space.Applies(key, point)) setting.Add(space.vary()[key].key.c_str(), space.vary()[key].values[point[key]]);
    }
    json.Add("trial", i + 1).Add("values", setting);
    const bool failed = !trial.failure().empty();
    json.Add("end", failed ? "failed" : i == best ? "chosen" : rung < top ? "dropped" : "done");
    if (failed) json.Add("failure", trial.failure());
    if (top > 0 && rung >= 0) json.Add("part", SearchSchedule::PartOf(rung, top));
    const auto number = [](bool has, double value) { return has ? std::optional(value) : std::nullopt; };
    json.Add("log_loss", number(trial.has_log_loss(), trial.log_loss()))
        .Add("auc", number(trial.has_auc(), trial.auc()))
        .Add("rmse", number(trial.has_rmse(), trial.rmse()))
        .Add("behind", number(rung == top && best >= 0, rung == top ? trial.loss() - search.trials(best).loss() : 0))
        .Add("error", number(i != best && !DescribeGap(search, i).empty(), trial.error()))
        .Add("rows_valid", trial.rows_valid())
        .Add("seconds", trial.seconds());
    trials.push_back(json);
  }
  return absl::StrCat("{\n  \"format\": \"hyperplane-search\",\n  \"version\": 1,\n  \"metric\": \"", metric,
                      "\",\n  \"chosen\": ", best + 1, ",\n  \"trials\": ", JsonLines(trials), "\n}\n");
}

}  // namespace ps
