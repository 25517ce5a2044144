// What a search tells of its trials: search.json of the bundle (docs/tuning.md), and lines for
// people. Pure.
#pragma once

#include <string>
#include <vector>

#include "models/config/search_space.h"
#include "trainer/search/search_state.pb.h"

namespace ps {

SearchSpace::Point PointOf(const search::Trial& trial);

// The trial of least loss, of those that learnt all rows, the earlier of equals; -1: none has a model.
int BestTrial(const search::Search& search);

// On which rung the figures of a trial are, what it learnt there; -1: it has none.
int JudgedRung(const search::Trial& trial);

// "0.00210 ± 0.00040", as far as a trial that learnt all rows is behind the best; empty: that is not known.
std::string DescribeGap(const search::Search& search, int trial);

// Trials that the best one leads by less than two standard errors: for people, empty if there are none.
std::string DescribeEqualTrials(const search::Search& search);

// "trial 7, model.type: gbdt: log_loss 0.45121, 12.1s": what came of it.
std::string DescribeTrial(const SearchSpace& space, const std::string& metric, const search::Search& search, int trial);

// What a trial warns of, and none before it did.
std::vector<std::string> NewWarnings(const search::Search& search, int trial);

std::string SearchJson(const SearchSpace& space, const std::string& metric, const search::Search& search);

}  // namespace ps
