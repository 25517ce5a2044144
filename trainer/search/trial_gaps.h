// How far the trials of a search are behind the best one, compared row by row of the validation rows.
// One thread.
#pragma once

#include <string>

#include "trainer/search/search_state.pb.h"
#include "trainer/search/search_store.h"

namespace ps {

// Whether trials are to leave the losses of their rows: AUC is no mean of losses.
bool HasRowLosses(const std::string& metric);

// Fills in `behind` and `error` of all trials that learnt all rows, where the best is another than the
// one that they were compared with.
void CompareWithBest(const SearchStore& store, const std::string& metric, search::Search* state);

}  // namespace ps
