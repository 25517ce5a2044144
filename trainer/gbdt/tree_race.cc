#include "trainer/gbdt/tree_race.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "trainer/progress/json_log.h"

namespace ps {
namespace {

constexpr int kHalving = 3;            // a longer round has a third of the settings, each three times as long
constexpr std::size_t kMostLengths = 3;
constexpr int kShortestTraining = 20;  // trees: fewer say little
constexpr int kParents = 3;            // of challengers
constexpr std::uint64_t kBornForOne = 16;  // challengers that could be, for each that enters
constexpr std::uint64_t kMostTries = 16 * kBornForOne;  // for settings that are new
constexpr std::size_t kGoodOneIn = 4;  // settings of a round

// Parts of the budget.
constexpr double kFreshShare = 0.35, kLongerShare = 0.2, kChallengerShare = 0.15;

std::vector<int> LengthsOf(int trees) {
  std::vector<int> lengths{trees};
  while (lengths.size() < kMostLengths && lengths.front() / kHalving >= kShortestTraining) {
    lengths.insert(lengths.begin(), (lengths.front() + kHalving - 1) / kHalving);
  }
  return lengths;
}

void AddSetting(const GbdtConfig& s, JsonObject* json) {
  json->Add("learning_rate", s.learning_rate).Add("max_leaves", s.max_leaves);
  if (s.max_depth > 0) json->Add("max_depth", s.max_depth);
  json->Add("min_hessian", s.min_hessian)
      .Add("l1", s.l1)
      .Add("l2", s.l2)
      .Add("row_sample", s.row_sample)
      .Add("column_sample", s.column_sample);
}

// Density of a coordinate near `u`, as that of `places` is; flat where there are few.
double Density(const std::vector<SettingSpace::Place>& places, std::size_t coordinate, double u) {
  constexpr double kWidth = 0.15;
  double sum = 1;
  for (const SettingSpace::Place& place : places) {
    const double distance = (place[coordinate] - u) / kWidth;
    sum += std::exp(-0.5 * distance * distance) / (kWidth * 2.5066);
  }
  return sum / static_cast<double>(places.size() + 1);
}

}  // namespace

TreeRace::TreeRace(Options options)
    : options_(std::move(options)),
      space_(options_.job, options_.seed),
      lengths_(LengthsOf(options_.job.trees)) {}

bool TreeRace::IsNew(const GbdtConfig& setting) const {
  return std::none_of(candidates_.begin(), candidates_.end(),
                      [&](const Candidate& known) { return known.setting == setting; });
}

bool TreeRace::IsUntrained(const GbdtConfig& training) const {
  const auto same = [&](const auto& other) { return other.setting == training; };
  return std::none_of(round_.begin(), round_.end(), same) &&
         std::none_of(rounds_.begin(), rounds_.end(), [&](const Round& round) {
           return std::any_of(round.standings.begin(), round.standings.end(), same);
         });
}

bool TreeRace::Enter(int number) {
  const GbdtConfig& setting = candidates_[static_cast<std::size_t>(number)].setting;
  // Settings that differ may be alike when they are shortened.
  const GbdtConfig training = SettingSpace::Shortened(setting, round_trees_);
  if (!IsUntrained(training)) return false;
  round_.push_back({number, training});
  return true;
}

bool TreeRace::EnterNew(const SettingSpace::Place& place, int parent) {
  const GbdtConfig setting = space_.At(place);
  if (!IsNew(setting)) return false;
  candidates_.push_back({place, parent, setting});
  if (Enter(static_cast<int>(candidates_.size()) - 1)) return true;
  candidates_.pop_back();
  return false;
}

void TreeRace::EnterFresh(int count) {
  const std::uint64_t most = static_cast<std::uint64_t>(count) * kBornForOne;
  for (std::uint64_t draw = 0; count > 0 && draw < most; ++draw)
    count -= EnterNew(draw == 0 ? space_.Default() : space_.Draw(draw), -1);
}

void TreeRace::EnterChallengers(int count) {
  const std::vector<int> parents = Leaders(kParents);
  for (int i = 0; i < count; ++i) {
    const std::size_t at = static_cast<std::size_t>(i) % parents.size();
    const int parent = parents[at], other = parents[(at + 1) % parents.size()];
    const auto place = [&](int of) { return candidates_[static_cast<std::size_t>(of)].place; };
    if (const auto born = MostPromising(place(parent), place(other), candidates_.size())) EnterNew(*born, parent);
  }
}

double TreeRace::Promise(const SettingSpace::Place& place) const {
  double promise = 0;
  for (std::size_t i = 0; i < place.size(); ++i) {
    promise += std::log(Density(good_, i, place[i]) / Density(bad_, i, place[i]));
  }
  return promise;
}

std::optional<SettingSpace::Place> TreeRace::MostPromising(const SettingSpace::Place& parent,
                                                           const SettingSpace::Place& other, std::size_t number) const {
  std::optional<SettingSpace::Place> best;
  double most = -std::numeric_limits<double>::infinity();
  std::uint64_t born = 0;
  for (std::uint64_t i = 0; born < kBornForOne && i < kMostTries; ++i) {
    const SettingSpace::Place place = space_.Challenger(parent, other, number * kBornForOne + i);
    // A step need not show: every depth from some place on is none, and every sample all rows.
    const GbdtConfig setting = space_.At(place);
    if (!IsNew(setting) || !IsUntrained(SettingSpace::Shortened(setting, round_trees_))) continue;
    ++born;
    const double promise = Promise(place);
    if (promise <= most) continue;
    most = promise;
    best = place;
  }
  return best;
}

// Numbers of settings by what they did in the longest trainings that there were.
std::vector<int> TreeRace::Leaders(int count) const {
  std::vector<std::pair<double, int>> order;
  int longest = 0;
  for (const Round& round : rounds_) longest = std::max(longest, round.trees);
  for (const Round& round : rounds_) {
    if (round.trees != longest) continue;
    for (const Standing& s : round.standings) order.emplace_back(s.loss, s.number);
  }
  std::sort(order.begin(), order.end());
  std::vector<int> leaders;
  for (std::size_t i = 0; i < order.size() && i < static_cast<std::size_t>(count); ++i) {
    leaders.push_back(order[i].second);
  }
  return leaders;
}

void TreeRace::EnterBest(int count) {
  for (const int number : Leaders(static_cast<int>(candidates_.size()))) {
    if (count <= 0) return;
    count -= Enter(number);
  }
}

int TreeRace::RoundSize(double share, double left) const {
  return static_cast<int>(std::min(left, share * budget_) / round_trees_);
}

// Enters nobody where the job has no such stage, or too little is left for it.
void TreeRace::EnterStage(Stage stage, double left) {
  const std::size_t lengths = lengths_.size();
  round_trees_ = lengths_.back();
  switch (stage) {
    case kFresh:
      budget_ = left;
      round_trees_ = lengths_.front();
      EnterFresh(std::max(1, RoundSize(kFreshShare, left)));
      return;
    case kLonger: {
      if (lengths < kMostLengths) return;
      round_trees_ = lengths_[1];
      const int size = std::max(1, RoundSize(kLongerShare, left)), challengers = size / 3;
      EnterBest(size - challengers);
      EnterChallengers(challengers);
      return;
    }
    case kChallengers:
      if (lengths > 1) round_trees_ = lengths_[lengths - 2];
      EnterChallengers(RoundSize(kChallengerShare, left));
      return;
    case kFull: {
      if (lengths == 1) return;
      const int size = RoundSize(1, left);
      EnterBest(size);
      const auto usual = [](const Entrant& entrant) { return entrant.number == 0; };
      // So that what tuning ends with is not worse, on the held-out rows, than the job without it.
      if (size > 1 && std::none_of(round_.begin(), round_.end(), usual)) {
        round_.pop_back();
        Enter(0);
      }
      return;
    }
    case kFullChallengers:
      EnterChallengers(RoundSize(1, left));
      return;
  }
}

std::vector<TreeRace::Entrant> TreeRace::NextRound(double left) {
  round_.clear();
  while (round_.empty()) {
    const bool last = stage_ == kFullChallengers;
    EnterStage(static_cast<Stage>(stage_), left);
    if (last) break;
    ++stage_;
  }
  return round_;
}

double TreeRace::ErrorOf(const TreeRun& run, const TreeRun& leader) const {
  const std::size_t rows = std::min(run.row_losses.size(), leader.row_losses.size());
  double weights = 0, sum = 0, squares = 0;
  for (std::size_t i = 0; i < rows; ++i) {
    const double weight = options_.row_weights.empty() ? 1 : options_.row_weights[i];
    const double difference = weight * (double{run.row_losses[i]} - leader.row_losses[i]);
    weights += weight;
    sum += difference;
    squares += difference * difference;
  }
  if (rows < 2 || weights <= 0) return 0;
  const auto n = static_cast<double>(rows);
  return std::sqrt(std::max(0.0, squares - sum * sum / n) * n / (n - 1)) / weights;
}

std::string TreeRace::NewsOf(const Round& round) const {
  const Standing& first = round.standings.front();
  std::string text = absl::StrFormat("tune, round %d: %d settings in %d trees, setting %d ", rounds_.size(),
                                     round.standings.size(), round.trees, first.number);
  absl::StrAppend(&text, SettingText(first.setting));
  if (round.standings.size() > 1) {
    const Standing& second = round.standings[1];
    absl::StrAppendFormat(&text, " leads setting %d by %.5f ± %.5f", second.number, second.behind,
                          second.error);
  }
  absl::StrAppendFormat(&text, "; loss %.5f after %d trees", first.loss, first.best_trees);
  if (round_.size() > round.standings.size()) {
    absl::StrAppendFormat(&text, "; %d not begun", round_.size() - round.standings.size());
  }
  return text;
}

bool TreeRace::Judge(std::vector<TreeRun> runs) {
  Round round{round_trees_, {}};
  best_of_round_ = -1;
  int leader = -1;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    TreeRun& run = runs[i];
    if (run.grown == 0) continue;
    if (!std::isfinite(run.loss)) run.loss = std::numeric_limits<double>::infinity();
    grown_ += static_cast<std::uint64_t>(run.grown);
    if (leader < 0 || run.loss < runs[static_cast<std::size_t>(leader)].loss) leader = static_cast<int>(i);
  }
  if (leader < 0) return false;
  const TreeRun& leading = runs[static_cast<std::size_t>(leader)];
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const TreeRun& run = runs[i];
    if (run.grown == 0) continue;
    round.standings.push_back({round_[i].number, round_[i].setting, run.grown, run.best_trees, run.loss,
                               run.loss - leading.loss, ErrorOf(run, leading)});
  }
  std::stable_sort(round.standings.begin(), round.standings.end(),
                   [](const Standing& a, const Standing& b) { return a.loss < b.loss; });
  if (leading.loss < best_loss_) {
    const Entrant& winner = round_[static_cast<std::size_t>(leader)];
    best_of_round_ = leader;
    best_number_ = winner.number;
    best_ = winner.setting;
    best_.trees = leading.best_trees;
    best_loss_ = leading.loss;
  }
  for (std::size_t i = 0; i < round.standings.size(); ++i) {
    const auto number = static_cast<std::size_t>(round.standings[i].number);
    (i * kGoodOneIn < round.standings.size() ? good_ : bad_).push_back(candidates_[number].place);
  }
  rounds_.push_back(std::move(round));
  news_ = NewsOf(rounds_.back());
  return true;
}

