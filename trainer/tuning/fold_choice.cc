#include "trainer/tuning/fold_choice.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace ps {
namespace {

constexpr std::uint64_t kEnoughRows = 20'000;
constexpr int kMostFolds = 5;

}  // namespace

std::vector<TuningTrace::Candidate> RankOverFolds(absl::Span<const TuningTrace> folds) {
  std::map<std::pair<int, int>, std::vector<double>> losses;  // by lane and pass
  for (const TuningTrace& fold : folds) {
    for (const TuningTrace::Decision& decision : fold.decisions) {
      if (!decision.on_validation) continue;
      std::set<int> counted;  // the leader is there several times where lanes diverged
      for (const TuningTrace::Standing& one : decision.standings) {
        if (counted.insert(one.lane).second) losses[{one.lane, decision.pass}].push_back(one.loss);
      }
    }
  }
  std::vector<TuningTrace::Candidate> candidates;
  for (const auto& [what, of_folds] : losses) {
    if (of_folds.size() < folds.size()) continue;
    double sum = 0;
    for (const double loss : of_folds) sum += loss;
    candidates.push_back({what.first, what.second, sum / static_cast<double>(folds.size())});
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const auto& a, const auto& b) { return a.loss < b.loss; });
  return candidates;
}

int FoldsToJudgeBy(std::uint64_t rows, int most) {
  const std::uint64_t wanted = rows == 0 ? 1 : (kEnoughRows + rows - 1) / rows;
  return static_cast<int>(std::clamp<std::uint64_t>(wanted, 1, static_cast<std::uint64_t>(std::clamp(most, 1, kMostFolds))));
}

}  // namespace ps
