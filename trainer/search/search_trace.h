// What a search tells of its trials: search.json of the bundle (docs/tuning.md), and lines for
// people. Pure.
#pragma once

#include <string>

#include "models/config/search_space.h"
#include "trainer/search/search_state.pb.h"

namespace ps {

SearchSpace::Point PointOf(const search::Trial& trial);

// The trial of least loss, the earlier of equals; -1: none has a model.
int BestTrial(const search::Search& search);

// "trial 7, model.type: gbdt: log_loss 0.45121, 12.1s": what came of it.
std::string DescribeTrial(const SearchSpace& space, const std::string& metric, const search::Search& search, int trial);

std::string SearchJson(const SearchSpace& space, const std::string& metric, const search::Search& search);

}  // namespace ps
