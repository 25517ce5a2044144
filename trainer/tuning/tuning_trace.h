// What a race of lanes was decided on: tuning.json of the bundle (docs/tuning.md). Plain data; one
// thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/optimizer.h"

namespace ps {

struct TuningTrace {
  struct Lane {
    int number = 0;
    OptimizerParams setting;
    int parent = -1;               // whose weights it began with; -1: it began with the data
    std::uint64_t born_rows = 0;   // learnt before it
    std::uint64_t ended_rows = 0;  // learnt when it ended
    std::string end;               // behind, equal, crowded, diverged, lost, chosen
  };
  struct Standing {
    int lane = 0;       // its number
    double loss = 0;    // nats a row
    double behind = 0;  // the leader, nats a row
    double error = 0;   // standard error of that
  };
  struct Decision {
    std::uint64_t rows = 0;  // learnt so far
    int pass = 1;
    bool on_validation = false;
    std::vector<Standing> standings;  // the leader first
  };

  // A lane after so many passes, over several folds of validation rows.
  struct Candidate {
    int lane = 0;  // its number
    int pass = 0;
    double loss = 0;  // nats a row, the mean of the folds
  };

  std::vector<Lane> lanes;  // by number
  std::vector<Decision> decisions;
  int folds = 1;                      // of validation rows; `decisions` are of the first
  std::vector<Candidate> candidates;  // of several folds, the best first
  int chosen = -1;

  // The file: one object, lines for people to read too.
  std::string ToJson() const;
};

}  // namespace ps
