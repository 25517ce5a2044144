// Decides how the settings of trees are found: which are tried in how many trees, and which go on.
//
// Successive halving (Jamieson and Talwalkar, AISTATS 2016) over short trainings. A round trains some
// settings to one length; the best of a short round go on to a longer one, beside challengers that are born of
// them. Of several challengers that could be born, the one enters that resembles the good settings most
// and the others least (as in Bergstra et al., NIPS 2011). A short training has larger steps than the long one that it stands for, else it would favour
// high rates. All are judged on the same held-out rows, so two are compared by the differences of
// their losses row by row. No training is done twice: places of the space that come down to one setting are one.
//
// A function of its seed, the budget and what it is told: no clock, no thread of its own.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "models/config/job_config.h"
#include "trainer/gbdt/setting_space.h"

namespace ps {

// What became of one training.
struct TreeRun {
  int grown = 0;       // trees; 0: it was not begun
  int best_trees = 0;  // of them, that predict the held-out rows best
  double loss = 0;     // of those: log loss, or mean squared error
  std::vector<float> row_losses;  // the same for each row
};

class TreeRace {
 public:
  struct Options {
    GbdtConfig job;
    std::uint64_t seed = 1;
    std::vector<float> row_weights;  // of the held-out rows; empty: all 1
  };
  explicit TreeRace(Options options);

  struct Entrant {
    int number = 0;      // of the setting
    GbdtConfig setting;  // to be trained
  };
  // The next round, for which `left` trees may be grown; empty: the race is over.
  std::vector<Entrant> NextRound(double left);
  // What became of the round's entrants, in their order. False: none was begun.
  bool Judge(std::vector<TreeRun> runs);

  // The round that was judged, for people.
  const std::string& news() const { return news_; }
  // Of the last round that is over: the entrant that is the best so far of all, or -1.
  int best_of_round() const { return best_of_round_; }
  // The best training so far, its number of trees being those that predict best.
  const GbdtConfig& best() const { return best_; }
  double best_loss() const { return best_loss_; }
  std::uint64_t grown() const { return grown_; }  // trees, by all trainings

  // tuning.json of the bundle (docs/tuning.md).
  std::string TraceJson() const;

 private:
  struct Candidate {
    SettingSpace::Place place;
    int parent = -1;
    GbdtConfig setting;  // of the place
  };
  struct Standing {
    int number = 0;
    GbdtConfig setting;
    int grown = 0, best_trees = 0;
    double loss = 0, behind = 0, error = 0;  // the leader of the round; standard error of that
  };
  struct Round {
    int trees = 0;
    std::vector<Standing> standings;  // best first
  };

  enum Stage { kFresh, kLonger, kChallengers, kFull, kFullChallengers };

  // False: nothing was entered, as that very training was there before.
  bool Enter(int number);
  // The same of a setting that is none of the candidates' so far: it becomes one.
  bool EnterNew(const SettingSpace::Place& place, int parent);
  bool IsNew(const GbdtConfig& setting) const;       // of the candidates
  bool IsUntrained(const GbdtConfig& training) const;
  void EnterFresh(int count);
  void EnterChallengers(int count);
  void EnterBest(int count);
  void EnterStage(Stage stage, double left);
  int RoundSize(double share, double left) const;
  std::vector<int> Leaders(int count) const;
  double Promise(const SettingSpace::Place& place) const;
  // None: whatever was born is known.
  std::optional<SettingSpace::Place> MostPromising(const SettingSpace::Place& parent, const SettingSpace::Place& other,
                                                   std::size_t number) const;
  double ErrorOf(const TreeRun& run, const TreeRun& leader) const;
  std::string NewsOf(const Round& round) const;

  const Options options_;
  const SettingSpace space_;
  std::vector<int> lengths_;  // of trainings, in trees, ascending; the last is the job's
  std::vector<Candidate> candidates_;  // by number
  std::vector<Entrant> round_;
  int round_trees_ = 0;
  int stage_ = kFresh;
  double budget_ = 0;  // trees that were left at first
  std::vector<Round> rounds_;
  std::vector<SettingSpace::Place> good_, bad_;  // of the rounds
  std::string news_;
  int best_of_round_ = -1;
  int best_number_ = -1;
  GbdtConfig best_;
  double best_loss_ = std::numeric_limits<double>::infinity();
  std::uint64_t grown_ = 0;
};

}  // namespace ps
