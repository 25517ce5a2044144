// Which settings are tried: those that a race begins with, and challengers near those that lead.
// Settings are round numbers, so that what is printed reads back as the same float.
//
// One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "kernels/optimizer.h"

namespace ps {

// 16 of them. For one pass: eight rates from .05 to 1.3, each a factor of 1.6 from the next; low l1
// with low beta, and high l1 with higher beta. For several: lower rates too, and l2, which many
// passes need.
// Where fewer may live (1, 2, 4 or 8), as many of them, with rates as far apart.
std::vector<OptimizerParams> StartingSettings(bool several_passes, int most = 16);

// "alpha .13 beta .15 l1 .05 l2 0": what differs between lanes, for people.
std::string DescribeSetting(const OptimizerParams& setting);
// "{type: ftrl, alpha: 0.13, ...}": the value of model.optimizer in a job file.
std::string SettingYaml(const OptimizerParams& setting);

class LaneSearch {
 public:
  // A setting that is in the race since `rows` rows, or left it then.
  void Note(const OptimizerParams& setting, std::uint64_t rows);

  // At most `count` neighbours of the parent in one of its settings, the most promising kinds
  // first: none that is live or was noted in the last three quarters of the `rows` rows learnt so
  // far.
  std::vector<OptimizerParams> Challengers(const OptimizerParams& parent,
                                           const std::vector<OptimizerParams>& live, int count,
                                           std::uint64_t rows) const;

 private:
  friend struct TunerAccess;  // tuner_state.h

  std::map<std::string, std::uint64_t> noted_;  // rows when a setting was last noted
};

}  // namespace ps
