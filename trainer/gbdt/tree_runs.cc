#include "trainer/gbdt/tree_runs.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <thread>
#include <utility>

#include "models/gbdt/booster.h"
#include "ps/base/cgroup.h"
#include "trainer/gbdt/mean_loss.h"
#include "trainer/gbdt/setting_space.h"

namespace ps {
namespace {

constexpr int kLeastPatience = 5;  // trees

// What a training holds beside the rows: margin, node entry and fixed-point gradient of each, and histograms.
double BytesOfTraining(const BinnedRows& rows, std::uint32_t classes) {
  const double cells = rows.sparse ? static_cast<double>(rows.first_cell.back()) : 256.0 * rows.columns;
  const double histograms = std::min(8.0 * cells * kMostTunedLeaves, static_cast<double>(GrowParams().memory_bytes));
  const double norms = classes > 1 ? 8.0 : 0.0;
  return (16.0 + 4.0 * classes + norms) * static_cast<double>(rows.rows) + histograms;
}

}  // namespace

BoostParams ParamsOf(const GbdtConfig& gbdt, std::uint64_t seed) {
  BoostParams params;
  params.objective = gbdt.objective == "softmax"   ? Objective::kSoftmax
                     : gbdt.objective == "squared" ? Objective::kSquared
                                                   : Objective::kLogistic;
  params.row_sample = gbdt.row_sample;
  params.seed = seed;
  params.grow.max_leaves = gbdt.max_leaves;
  params.grow.max_depth = gbdt.max_depth;
  params.grow.level_wise = gbdt.level_wise;
  params.grow.l1 = gbdt.l1;
  params.grow.l2 = gbdt.l2;
  params.grow.min_hessian = gbdt.min_hessian;
  params.grow.min_gain = gbdt.min_gain;
  params.grow.learning_rate = gbdt.learning_rate;
  params.grow.column_sample = gbdt.column_sample;
  params.grow.category_smooth = gbdt.category_smooth;
  params.grow.absent_is_zero = gbdt.absent_is_zero;
  return params;
}

int TreeRuns::AtOnce(std::size_t trainings) const {
  const std::int64_t limit = EffectiveMemory().limit_bytes;
  int most = std::min(options_.threads, static_cast<int>(std::min<std::size_t>(trainings, 1 << 12)));
  if (limit > 0) {
    const double room = 0.8 * static_cast<double>(limit) - static_cast<double>(ResidentBytes());
    most = std::min(most, static_cast<int>(std::clamp(room / BytesOfTraining(*options_.train, options_.classes), 1.0, 4096.0)));
  }
  return std::max(1, most);
}

TreeRuns::Grown TreeRuns::Train(const GbdtConfig& setting, Crew* crew,
                                const std::function<bool()>& ended) const {
  const BinnedRows& held_out = *options_.held_out;
  const RowLoss judged_by = {options_.squared, options_.classes, options_.offset};
  const double part = static_cast<double>(setting.trees) / options_.patience_trees;
  const int patience = std::max(kLeastPatience, static_cast<int>(std::ceil(options_.patience * part)));
  BoostParams params = ParamsOf(setting, options_.seed);
  params.classes = options_.classes;
  Booster booster(options_.train, options_.columns, params, crew);
  std::vector<float> margins = StartMargins(booster.base_scores(), held_out.rows);
  std::vector<float> best_margins = margins;
  Grown result;
  TreeRun& run = result.run;
  run.loss = INFINITY;
  while (run.grown < setting.trees && run.grown - run.best_trees < patience && !ended()) {
    for (std::uint32_t c = 0; c < params.classes; ++c) {
      result.trees.push_back(booster.GrowNext());
      AddTree(result.trees.back(), held_out, crew, &margins, c);
    }
    ++run.grown;
    const double loss = MeanLoss(judged_by, held_out, margins, crew);
    if (!(loss < run.loss - options_.min_delta)) continue;
    run.loss = loss;
    run.best_trees = run.grown;
    best_margins = margins;
  }
  result.trees.resize(static_cast<std::size_t>(run.best_trees) * params.classes);
  MeanLoss(judged_by, held_out, best_margins, crew, &run.row_losses);
  return result;
}

std::vector<TreeRuns::Grown> TreeRuns::TrainAll(const std::vector<TreeRace::Entrant>& entrants,
                                                std::optional<Clock::time_point> deadline,
                                                const std::function<void(const TreeRun&)>& on_done) const {
  std::vector<Grown> grown(entrants.size());
  std::atomic<std::size_t> next{0};
  const auto ended = [&] {
    return options_.stop->load() || (deadline && Clock::now() >= *deadline);
  };
  const int at_once = AtOnce(entrants.size());
  const auto work = [&] {
    Crew crew(options_.threads / at_once);
    for (std::size_t i = next.fetch_add(1); i < entrants.size(); i = next.fetch_add(1)) {
      if (ended()) return;
      grown[i] = Train(entrants[i].setting, &crew, ended);
      on_done(grown[i].run);
    }
  };
  std::vector<std::thread> others;
  for (int t = 1; t < at_once; ++t) others.emplace_back(work);
  work();
  for (std::thread& thread : others) thread.join();
  return grown;
}

}  // namespace ps
