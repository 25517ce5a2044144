#include "trainer/tuning/tuner_state.h"

#include <bit>

namespace ps {
namespace {

constexpr std::uint32_t kMostPasses = 1u << 30;

template <typename T, typename Repeated>
void Fill(const Repeated& from, std::vector<T>* to) {
  to->assign(from.begin(), from.end());
}

}  // namespace

void SaveSetting(const OptimizerParams& setting, tuning::Setting* saved) {
  saved->set_alpha(setting.alpha);
  saved->set_beta(setting.beta);
  saved->set_newton(setting.newton);
  saved->set_l1(setting.l1);
  saved->set_l2(setting.l2);
}

OptimizerParams LoadSetting(const tuning::Setting& saved) {
  return {Optimizer::kFtrl, saved.alpha(), saved.beta(), saved.l1(), saved.l2(), saved.newton()};
}

// Friends of Tuner, LaneRecord and LaneSearch: nobody else sees what they are made of.
struct TunerAccess {
  static void Save(const Tuner& tuner, tuning::TunerState* state) {
    for (const Tuner::Lane& lane : tuner.lanes_) {
      tuning::TunerState::Lane& saved = *state->add_lanes();
      saved.set_number(static_cast<std::uint32_t>(lane.number));
      saved.set_diverged(lane.diverged);
      if (lane.best_pass > 0) saved.set_best_valid(lane.best_valid);
      saved.set_best_pass(static_cast<std::uint32_t>(lane.best_pass));
    }
    state->set_leader(static_cast<std::uint32_t>(tuner.leader_));
    state->set_rows(tuner.rows_);
    state->set_new_divergence(tuner.new_divergence_);
    state->set_judged_passes(static_cast<std::uint32_t>(tuner.pass_ - 1));
    state->set_improving(tuner.improving_);
    const LaneRecord& record = tuner.record_;
    state->set_record_rows(record.rows_);
    state->set_weight(record.weight_);
    state->set_weight_square(record.weight_square_);
    state->mutable_loss()->Add(record.loss_.begin(), record.loss_.end());
    state->mutable_loss_square()->Add(record.loss_square_.begin(), record.loss_square_.end());
    state->mutable_squares()->Add(record.squares_.begin(), record.squares_.end());
    state->mutable_losses()->Add(tuner.losses_.begin(), tuner.losses_.end());
    state->mutable_weights()->Add(tuner.weights_.begin(), tuner.weights_.end());
    SaveTrace(tuner.trace_, state);
    for (const auto& [setting, rows] : tuner.search_.noted_) {
      tuning::TunerState::Noted& noted = *state->add_noted();
      noted.set_setting(setting);
      noted.set_rows(rows);
    }
  }

  static void SaveTrace(const TuningTrace& trace, tuning::TunerState* state) {
    for (const TuningTrace::Lane& lane : trace.lanes) {
      tuning::TunerState::TracedLane& saved = *state->add_traced();
      SaveSetting(lane.setting, saved.mutable_setting());
      saved.set_parent(lane.parent);
      saved.set_born_rows(lane.born_rows);
      saved.set_ended_rows(lane.ended_rows);
      saved.set_end(lane.end);
    }
    for (const TuningTrace::Decision& decision : trace.decisions) {
      tuning::TunerState::Decision& saved = *state->add_decisions();
      saved.set_rows(decision.rows);
      saved.set_judged_passes(static_cast<std::uint32_t>(decision.pass - 1));
      saved.set_on_validation(decision.on_validation);
      for (const TuningTrace::Standing& standing : decision.standings) {
        tuning::TunerState::Decision::Standing& one = *saved.add_standings();
        one.set_lane(static_cast<std::uint32_t>(standing.lane));
        one.set_loss(standing.loss);
        one.set_behind(standing.behind);
        one.set_error(standing.error);
      }
    }
  }

  static void LoadTrace(const tuning::TunerState& state, TuningTrace* trace) {
    *trace = TuningTrace();
    for (const tuning::TunerState::TracedLane& saved : state.traced()) {
      trace->lanes.push_back({static_cast<int>(trace->lanes.size()), LoadSetting(saved.setting()), saved.parent(),
                              saved.born_rows(), saved.ended_rows(), saved.end()});
    }
    for (const tuning::TunerState::Decision& saved : state.decisions()) {
      TuningTrace::Decision decision{saved.rows(), static_cast<int>(saved.judged_passes()) + 1, saved.on_validation(), {}};
      for (const auto& one : saved.standings()) {
        decision.standings.push_back({static_cast<int>(one.lane()), one.loss(), one.behind(), one.error()});
      }
      trace->decisions.push_back(std::move(decision));
    }
  }

  static bool Load(const tuning::TunerState& state, Tuner* tuner) {
    const int lanes = state.lanes_size(), traced = state.traced_size();
    const bool fits = lanes >= 1 && lanes <= kMostLanes && std::has_single_bit(unsigned(lanes)) &&
                      state.leader() < static_cast<std::uint32_t>(lanes) && state.loss_size() == lanes &&
                      state.loss_square_size() == lanes && state.squares_size() == lanes * lanes &&
                      state.losses_size() == lanes * state.weights_size() && state.judged_passes() <= kMostPasses;
    if (!fits) return false;
    LoadTrace(state, &tuner->trace_);
    tuner->lanes_.clear();
    for (const tuning::TunerState::Lane& saved : state.lanes()) {
      if (saved.number() >= static_cast<std::uint32_t>(traced)) return false;
      Tuner::Lane lane{static_cast<int>(saved.number()), tuner->trace_.lanes[saved.number()].setting};
      lane.diverged = saved.diverged();
      if (saved.best_pass() > kMostPasses) return false;
      lane.best_pass = static_cast<int>(saved.best_pass());
      if (lane.best_pass > 0) lane.best_valid = saved.best_valid();
      tuner->lanes_.push_back(lane);
    }
    for (const TuningTrace::Lane& lane : tuner->trace_.lanes) {
      if (lane.parent < -1 || lane.parent >= traced) return false;
    }
    tuner->leader_ = static_cast<int>(state.leader());
    tuner->next_number_ = traced;
    tuner->rows_ = state.rows();
    tuner->new_divergence_ = state.new_divergence();
    tuner->pass_ = static_cast<int>(state.judged_passes()) + 1;
    tuner->improving_ = state.improving();
    LaneRecord& record = tuner->record_;
    record.lanes_ = lanes;
    record.rows_ = state.record_rows();
    record.weight_ = state.weight();
    record.weight_square_ = state.weight_square();
    Fill(state.loss(), &record.loss_);
    Fill(state.loss_square(), &record.loss_square_);
    Fill(state.squares(), &record.squares_);
    Fill(state.losses(), &tuner->losses_);
    Fill(state.weights(), &tuner->weights_);
    tuner->search_ = LaneSearch();
    for (const auto& noted : state.noted()) tuner->search_.noted_[noted.setting()] = noted.rows();
    return true;
  }
};

void SaveTuner(const Tuner& tuner, tuning::TunerState* state) { TunerAccess::Save(tuner, state); }

absl::Status LoadTuner(const tuning::TunerState& state, Tuner* tuner) {
  if (TunerAccess::Load(state, tuner)) return absl::OkStatus();
  return absl::DataLossError("the tuner in the checkpoint's progress is malformed");
}

}  // namespace ps
