#include "trainer/tuning/lane_race.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "ps/base/status_macros.h"
#include "trainer/tuning/race_state.pb.h"
#include "trainer/tuning/tuner_state.h"

namespace ps {
namespace {

constexpr double kFirstLook = 2500;  // rows, as in one process
constexpr double kLookGrowth = 1.4;

}  // namespace

LaneRace::Options LaneRace::OptionsOf(const wire::Plan& plan, std::uint32_t chunks) {
  constexpr double kBatchesAChunk = 16;  // usually; it only says where the first look is
  const bool in_order = plan.staleness() == 0;
  return {.lanes = std::max(1, plan.lanes_size()),
          .in_order = in_order,
          .chunks = chunks,
          .round_chunks = in_order ? std::max(1u, plan.chunks_per_round()) : 1,
          .chunk_rows = kBatchesAChunk * std::max(1u, plan.batch_rows())};
}

LaneRace::LaneRace(const Options& options) : options_(options), tuner_(options.later_passes, options.lanes, options.warm_start) {}

void LaneRace::OnLanes(const LearntLanes& rows) {
  if (over_ || (rows.pass != 0 && !options_.later_passes)) return;
  const BatchPlace place{rows.pass, rows.chunk, rows.batch};
  if (options_.in_order ? place < next_ || early_.contains(place) : rows.again) return;
  Rows copy{{rows.margins.begin(), rows.margins.end()},
            {rows.labels.begin(), rows.labels.end()},
            {rows.weights.begin(), rows.weights.end()},
            rows.batch + 1 == rows.batches};
  if (!options_.in_order) return Observe(copy);
  early_.emplace(place, std::move(copy));
  for (auto first = early_.begin(); first != early_.end() && first->first == next_; first = early_.begin()) {
    Observe(first->second);
    const auto [pass, chunk, batch] = next_;
    if (!first->second.last) {
      next_ = {pass, chunk, batch + 1};
    } else {
      next_ = chunk + 1 == options_.chunks ? BatchPlace{pass + 1, 0, 0} : BatchPlace{pass, chunk + 1, 0};
    }
    early_.erase(first);
  }
}

void LaneRace::Observe(const Rows& rows) {
  // Of a rollback that went behind a change of lanes there may be rows on their way of another number of them.
  if (rows.margins.size() != rows.labels.size() * tuner_.lanes()) return;
  if (!rows.labels.empty()) tuner_.Observe(rows.margins, rows.labels, rows.weights);
}

std::uint32_t LaneRace::NextLook(std::uint32_t pass, std::uint32_t chunk) const {
  constexpr std::uint32_t kNever = ~std::uint32_t{0};
  // A change that was decided on, before the pass or by those that a rollback took back.
  const auto decided = std::lower_bound(changed_at_.begin(), changed_at_.end(), Place{pass, chunk});
  const std::uint32_t change = decided == changed_at_.end() || decided->first != pass ? kNever : decided->second;
  if (pass != 0 || options_.chunks == 0 || tuner_.lanes() == 1) return change;
  const double unit = options_.round_chunks;
  double look = 0, rows = kFirstLook;
  do {
    look = std::max(look + unit, std::ceil(rows / options_.chunk_rows / unit) * unit);
    rows = kLookGrowth * look * options_.chunk_rows;
  } while (look < chunk);
  const std::uint32_t end = std::max(options_.chunks, chunk);
  if (look >= end) return std::min(change, options_.later_passes ? kNever : end);
  return std::min(change, static_cast<std::uint32_t>(look));
}

std::size_t LaneRace::Holding(const Place& look) const {
  if (!options_.in_order) return changes_.size();
  return std::upper_bound(changed_at_.begin(), changed_at_.end(), look) - changed_at_.begin();
}

std::size_t LaneRace::OnLook(std::uint32_t pass, std::uint32_t chunk, std::uint64_t entries) {
  const Place look{pass, chunk};
  if (over_ || (looked_.has_value() && look <= *looked_)) return Holding(look);
  looked_ = look;
  const double fraction = static_cast<double>(chunk) / std::max(1u, options_.chunks);
  std::optional<Tuner::Change> change;
  if (chunk < options_.chunks) {
    change = tuner_.Decide(static_cast<double>(tuner_.rows()) / fraction, entries);
  } else {
    change = tuner_.Finish();
    over_ = true;
    early_.clear();
  }
  if (change.has_value()) {
    changes_.push_back({std::move(change->settings), std::move(change->origins)});
    changed_at_.push_back(look);
  }
  return Holding(look);
}

int LaneRace::JudgePass(std::uint32_t pass, const LaneRecord& valid, int patience) {
  std::optional<Tuner::Change> change = tuner_.DecideOnValidation(valid, static_cast<int>(pass) + 1, patience);
  looked_ = Place{pass + 1, 0};
  next_ = {pass + 1, 0, 0};
  if (!change.has_value()) return tuner_.leader();
  const int leader = change->origins[tuner_.leader()].from;
  changes_.push_back({std::move(change->settings), std::move(change->origins)});
  changed_at_.push_back(*looked_);
  return leader;
}

const OptimizerParams& LaneRace::Choose(int number) {
  tuner_.Finish();
  over_ = true;
  tuner_.Choose(number);
  return tuner_.SettingOf(number);
}

std::string LaneRace::Save() const {
  tuning::RaceState state;
  SaveTuner(tuner_, state.mutable_tuner());
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    tuning::RaceState::Change& change = *state.add_changes();
    change.set_pass(changed_at_[i].first);
    change.set_chunk(changed_at_[i].second);
    for (const OptimizerParams& setting : changes_[i].settings) SaveSetting(setting, change.add_settings());
    for (const LaneOrigin& origin : changes_[i].origins) {
      change.add_from(static_cast<std::uint32_t>(origin.from));
      change.add_reborn(origin.reborn);
      if (origin.same_weights) change.set_same_weights(true);
    }
  }
  if (looked_.has_value()) {
    state.set_looked_pass(looked_->first);
    state.set_looked_chunk(looked_->second);
  }
  state.set_next_pass(std::get<0>(next_));
  state.set_next_chunk(std::get<1>(next_));
  state.set_next_batch(std::get<2>(next_));
  state.set_over(over_);
  return state.SerializeAsString();
}

