// Who of the servers, or of the workers, has which columns, and how the cells of their histograms go in groups on the
// wire. Workers and servers find the same by themselves. Pure functions.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace ps {

// For each server its columns, ascending. Runs of about equal numbers of cells are dealt forth and
// back: columns next to each other are often alike, those of the commonest or of the rarest values
// say, and cost about as much to scan. `offsets`: where each column's cells begin, and the end.
std::vector<std::vector<std::uint32_t>> ShareColumns(const std::vector<std::uint64_t>& offsets,
                                                     std::uint32_t servers);

// The same for workers that have their columns' rows too: for each its columns, ascending. Each
// column goes to who has the fewest cells so far, so neighbours go to different ones.
std::vector<std::vector<std::uint32_t>> DealColumns(const std::vector<std::uint64_t>& offsets,
                                                    std::uint32_t workers);

// Cells that lie next to each other, at most kMostGroupCells.
inline constexpr std::uint32_t kMostGroupCells = 64;
struct CellGroup {
  std::uint64_t first = 0;
  std::uint32_t count = 0;
};

// The groups of all cells of these columns, in order. A column of more cells than a group takes is
// cut into groups of about equal sizes. With `together` columns next to each other share a group
// where they fit into it whole: of sparse rows most have few cells. `place` says where the cells of
// a column begin in the caller's memory, which may leave room between columns unless they go
// together.
std::vector<CellGroup> GroupCells(const std::vector<std::uint32_t>& columns,
                                  const std::vector<std::uint64_t>& offsets, bool together,
                                  const std::function<std::uint64_t(std::uint32_t)>& place);

}  // namespace ps
