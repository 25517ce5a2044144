#include "ps/trees/column_shares.h"

#include <algorithm>
#include <set>
#include <utility>

namespace ps {
namespace {

constexpr std::uint64_t kRunsPerServer = 32;

}  // namespace

std::vector<std::vector<std::uint32_t>> ShareColumns(const std::vector<std::uint64_t>& offsets,
                                                     std::uint32_t servers) {
  std::vector<std::vector<std::uint32_t>> shares(servers);
  const std::uint64_t run_cells =
      std::max<std::uint64_t>(1, offsets.back() / (kRunsPerServer * servers));
  std::uint64_t run = 0, run_first = 0;
  for (std::uint32_t column = 0; column + 1 < offsets.size(); ++column) {
    const std::uint64_t place = run % (2 * std::uint64_t{servers});
    shares[place < servers ? place : 2 * std::uint64_t{servers} - 1 - place].push_back(column);
    if (offsets[column + 1] - run_first < run_cells) continue;
    ++run;
    run_first = offsets[column + 1];
  }
  return shares;
}

std::vector<std::vector<std::uint32_t>> DealColumns(const std::vector<std::uint64_t>& offsets,
                                                    std::uint32_t workers) {
  std::vector<std::vector<std::uint32_t>> shares(workers);
  std::set<std::pair<std::uint64_t, std::uint32_t>> least;  // cells, worker
  for (std::uint32_t worker = 0; worker < workers; ++worker) least.emplace(0, worker);
  for (std::uint32_t column = 0; column + 1 < offsets.size(); ++column) {
    const auto [cells, worker] = *least.begin();
    least.erase(least.begin());
    shares[worker].push_back(column);
    least.emplace(cells + offsets[column + 1] - offsets[column], worker);
  }
  return shares;
}

std::vector<CellGroup> GroupCells(const std::vector<std::uint32_t>& columns,
                                  const std::vector<std::uint64_t>& offsets, bool together,
                                  const std::function<std::uint64_t(std::uint32_t)>& place) {
  std::vector<CellGroup> groups;
  bool open = false;  // the last group takes more columns
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const std::uint32_t column = columns[i];
    const auto cells = static_cast<std::uint32_t>(offsets[column + 1] - offsets[column]);
    if (cells == 0) continue;
    open = open && i > 0 && columns[i - 1] + 1 == column &&
           groups.back().count + cells <= kMostGroupCells;
    if (open) {
      groups.back().count += cells;
      continue;
    }
    const std::uint32_t parts = (cells + kMostGroupCells - 1) / kMostGroupCells;
    const std::uint64_t first = place(column);
    for (std::uint32_t p = 0; p < parts; ++p) {
      const std::uint32_t begin = cells * p / parts, end = cells * (p + 1) / parts;
      groups.push_back({first + begin, end - begin});
    }
    open = together && parts == 1;
  }
  return groups;
}

}  // namespace ps