absl::Status LaneRace::Load(const std::string& bytes) {
  const absl::Status damaged = absl::DataLossError("the race of lanes in the checkpoint's progress is malformed");
  tuning::RaceState state;
  if (!state.ParseFromString(bytes)) return damaged;
  PS_RETURN_IF_ERROR(LoadTuner(state.tuner(), &tuner_));
  changes_.clear();
  changed_at_.clear();
  int lanes = options_.lanes;
  for (const tuning::RaceState::Change& saved : state.changes()) {
    LaneChange change;
    const bool fits = saved.settings_size() > 0 && saved.settings_size() <= lanes &&
                      saved.from_size() == saved.settings_size() && saved.reborn_size() == saved.settings_size();
    if (!fits) return damaged;
    for (int k = 0; k < saved.settings_size(); ++k) {
      if (saved.from(k) >= static_cast<std::uint32_t>(lanes)) return damaged;
      change.settings.push_back(LoadSetting(saved.settings(k)));
      change.origins.push_back({static_cast<int>(saved.from(k)), saved.reborn(k), saved.same_weights()});
    }
    lanes = saved.settings_size();
    changes_.push_back(std::move(change));
    changed_at_.emplace_back(saved.pass(), saved.chunk());
  }
  if (lanes != tuner_.lanes()) return damaged;
  looked_.reset();
  const Place looked{state.looked_pass(), state.looked_chunk()};
  if (looked > Place{0, 0}) looked_ = looked;
  next_ = {state.next_pass(), state.next_chunk(), state.next_batch()};
  early_.clear();
  over_ = state.over();
  return absl::OkStatus();
}

}  // namespace ps
