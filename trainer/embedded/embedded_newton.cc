// The optimum over all rows (model.optimizer.type: newton_cg), asked for or beside a race of lanes.
#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "ps/base/status_macros.h"
#include "trainer/embedded/embedded_run.h"
#include "trainer/job_plan.h"
#include "trainer/progress/progress_line.h"
#include "trainer/tuning/lane_search.h"

namespace ps {
namespace {

// Beside a race, of data that can be read a few hundred times in about the time of its passes.
constexpr std::uint64_t kMostKeptIds = 16'000'000;

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

absl::Status EmbeddedTrainer::Run::Solve() {
  NewtonFit fit(groups_.get(), job_.threads, &stop_);
  PS_RETURN_IF_ERROR(fit.Load(rows_, DenseModel::kBiasId));
  log_.Say(absl::StrFormat("newton_cg: %s rows in memory, %s", FormatCount(rows_.rows()),
                           FormatBytes(static_cast<std::int64_t>(fit.memory_bytes()))));
  const OptimizerParams setting = model_.lanes()[0];
  const NewtonSolver::End end = fit.Fit(setting);
  if (setting.l2_evidence && !stop_.load()) log_.Say("newton_cg: " + fit.DescribeEvidence());
  log_.Say(absl::StrFormat("newton_cg: %s after %d steps, %d products with the rows; objective %.6g a row",
                           end.converged ? "converged" : stop_.load() ? "stopped" : "not converged", end.steps, end.products,
                           end.objective / static_cast<double>(rows_.rows())));
  model_.RestoreState(setting, fit.Weights(model_.ids()));
  PS_ASSIGN_OR_RETURN(result_.train, scores_.Evaluate(rows_, 0));
  result_.progressive = false;
  if (valid_.rows() > 0) {
    PS_ASSIGN_OR_RETURN(last_valid_, scores_.Evaluate(valid_, 0));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> EmbeddedTrainer::Run::SolveBeside(int raced, double raced_loss) {
  if (kept_ids_ > kMostKeptIds) return false;
  NewtonFit fit(groups_.get(), job_.threads, &stop_);
  PS_RETURN_IF_ERROR(fit.Load(rows_, DenseModel::kBiasId));
  PS_ASSIGN_OR_RETURN(const RowMatrix valid, fit.LoadLike(valid_));
  std::vector<OptimizerParams> settings = SettingsBeside();
  std::vector<double> losses;
  std::vector<float> best_weights;
  for (const OptimizerParams& setting : settings) {
    fit.Fit(setting);
    if (stop_.load()) return false;
    losses.push_back(fit.LossOf(valid, MarginOffset(job_.config.data)));
    // Weaker penalties take longer, and where they are too weak they stay so.
    if (losses.size() > 2 && losses[losses.size() - 3] < losses[losses.size() - 2] && losses[losses.size() - 2] < losses.back()) break;
    if (losses.back() == *std::min_element(losses.begin(), losses.end())) best_weights = fit.Weights(model_.ids());
  }
  settings.resize(losses.size());
  const auto best = std::min_element(losses.begin(), losses.end()) - losses.begin();
  const int number = tuner_->NoteSolved(settings, losses) + static_cast<int>(best);
  log_.Say("tune: " + fit.DescribeEvidence());
  log_.Say(absl::StrFormat("tune: lane %d %s, the best of %d solved over all rows: %.5f on the validation rows; lane %d %s, the best of the race: %.5f",
                           number, DescribeSetting(settings[static_cast<std::size_t>(best)]), settings.size(), losses[static_cast<std::size_t>(best)], raced,
                           DescribeSetting(tuner_->SettingOf(raced)), raced_loss));
  if (!(losses[static_cast<std::size_t>(best)] < raced_loss)) return false;
  model_.RestoreState(settings[static_cast<std::size_t>(best)], best_weights);
  tuner_->Choose(number);
  return true;
}

}  // namespace ps
