// Trainings of trees with different settings on the same binned rows, several at once, each judged on
// the held-out rows after every tree. Rows are neither read nor binned again.
//
// One caller at a time; starts its own threads. The rows must outlive it. What comes out is the same
// for any number of threads, unless time or a stop ends it.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <vector>

#include "models/gbdt/binned_rows.h"
#include "models/gbdt/columns.h"
#include "models/gbdt/gradient_rows.h"
#include "models/gbdt/tree.h"
#include "trainer/gbdt/tree_race.h"

namespace ps {

// What the settings of trees mean to whom grows them. How many classes there are is not among them.
BoostParams ParamsOf(const GbdtConfig& gbdt, std::uint64_t seed);

class TreeRuns {
 public:
  using Clock = std::chrono::steady_clock;

  struct Options {
    const BinnedRows* train = nullptr;
    const BinnedRows* held_out = nullptr;
    const std::vector<BinColumn>* columns = nullptr;
    bool squared = false;      // labels are numbers
    std::uint32_t classes = 1; // of softmax: a tree of the settings is a round of as many then
    double offset = 0;         // of margins, when they are judged
    std::uint64_t seed = 1;
    int threads = 1;
    int patience = 0;          // trees without improvement that end a training of `patience_trees`
    int patience_trees = 1;    // trees; shorter ones have as much less
    double min_delta = 0;      // of the loss
    const std::atomic<bool>* stop = nullptr;
  };
  explicit TreeRuns(Options options) : options_(options) {}

  struct Grown {
    TreeRun run;
    std::vector<Tree> trees;  // those that predict best
  };
  // Trainings that `deadline` or a stop comes upon end with the trees that they have; others are not begun.
  // `on_done` is called after each, in the thread that did it.
  std::vector<Grown> TrainAll(const std::vector<TreeRace::Entrant>& entrants,
                              std::optional<Clock::time_point> deadline,
                              const std::function<void(const TreeRun&)>& on_done) const;

  // How many trainings go on at once: as many as there are threads, or fewer where memory is short.
  int AtOnce(std::size_t trainings) const;

 private:
  Grown Train(const GbdtConfig& setting, Crew* crew, const std::function<bool()>& ended) const;

  const Options options_;
};

}  // namespace ps