std::string TreeRace::TraceJson() const {
  std::vector<JsonObject> setting_rows, round_rows;
  for (std::size_t number = 0; number < candidates_.size(); ++number) {
    JsonObject json;
    json.Add("setting", static_cast<int>(number));
    if (candidates_[number].parent >= 0) json.Add("parent", candidates_[number].parent);
    AddSetting(candidates_[number].setting, &json);
    setting_rows.push_back(json);
  }
  for (const Round& round : rounds_) {
    std::vector<JsonObject> standings;
    for (const Standing& s : round.standings) {
      standings.push_back(JsonObject()
                              .Add("setting", s.number)
                              .Add("learning_rate", s.setting.learning_rate)
                              .Add("grown", s.grown)
                              .Add("trees", s.best_trees)
                              .Add("loss", s.loss)
                              .Add("behind", s.behind)
                              .Add("error", s.error));
    }
    round_rows.push_back(JsonObject().Add("trees", round.trees).Add("standings", standings));
  }
  const JsonObject chosen = JsonObject()
                                .Add("setting", best_number_)
                                .Add("learning_rate", best_.learning_rate)
                                .Add("trees", best_.trees);
  return absl::StrCat("{\n  \"format\": \"hyperplane-tree-tuning\",\n  \"version\": 1,\n  \"chosen\": ",
                      chosen.ToString(), ",\n  \"settings\": ", JsonLines(setting_rows), ",\n  \"rounds\": ",
                      JsonLines(round_rows), "\n}\n");
}

}  // namespace ps
