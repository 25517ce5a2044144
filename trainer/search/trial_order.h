// In which order a search tries the points of its space.
//
// The first trial is the first value of every key. Every other one of those that follow is drawn at
// random; those between change one key of the best so far, to a value next to its own before any
// other, or of the next best where the neighbours of the best are known. No job is tried twice.
//
// A function of seed and results: a search that goes on after a kill goes on as it would have. Any
// thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/config/search_space.h"

namespace ps {

struct TriedPoint {
  SearchSpace::Point point;
  double loss = 0;  // less is better; infinite: it failed
};

// Nothing: all have been tried.
std::optional<SearchSpace::Point> NextPoint(const SearchSpace& space, std::uint64_t seed,
                                            const std::vector<TriedPoint>& tried);

// Jobs in a space, exact up to `most`.
std::uint64_t CountJobs(const SearchSpace& space, std::uint64_t most);

}  // namespace ps
