#include "trainer/gbdt/libsvm_bins.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "ps/base/crew.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

// Bins of sparse columns hold at least this many rows of the sample: most columns are rare, and
// their cells add up.
constexpr std::uint64_t kSparseBinRows = 32;

// Values of the sample by index.
std::vector<std::uint64_t> CountIndices(const std::vector<TakenRows>& all) {
  std::vector<std::uint64_t> count;
  for (const TakenRows& taken : all) {
    for (const std::vector<std::uint32_t>& block : taken.index) {
      for (const std::uint32_t index : block) {
        if (index >= count.size()) count.resize(std::max<std::size_t>(index + 1, 2 * count.size()));
        ++count[index];
      }
    }
  }
  while (!count.empty() && count.back() == 0) count.pop_back();
  return count;
}

// Indices that trees to start from ask for.
absl::StatusOr<std::vector<bool>> AskedFor(const TreeModel* start) {
  std::vector<bool> asked_for;
  if (start == nullptr) return asked_for;
  for (const TreeColumn& column : start->columns) {
    if (column.source >= kMostSparseColumns)
      return absl::DataLossError("model.warm_start: a column beyond the largest index");
    if (column.source >= asked_for.size()) asked_for.resize(column.source + 1u);
    asked_for[column.source] = true;
  }
  return asked_for;
}

// A column for each index that is there or asked for; *begin: of each column's values, where they lie one column behind
// the other.
void MakeColumns(std::vector<std::uint64_t> count, const std::vector<bool>& asked_for, int index_base, BinPlan* bins,
                 std::vector<std::uint64_t>* begin) {
  count.resize(std::max(count.size(), asked_for.size()));
  bins->column_of_index.assign(count.size(), BinPlan::kNoColumn);
  begin->assign(1, 0);
  for (std::uint32_t index = 0; index < count.size(); ++index) {
    if (count[index] == 0 && !(index < asked_for.size() && asked_for[index])) continue;
    bins->column_of_index[index] = static_cast<std::uint32_t>(bins->sources.size());
    const std::uint32_t shown = index + static_cast<std::uint32_t>(index_base);
    bins->sources.push_back({index, ColumnKind::kNumber, absl::StrCat(shown), false, nullptr});
    begin->push_back(begin->back() + count[index]);
  }
}

// The sample's values, column by column. It is given back meanwhile.
HugeArray<float> ValuesByColumn(const BinPlan& bins, const std::vector<std::uint64_t>& begin,
                                std::vector<TakenRows>* all) {
  HugeArray<float> values(begin.back());
  std::vector<std::uint64_t> next(begin.begin(), begin.end() - 1);
  for (TakenRows& taken : *all) {
    for (std::size_t b = 0; b < taken.index.size(); ++b) {
      for (std::size_t i = 0; i < taken.index[b].size(); ++i) {
        values[next[bins.column_of_index[taken.index[b][i]]]++] = taken.values[b][i];
      }
      taken.index[b] = {};
      taken.values[b] = {};
    }
  }
  return values;
}

void CutColumns(const LoadOptions& options, const HugeArray<float>& values, const std::vector<std::uint64_t>& begin,
                BinPlan* bins) {
  bins->columns.resize(bins->sources.size());
  Crew crew(options.threads);
  const std::uint64_t min_rows = bins->sparse ? kSparseBinRows : 1;
  crew.ForEach(bins->columns.size(), [&](int, std::size_t c) {
    std::vector<float> of_column(values.data() + begin[c], values.data() + begin[c + 1]);
    bins->columns[c].name = bins->sources[c].name;
    std::vector<float>* const cuts = &bins->columns[c].cuts;
    if (options.absent_is_zero) {
      std::erase(of_column, 0.0f);
      *cuts = ChooseCutsAroundZero(CountValues(&of_column), options.max_bins, min_rows);
    } else {
      *cuts = ChooseCuts(CountValues(&of_column), options.max_bins, min_rows);
    }
  });
}

}  // namespace

absl::Status ChooseLibsvmBins(const LoadOptions& options, int index_base, std::vector<TakenRows>* taken, BinPlan* bins) {
  PS_ASSIGN_OR_RETURN(const std::vector<bool> asked_for, AskedFor(options.start));
  std::vector<std::uint64_t> begin;
  MakeColumns(CountIndices(*taken), asked_for, index_base, bins, &begin);
  const std::size_t columns = bins->sources.size();
  if (columns == 0) return absl::InvalidArgumentError("data.train: no row has a feature to grow trees on");
  const double cells = static_cast<double>(bins->sample_rows) * static_cast<double>(columns);
  bins->sparse = columns > kMostDenseColumns || static_cast<double>(begin.back()) < kDenseShare * cells;
  CutColumns(options, ValuesByColumn(*bins, begin, taken), begin, bins);
  std::uint64_t bins_of_all = 0;
  for (const BinColumn& column : bins->columns) bins_of_all += static_cast<std::uint64_t>(column.bins());
  if (bins->sparse && bins_of_all >= 0xffffffffu) {
    return absl::ResourceExhaustedError("more than 2^32 bins: lower model.gbdt.max_bins");
  }
  return absl::OkStatus();
}

}  // namespace ps
