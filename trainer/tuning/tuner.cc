#include "trainer/tuning/tuner.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_format.h"
#include "trainer/progress/progress_line.h"

namespace ps {
namespace {

constexpr std::uint64_t kFirstLook = 2500;  // rows
// Decisions fall at multiples of this; it is one of the stretches of LaneRecord.
constexpr std::size_t kRowsOfLook = 512;
constexpr double kLookGrowth = 1.4;
// Standard errors that a lane must be behind to go. Many lanes are looked at many times; and what
// goes early may have been ahead later.
constexpr double kDeviations = 3;
// Two lanes whose difference is surely a smaller part of the loss than this are one.
constexpr double kNothing = 1e-4;
// What the choice in the end may cost.
constexpr double kLittle = 2.5e-4;
// Challengers are born up to this part of the pass.
constexpr double kChallengeUntil = 0.5;
// A smaller part of the validation loss is no improvement.
constexpr double kImprovement = 2e-5;
// A mean log loss that nothing comes back from.
constexpr double kHopelessLoss = 1e12;

// How many lanes may live after `rows` of `all_rows` rows. Small data can afford them all, and
// needs them, for evidence comes late. What many features have in memory is bounded by their
// number: four lanes take twice the memory of one.
int Allowed(double rows, double all_rows, std::uint64_t features) {
  if (features > 2'000'000) return std::min(4, Allowed(rows, all_rows, 0));
  if (features > 1'000'000) return std::min(8, Allowed(rows, all_rows, 0));
  const auto until = [&](double part, double least) {
    return rows < std::max(part * all_rows, least);
  };
  if (until(.01, 64e3)) return 16;
  if (until(.1, 128e3)) return 8;
  if (until(.3, 256e3)) return 4;
  if (until(.6, 512e3)) return 2;
  return 1;
}

// The same in later passes, by rows learnt over all of them.
int AllowedLater(std::uint64_t rows) {
  return rows < 1'000'000 ? 16 : rows < 4'000'000 ? 8 : rows < 16'000'000 ? 4 : 2;
}

}  // namespace

struct Tuner::Standing {
  int lane = 0;  // where it is now
  double loss = 0;
  LaneRecord::Gap gap;  // behind the leader
};

Tuner::Tuner(bool later_passes, int most_lanes, bool warm_start)
    : later_passes_(later_passes),
      warm_start_(warm_start),
      record_(most_lanes, LaneRecord::Rows::kLaterWeighMore),
      next_look_(kFirstLook) {
  for (const OptimizerParams& setting : StartingSettings(later_passes, most_lanes)) {
    lanes_.push_back({NewLane(setting, -1), setting});
  }
}

int Tuner::NewLane(const OptimizerParams& setting, int parent) {
  search_.Note(setting, rows_);
  trace_.lanes.push_back({next_number_, setting, parent, rows_, 0, ""});
  return next_number_++;
}

void Tuner::End(int number, const std::string& why) {
  search_.Note(trace_.lanes[number].setting, rows_);
  trace_.lanes[number].ended_rows = rows_;
  trace_.lanes[number].end = why;
}

std::vector<OptimizerParams> Tuner::Settings() const {
  std::vector<OptimizerParams> settings;
  for (const Lane& lane : lanes_) settings.push_back(lane.setting);
  return settings;
}

bool Tuner::AllDiverged() const {
  return std::all_of(lanes_.begin(), lanes_.end(), [](const Lane& lane) { return lane.diverged; });
}

void Tuner::Observe(absl::Span<const float> margins, absl::Span<const float> labels,
                    absl::Span<const float> weights) {
  const std::size_t count = lanes_.size(), rows = labels.size();
  const std::size_t before = losses_.size();
  losses_.resize(before + margins.size());
  float* const losses = losses_.data() + before;
  LaneLosses(margins.data(), labels.data(), rows, static_cast<int>(count), losses);
  rows_ += rows;
  std::vector<double> sums(count);
  for (std::size_t i = 0; i < margins.size(); ++i) sums[i % count] += losses[i];
  weights_.insert(weights_.end(), weights.begin(), weights.end());
  if (weights.empty()) weights_.resize(weights_.size() + rows, 1.0f);
  if (!deciding() || weights_.size() >= kRowsOfLook) RecordRows();
  for (std::size_t k = 0; k < count; ++k) {
    if (sums[k] <= kHopelessLoss * static_cast<double>(rows) || lanes_[k].diverged) continue;
    lanes_[k].diverged = new_divergence_ = true;
  }
  // The leader speaks for the model from this block on.
  if (!lanes_[leader_].diverged) return;
  for (int k = 0; k < lanes(); ++k) {
    if (!lanes_[k].diverged) leader_ = k;
  }
}

std::size_t Tuner::RowsToLook() const {
  return deciding() ? kRowsOfLook - weights_.size() : std::numeric_limits<std::size_t>::max();
}

void Tuner::RecordRows() {
  if (deciding()) record_.Add(losses_, weights_);
  losses_.clear();
  weights_.clear();
}

std::vector<Tuner::Standing> Tuner::Standings(const LaneRecord& record) const {
  std::vector<Standing> standings;
  for (int k = 0; k < lanes(); ++k) {
    if (!lanes_[k].diverged && std::isfinite(record.Mean(k)))
      standings.push_back({k, record.Mean(k), {}});
  }
  std::stable_sort(standings.begin(), standings.end(),
                   [](const Standing& a, const Standing& b) { return a.loss < b.loss; });
  for (Standing& one : standings) one.gap = record.Compare(one.lane, standings[0].lane);
  return standings;
}

Tuner::Change Tuner::Apply(Field next) {
  record_.Change(next.origins);
  lanes_ = std::move(next.lanes);
  return {Settings(), std::move(next.origins)};
}

void Tuner::NoteDecision(const std::vector<Standing>& standings) {
  // Validation rows judge a pass that is over: pass_ is the next one.
  TuningTrace::Decision decision{rows_, std::max(1, pass_ - 1), pass_ > 1, {}};
  for (const Standing& one : standings) {
    decision.standings.push_back({lanes_[one.lane].number, one.loss, one.gap.mean, one.gap.error});
  }
  trace_.decisions.push_back(std::move(decision));
}

void Tuner::Announce(const std::vector<Standing>& standings) {
  const Lane& first = lanes_[standings[0].lane];
  news_ = absl::StrFormat("tune, %s rows: lane %d %s leads", FormatCount(rows_), first.number,
                          DescribeSetting(first.setting));
  if (standings.size() > 1) {
    absl::StrAppendFormat(&news_, " lane %d by %.5f ± %.5f", lanes_[standings[1].lane].number,
                          standings[1].gap.mean, standings[1].gap.error);
  }
}

Tuner::Verdict Tuner::Judge(const std::vector<Standing>& standings, const Rules& rules) const {
  Verdict verdict{.why = std::vector<std::string>(lanes_.size(), "diverged")};
  for (const Standing& one : standings) {
    const double margin = kDeviations * one.gap.error;
    const bool follows = &one != &standings[0];
    const bool behind = rules.drop_behind && one.gap.mean > margin;
    const bool equal =
        rules.drop_behind && follows && one.gap.mean + margin < kNothing * standings[0].loss;
    const bool spent = follows && lanes_[one.lane].best_pass < rules.spent_since;
    const bool full = static_cast<int>(verdict.stay.size()) == rules.allowed;
    verdict.why[one.lane] = behind ? "behind" : equal ? "equal" : spent ? "spent" : "crowded";
    (behind || equal || spent || full ? verdict.gone : verdict.stay).push_back(one.lane);
  }
  return verdict;
}

Tuner::Field Tuner::NextField(const Verdict& verdict, const Rules& rules) {
  const auto places = [&](std::size_t lanes) {
    return std::min<std::size_t>({std::bit_ceil(lanes), std::size_t(rules.allowed), lanes_.size()});
  };
  Field next;
  std::vector<OptimizerParams> live;
  for (const int lane : verdict.stay) {
    next.lanes.push_back(lanes_[lane]);
    next.origins.push_back({lane, false});
    live.push_back(lanes_[lane].setting);
  }
  const std::size_t free_until = rules.challenge ? places(lanes_.size()) : 0;
  for (const int lane : verdict.stay) {
    if (next.lanes.size() >= free_until) break;
    const Lane parent = lanes_[lane];
    const int free = static_cast<int>(free_until - next.lanes.size());
    for (const OptimizerParams& setting : search_.Challengers(parent.setting, live, free, rows_)) {
      next.lanes.push_back(
          {NewLane(setting, parent.number), setting, false, parent.best_valid, parent.best_pass});
      next.origins.push_back({lane, true, warm_start_});
      live.push_back(setting);
    }
  }
  // A number of lanes that is a power of two: the best of those that were to go stay as well, or,
  // where none are left, the leader is there once more, which changes nothing.
  const std::size_t width = places(next.lanes.size());
  for (const int lane : verdict.gone) {
    if (next.lanes.size() == width) break;
    next.lanes.push_back(lanes_[lane]);
    next.origins.push_back({lane, false});
  }
  next.lanes.resize(width, next.lanes[0]);
  next.origins.resize(width, next.origins[0]);
  return next;
}

std::optional<Tuner::Change> Tuner::Go(const LaneRecord& record, const Rules& rules) {
  const std::vector<Standing> standings = Standings(record);
  if (standings.empty()) return std::nullopt;  // all diverged, or nothing was seen
  NoteDecision(standings);
  Announce(standings);
  const Verdict verdict = Judge(standings, rules);
  Field next = NextField(verdict, rules);

  const std::size_t before = lanes_.size(), width = next.lanes.size();
  int gone = 0, challengers = 0;
  for (const LaneOrigin& origin : next.origins) challengers += origin.reborn;
  for (std::size_t k = 0; k < before; ++k) {
    const int number = lanes_[k].number;
    const auto is_it = [number](const Lane& lane) { return lane.number == number; };
    if (std::any_of(next.lanes.begin(), next.lanes.end(), is_it)) continue;
    ++gone;
    End(number, verdict.why[k]);
  }
  if (gone == 0 && challengers == 0 && width == before) {
    leader_ = standings[0].lane;  // only the order would change
    return std::nullopt;
  }
  leader_ = 0;
  absl::StrAppendFormat(&news_, "; %d lanes", before);
  if (width != before) absl::StrAppendFormat(&news_, " become %d", width);
  absl::StrAppendFormat(&news_, ", %d gone, %d new", gone, challengers);
  return Apply(std::move(next));
}

std::optional<Tuner::Change> Tuner::Decide(double all_rows, std::uint64_t features) {
  if (lanes() == 1) return std::nullopt;
  RecordRows();
  new_divergence_ = false;
  const double rows = static_cast<double>(rows_);
  next_look_ = static_cast<std::uint64_t>(kLookGrowth * std::max(rows, double{kFirstLook}));
  const int allowed = Allowed(rows, all_rows, features);
  // What leads in one pass need not lead in several: lanes go here only where there is no place for
  // them.
  if (later_passes_) return Go(record_, {.allowed = std::max(4, allowed), .drop_behind = false});
  return Go(record_, {.allowed = allowed, .challenge = rows < kChallengeUntil * all_rows});
}

std::optional<Tuner::Change> Tuner::DecideOnValidation(const LaneRecord& valid, int pass,
                                                       int patience) {
  RecordRows();
  pass_ = pass + 1;
  improving_ = false;
  if (lanes() == 1) {  // nothing to decide; how it goes on is what folds are compared by
    const std::vector<Standing> standings = Standings(valid);
    if (!standings.empty()) NoteDecision(standings);
    return std::nullopt;
  }
  for (int k = 0; k < lanes(); ++k) {
    Lane& lane = lanes_[k];
    const double loss = valid.Mean(k);
    if (!(loss < lane.best_valid * (1 - kImprovement)) && lane.best_pass > 0) continue;
    lane.best_valid = loss;
    lane.best_pass = pass;
  }
  const std::optional<Change> change = Go(
      valid,
      {.allowed = AllowedLater(rows_), .drop_behind = false, .spent_since = pass - patience + 1});
  for (const Lane& lane : lanes_) improving_ |= lane.best_pass > pass - patience;
  return change;
}

std::optional<Tuner::Change> Tuner::Finish() {
  if (lanes() == 1) return std::nullopt;
  RecordRows();
  int best = leader_;  // as validation had it
  const std::vector<Standing> standings = Standings(record_);
  if (pass_ == 1 && !standings.empty()) {
    NoteDecision(standings);
    Announce(standings);
    // Leads within their error are luck, and small ones are worth less than a model that its
    // setting trains again. Of the lanes so near, the eldest, and of these the one of the lowest
    // rate: one too high costs more than one too low.
    const auto rank = [this](int lane) {
      return std::pair(BornRows(lane), lanes_[lane].setting.alpha);
    };
    best = standings[0].lane;
    for (const Standing& one : standings) {
      const bool near = one.gap.mean <= std::max(one.gap.error, kLittle * standings[0].loss);
      if (near && rank(one.lane) < rank(best)) best = one.lane;
    }
  }
  const Lane last = lanes_[best];
  for (const Lane& lane : lanes_) {
    if (lane.number != last.number) End(lane.number, "lost");
  }
  leader_ = 0;
  return Apply({.lanes = {last}, .origins = {{best, false}}});
}

int Tuner::NoteSolved(absl::Span<const OptimizerParams> settings, absl::Span<const double> losses) {
  const int first = next_number_;
  TuningTrace::Decision decision{rows_, 1, true, {}};
  const double best = *std::min_element(losses.begin(), losses.end());
  for (std::size_t i = 0; i < settings.size(); ++i) {
    const int number = NewLane(settings[i], -1);
    trace_.lanes.back().born_rows = 0;
    End(number, "lost");
    decision.standings.push_back({number, losses[i], losses[i] - best, std::numeric_limits<double>::quiet_NaN()});
  }
  std::stable_sort(decision.standings.begin(), decision.standings.end(), [](const auto& a, const auto& b) { return a.loss < b.loss; });
  trace_.decisions.push_back(std::move(decision));
  return first;
}

void Tuner::Choose(int number) {
  for (const Lane& lane : lanes_) {
    if (trace_.lanes[lane.number].end.empty()) End(lane.number, "lost");
  }
  End(number, "chosen");
  trace_.chosen = number;
}

std::string Tuner::TakeNews() { return std::exchange(news_, std::string()); }

}  // namespace ps
