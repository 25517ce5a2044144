// What a coordinator that comes back has to know: saved with every checkpoint, and taken up again.
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ps/base/status_macros.h"
#include "trainer/cluster_trainer_run.h"
#include "trainer/coordinator_state.pb.h"

namespace ps {
namespace {

// Relative; the same model on the same rows, whose losses may be added in another order.
constexpr double kSameLogloss = 1e-9;

}  // namespace

std::string ClusterTrainer::Run::SaveState() {
  saved_ = true;
  coordinator::State state;
  state.set_rows_learnt(result_.rows_learnt);
  state.set_rows_read(result_.rows_read);
  state.set_rows_dropped(result_.rows_dropped);
  state.set_bad_rows(result_.bad_rows);
  state.set_passes(static_cast<std::uint32_t>(result_.passes));
  state.set_features(result_.features);
  state.set_first_pass(first_pass_);
  state.set_best_logloss(best_logloss_);
  state.set_best_pass(static_cast<std::uint32_t>(result_.best_pass));
  state.set_passes_since_best(static_cast<std::uint32_t>(passes_since_best_));
  state.set_best_lane(static_cast<std::uint32_t>(best_lane_ + 1));
  if (race_) state.set_race(race_->Save());
  return state.SerializeAsString();
}

absl::Status ClusterTrainer::Run::OnResume(const std::string& bytes, const PassReport& report) {
  coordinator::State state;
  MetricState first_pass;
  if (!state.ParseFromString(bytes) ||
      (!state.first_pass().empty() && !first_pass.Parse(state.first_pass()))) {
    return absl::DataLossError("the checkpoint's progress is malformed");
  }
  if (race_) {
    PS_RETURN_IF_ERROR(race_->Load(state.race()));
    racing_ = race_->lanes() > 1;
  }
  resumed_ = saved_ = true;
  result_.rows_learnt = state.rows_learnt();
  result_.rows_read = state.rows_read();
  result_.rows_dropped = state.rows_dropped();
  result_.bad_rows = state.bad_rows();
  result_.passes = static_cast<int>(state.passes());
  result_.features = state.features();
  first_pass_ = state.first_pass();
  if (!first_pass_.empty()) result_.train = first_pass.Finish();
  log_.BeginPass(static_cast<int>(report.pass) + 1);
  log_.Resume(report.progressive, result_.rows_learnt);
  log_.Say(absl::StrCat("going on: pass ", report.pass + 1, ", ", result_.rows_learnt,
                        " rows learnt"));
  if (state.best_pass() == 0) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<Scorer>> best = candidates_.OpenBest();
  if (!best.ok()) {
    log_.Say(absl::StrCat("the best model so far, of pass ", state.best_pass(), ", is not at ", candidates_.BestDir(),
                          ": early stopping begins anew"));
    return absl::OkStatus();
  }
  // It may be of a later pass than the checkpoint, which then comes again and is judged again.
  PS_ASSIGN_OR_RETURN(const Metrics valid, Evaluate(job_.valid, Part::kValid, **best));
  if (valid.rows > 0 && !(std::abs(valid.logloss - state.best_logloss()) <= kSameLogloss * state.best_logloss())) {
    log_.Say(absl::StrCat("the model at ", candidates_.BestDir(), " is not that of pass ", state.best_pass(),
                          ": early stopping begins anew"));
    return absl::OkStatus();
  }
  final_ = *std::move(best);
  if (valid.rows > 0) best_valid_ = valid;
  best_lane_ = static_cast<int>(state.best_lane()) - 1;
  if (race_ && best_lane_ >= 0 && !race_->HadLane(best_lane_)) {
    return absl::DataLossError("the best model's lane in the checkpoint's progress is malformed");
  }
  best_logloss_ = state.best_logloss();
  result_.best_pass = static_cast<int>(state.best_pass());
  passes_since_best_ = static_cast<int>(state.passes_since_best());
  return absl::OkStatus();
}

}  // namespace ps
