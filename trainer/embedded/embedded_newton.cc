// The optimum over all rows (model.optimizer.type: newton_cg), asked for or beside a race of lanes.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ps/base/seconds.h"
#include "ps/base/status_macros.h"
#include "trainer/embedded/embedded_run.h"
#include "trainer/progress/progress_line.h"
#include "trainer/tuning/lane_search.h"

namespace ps {
namespace {

constexpr double kSecondsBetweenSteps = 5;  // that are told

// From the strongest penalty to the weakest: the way on which each is near the one before. Mostly less is right
// than the evidence has it, where features are rare: the rows determine less of their weights than the diagonal
// of the Hessian says.
std::vector<OptimizerParams> SettingsBeside() {
  std::vector<OptimizerParams> settings;
  for (const float factor : {4.f, 2.f, 1.f, .5f, .25f, .12f, .06f, .03f}) {
    settings.emplace_back();
    settings.back().type = Optimizer::kNewtonCg;
    settings.back().l2 = factor;
    settings.back().l2_evidence = true;
  }
  return settings;
}

}  // namespace

void EmbeddedTrainer::Run::TellSteps(const std::string& who, NewtonFit* fit) {
  // The first one is told.
  auto said = std::make_shared<std::optional<std::chrono::steady_clock::time_point>>();
  fit->OnStep([this, who, fit, said](const NewtonSolver::End& at) {
    if (*said && SecondsSince(**said) < kSecondsBetweenSteps) return;
    *said = std::chrono::steady_clock::now();
    const std::string step = absl::StrCat(who, ": step ", fit->solver().steps());
    // Objectives with other penalties are not to be compared.
    log_.Say(fit->looks_for_evidence()
                 ? absl::StrCat(step, ", penalties are looked for")
                 : absl::StrFormat("%s, objective %.6g a row", step, at.objective / static_cast<double>(fit->rows())));
  });
}

absl::Status EmbeddedTrainer::Run::Solve() {
  NewtonFit& fit = *fit_;
  const absl::Status loaded = fit.Finish(DenseModel::kBiasId);
  if (absl::IsCancelled(loaded)) return StoppedBeforeLearningError();
  PS_RETURN_IF_ERROR(loaded);
  log_.Say(absl::StrFormat("newton_cg: %s rows in memory, %s", FormatCount(fit.rows()),
                           FormatBytes(static_cast<std::int64_t>(fit.memory_bytes()))));
  TellSteps("newton_cg", &fit);
  const OptimizerParams setting = model_.lanes()[0];
  const NewtonSolver::End end = fit.Fit(setting);
  if (stop_.load() && fit.solver().steps() == 0) return StoppedBeforeLearningError();
  if (setting.l2_evidence && !stop_.load()) log_.Say("newton_cg: " + fit.DescribeEvidence());
  log_.Say(absl::StrFormat("newton_cg: %s after %d steps, %d products with the rows; objective %.6g a row",
                           end.converged ? "converged" : stop_.load() ? "stopped" : "not converged", fit.solver().steps(),
                           fit.solver().products(), end.objective / static_cast<double>(fit.rows())));
  PS_ASSIGN_OR_RETURN(const std::vector<float> weights, fit.Weights(model_.ids()));
  model_.RestoreState(setting, weights);
  result_.train = fit.TrainMetrics();
  result_.progressive = false;
  if (valid_.rows() > 0) {
    PS_ASSIGN_OR_RETURN(last_valid_, scores_.Evaluate(valid_, 0));
    log_.SetValid(*last_valid_);
  }
  log_.Report(model_.features());
  return absl::OkStatus();
}

bool EmbeddedTrainer::Run::MaySolveBeside() {
  if (groups_ == nullptr || HasOneLabel(result_.train) || stop_.load()) return false;
  if (kept_ids_ <= kMostSolvedIds) return true;
  log_.Say(absl::StrCat("tune: the optimum over all rows is not tried: that is for at most ", FormatCount(kMostSolvedIds),
                        " features of rows"));
  return false;
}

absl::StatusOr<bool> EmbeddedTrainer::Run::SolveBeside(int raced, double raced_loss) {
  NewtonFit fit(groups_.get(), job_.threads, &stop_);
  const absl::Status loaded = fit.Load(rows_, DenseModel::kBiasId);
  if (absl::IsCancelled(loaded)) return false;
  PS_RETURN_IF_ERROR(loaded);
  std::vector<OptimizerParams> settings = SettingsBeside();
  log_.Say(absl::StrCat("tune: the optimum over all rows is tried beside the lanes, with up to ", settings.size(), " penalties"));
  TellSteps("tune: newton_cg", &fit);
  std::vector<double> losses;
  std::vector<float> best_weights;
  std::size_t best = 0;
  for (const OptimizerParams& setting : settings) {
    fit.Fit(setting);
    if (stop_.load()) return false;
    const absl::StatusOr<std::vector<float>> weights = fit.Weights(model_.ids());
    if (!weights.ok()) break;  // weaker penalties make them no smaller
    PS_ASSIGN_OR_RETURN(const double loss, fit.LossOf(valid_, MarginOffset(job_.config.data)));
    if (!std::isfinite(loss)) break;  // rows without weight
    losses.push_back(loss);
    const std::size_t last = losses.size() - 1;
    if (losses[last] <= losses[best]) {
      best = last;
      best_weights = *weights;
    }
    // Weaker penalties take longer, and where they are too weak they stay so.
    if (last >= 2 && losses[last - 2] < losses[last - 1] && losses[last - 1] < losses[last]) break;
  }
  if (losses.empty()) return false;
  settings.resize(losses.size());
  const int number = tuner_->NoteSolved(settings, losses) + static_cast<int>(best);
  log_.Say("tune: " + fit.DescribeEvidence());
  log_.Say(absl::StrFormat("tune: lane %d %s, the best of %d solved over all rows: %.5f on the validation rows; lane %d %s, the best of the race: %.5f",
                           number, DescribeSetting(settings[best]), settings.size(), losses[best], raced,
                           DescribeSetting(tuner_->SettingOf(raced)), raced_loss));
  if (raced_loss <= losses[best]) return false;
  model_.RestoreState(settings[best], best_weights);
  tuner_->Choose(number);
  result_.best_pass = 0;  // it is of no pass
  return true;
}

}  // namespace ps
