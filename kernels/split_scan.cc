#include "kernels/split_scan.h"

#include <immintrin.h>

#include <algorithm>
#include <cmath>

namespace ps {
namespace {

constexpr int kLanes = 4;

// Gradients or hessians of four sums as doubles.
struct FourSums {
  __m256d g, h;
};
inline FourSums Unpack(__m256i sums) {
  const __m256i low_words = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
  const __m128i g = _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(sums, low_words));
  const __m256i rest = _mm256_srli_epi64(_mm256_sub_epi64(sums, _mm256_cvtepi32_epi64(g)), 32);
  const __m128i h = _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(rest, low_words));
  return {_mm256_cvtepi32_pd(g), _mm256_cvtepi32_pd(h)};
}

inline __m256d CutScores(__m256i left, __m256i total, const ScanParams& p) {
  const FourSums l = Unpack(left), r = Unpack(_mm256_sub_epi64(total, left));
  const __m256d sign = _mm256_set1_pd(-0.0), zero = _mm256_setzero_pd();
  const __m256d l1 = _mm256_set1_pd(p.l1), l2 = _mm256_set1_pd(p.l2),
                least = _mm256_set1_pd(p.min_hessian);
  const __m256d gl = _mm256_max_pd(_mm256_sub_pd(_mm256_andnot_pd(sign, l.g), l1), zero);
  const __m256d gr = _mm256_max_pd(_mm256_sub_pd(_mm256_andnot_pd(sign, r.g), l1), zero);
  const __m256d dl = _mm256_add_pd(l.h, l2), dr = _mm256_add_pd(r.h, l2);
  const __m256d top = _mm256_add_pd(_mm256_mul_pd(_mm256_mul_pd(gl, gl), dr),
                                    _mm256_mul_pd(_mm256_mul_pd(gr, gr), dl));
  const __m256d score = _mm256_div_pd(top, _mm256_mul_pd(dl, dr));
  const __m256d enough =
      _mm256_and_pd(_mm256_cmp_pd(l.h, least, _CMP_GE_OQ), _mm256_cmp_pd(r.h, least, _CMP_GE_OQ));
  return _mm256_blendv_pd(_mm256_set1_pd(-1), score, enough);
}

// The best of cuts after bins first..last, given running sums (running[j] is that of bins 1..j).
void ScanCuts(const WideSum* running, int first, int last, WideSum with_left, WideSum total,
              bool missing_left, const ScanParams& params, ColumnSplit* best) {
  if (first > last) return;
  const __m256i add = _mm256_set1_epi64x(with_left), all = _mm256_set1_epi64x(total);
  __m256d top = _mm256_set1_pd(-1);
  __m256d at = _mm256_setzero_pd();
  __m256d bin = _mm256_setr_pd(first, first + 1, first + 2, first + 3);
  const __m256d past = _mm256_set1_pd(last + 1), step = _mm256_set1_pd(kLanes);
  for (int j = first; j <= last; j += kLanes) {
    const __m256i left =
        _mm256_add_epi64(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(running + j)), add);
    const __m256d score = CutScores(left, all, params);
    const __m256d better =
        _mm256_and_pd(_mm256_cmp_pd(score, top, _CMP_GT_OQ), _mm256_cmp_pd(bin, past, _CMP_LT_OQ));
    top = _mm256_blendv_pd(top, score, better);
    at = _mm256_blendv_pd(at, bin, better);
    bin = _mm256_add_pd(bin, step);
  }
  double scores[kLanes], bins[kLanes];
  _mm256_storeu_pd(scores, top);
  _mm256_storeu_pd(bins, at);
  int lane = 0;
  for (int i = 1; i < kLanes; ++i) {
    if (scores[i] > scores[lane] || (scores[i] == scores[lane] && bins[i] < bins[lane])) lane = i;
  }
  if (scores[lane] > best->score) {
    const int cut = static_cast<int>(bins[lane]);
    *best = {scores[lane], cut, missing_left, running[cut] + with_left};
  }
}

}  // namespace

double MostScore(const ColumnCells& column, const ScanParams& params) {
  constexpr double kMargin = 1 + 1e-9;  // of roundings here and there
  const __m256d zero = _mm256_setzero_pd(), least = _mm256_set1_pd(1e-3);
  const __m256i lanes = _mm256_setr_epi64x(0, 1, 2, 3);
  __m256d parts = zero, ups = zero;
  for (int j = 0; j < column.bins; j += kLanes) {
    const __m256i there = _mm256_cmpgt_epi64(_mm256_set1_epi64x(column.bins - j), lanes);
    const FourSums cell =
        Unpack(_mm256_maskload_epi64(reinterpret_cast<const long long*>(column.cells + j), there));
    parts = _mm256_add_pd(parts, _mm256_div_pd(_mm256_mul_pd(cell.g, cell.g), _mm256_max_pd(cell.h, least)));
    ups = _mm256_add_pd(ups, _mm256_max_pd(cell.g, zero));
  }
  double part[kLanes], up[kLanes];
  _mm256_storeu_pd(part, parts);
  _mm256_storeu_pd(up, ups);
  const double most = part[0] + part[1] + part[2] + part[3], rise = up[0] + up[1] + up[2] + up[3];
  const WideSum present = column.total - column.missing;
  const double fall = rise - WideGradient(present);
  const double rest = WideHessian(column.total) - WideHessian(present) + params.l2;
  if (rest <= 0) return INFINITY;
  const double g = WideGradient(column.total), far = std::max(std::fabs(g - rise), std::fabs(g + fall));
  return (most + far * far / rest) * kMargin;
}

ColumnSplit BestSplitPlain(const ColumnCells& column, const ScanParams& params) {
  return ScanCutsPlain(column,
                       [&](WideSum left) { return CutScore(left, column.total, params); });
}

ColumnSplit BestSplit(const ColumnCells& column, const ScanParams& params) {
  WideSum running[kBinsPerColumn + kLanes];
  WideSum sum = 0;
  running[0] = 0;
  for (int j = 1; j <= column.bins; ++j) running[j] = sum += column.cells[j - 1];
  for (int j = column.bins + 1; j <= column.bins + kLanes - 1; ++j) running[j] = sum;
  ColumnSplit best;
  const bool has_missing = column.missing != 0;
  ScanCuts(running, 1, has_missing ? column.bins : column.bins - 1, 0, column.total, false, params,
           &best);
  if (has_missing) {
    ScanCuts(running, 1, column.bins - 1, column.missing, column.total, true, params, &best);
  }
  return best;
}

}  // namespace ps
