#include "trainer/gbdt/row_check.h"

#include <immintrin.h>

#include <algorithm>
#include <cmath>

namespace ps {
namespace {

bool IsLabel(float label, LabelRule rule, std::size_t classes) {
  switch (rule) {
    case LabelRule::kBinary:
      return label == 0 || label == 1;
    case LabelRule::kNumber:
      return std::isfinite(label);
    case LabelRule::kClass:
      return label >= 0 && label < static_cast<float>(classes) && label == std::floor(label);
  }
  return false;
}

// No bin is above its column's last, and the bytes between rows are 0.
bool AreSoundBins(const BinnedRows& rows, const std::vector<BinColumn>& columns) {
  constexpr std::size_t kWidth = sizeof(__m256i);
  // The largest bytes of as many rows as end where a register does.
  std::vector<std::uint8_t> most(kWidth * rows.stride);
  for (std::size_t row = 0; row < most.size(); row += rows.stride) {
    for (std::size_t c = 0; c < columns.size(); ++c)
      most[row + c] = static_cast<std::uint8_t>(columns[c].bins());
  }
  const auto load = [](const std::uint8_t* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  };
  const std::size_t bytes = rows.rows * rows.stride;
  __m256i above = _mm256_setzero_si256();
  for (std::size_t first = 0; first < bytes; first += most.size()) {
    // Behind the last row there are zeros.
    const std::size_t end = std::min(most.size(), bytes - first);
    for (std::size_t i = 0; i < end; i += kWidth) {
      const __m256i bin = load(rows.bins.data() + first + i);
      above = _mm256_or_si256(above, _mm256_subs_epu8(bin, load(most.data() + i)));
    }
  }
  return _mm256_testz_si256(above, above) != 0;
}

// Rows lie behind one another, and the cells of each ascend.
bool AreSoundCells(const BinnedRows& rows, std::uint64_t cells) {
  const std::vector<std::uint64_t>& begin = rows.row_begin;
  if (begin.front() != 0 || begin.back() != cells || !std::is_sorted(begin.begin(), begin.end()))
    return false;
  bool sound = true;
  for (std::size_t r = 0; r < rows.rows; ++r) {
    std::uint32_t last = 0;
    for (std::uint64_t i = begin[r]; i < begin[r + 1]; ++i) {
      const std::uint32_t cell = rows.cells[i];
      sound &= (cell >= last) & (cell < rows.first_cell.back());
      last = cell;
    }
  }
  return sound;
}

}  // namespace

bool AreSoundRows(const BinnedRows& rows, std::uint64_t cells, const BinPlan& bins,
                  LabelRule labels) {
  const auto is_label = [&](float label) { return IsLabel(label, labels, bins.classes.size()); };
  const auto is_weight = [](float weight) { return weight >= 0 && std::isfinite(weight); };
  return std::all_of(rows.labels.begin(), rows.labels.end(), is_label) &&
         std::all_of(rows.weights.begin(), rows.weights.end(), is_weight) &&
         (rows.sparse ? AreSoundCells(rows, cells) : AreSoundBins(rows, bins.columns));
}

}  // namespace ps
