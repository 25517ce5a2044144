#include "kernels/leaf_masks.h"

// GCC 12 takes what its own intrinsics leave undefined for a mistake (its bug 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <limits>

#define PS_WIDE [[gnu::target("avx512f,avx512cd,avx2,bmi,bmi2,lzcnt")]]

namespace ps {
namespace {

constexpr std::uint32_t kLeavesOfAWord = 32;

std::uint32_t FirstWord(const LeafTest& test) { return test.first / kLeavesOfAWord; }
std::uint32_t EndWord(const LeafTest& test) { return (test.end + kLeavesOfAWord - 1) / kLeavesOfAWord; }

// The leaves of a word that a row keeps that goes right.
std::uint32_t Keep(const LeafTest& test, std::uint32_t word) {
  const std::uint32_t base = word * kLeavesOfAWord;
  const std::uint32_t first = std::max(test.first, base) - base;
  const std::uint32_t end = std::min(test.end - base, kLeavesOfAWord);
  const auto from = [](std::uint32_t leaf) { return leaf == kLeavesOfAWord ? 0 : ~std::uint32_t{0} >> leaf; };
  return ~(from(first) & ~from(end));
}

// No value is below either.
float Threshold(const LeafTest& test) {
  return std::isnan(test.threshold) ? -std::numeric_limits<float>::infinity() : test.threshold;
}

// The first word of the sets.
std::uint32_t AddSets(const std::vector<LeafSet>& sets, std::vector<std::uint32_t>* words) {
  const auto first = static_cast<std::uint32_t>(words->size());
  for (const LeafSet& set : sets) words->insert(words->end(), set.begin(), set.end());
  return first;
}

// Numbers of bins, as a row has them of a categorical column.
PS_WIDE inline __m512i Bins(__m512 values) {
  const __mmask16 below = _mm512_cmp_ps_mask(values, _mm512_set1_ps(256), _CMP_LT_OQ);
  return _mm512_maskz_cvttps_epi32(_mm512_mask_cmp_ps_mask(below, values, _mm512_setzero_ps(), _CMP_GE_OQ), values);
}

// Two vectors of rows share what is read of a test. kRight: of a value and the threshold, whether the row goes right.
template <int kHalves, int kRight, typename Test>
PS_WIDE [[gnu::always_inline]] inline void Compare(const Test& test, const float* turned, __m512i* left) {
  const __m512 threshold = _mm512_set1_ps(test.threshold);
  const __m512i keep = _mm512_set1_epi32(static_cast<int>(test.keep));
  for (int r = 0; r < kHalves; ++r) {
    const __m512 values = _mm512_loadu_ps(turned + test.place + 16 * r);
    left[r] = _mm512_mask_and_epi32(left[r], _mm512_cmp_ps_mask(values, threshold, kRight), left[r], keep);
  }
}

}  // namespace

std::size_t MaskedTests(const std::vector<LeafTest>& tests) {
  std::size_t sum = 0;
  for (const LeafTest& test : tests) sum += EndWord(test) - FirstWord(test);
  return sum;
}

bool LeafMasks::Supported() {
  static const bool supported = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd");
  return supported;
}

std::size_t LeafMasks::AddTree(const std::vector<LeafTest>& tests, const std::vector<LeafSet>& sets,
                               const std::vector<float>& values) {
  constexpr std::size_t kKinds = 3;  // in the order of Word
  const auto kind_of = [](const LeafTest& test) { return test.set != LeafTest::kNoSet ? 2 : test.missing_left ? 0 : 1; };
  const std::size_t words = std::max<std::size_t>(1, (values.size() + kLeavesOfAWord - 1) / kLeavesOfAWord);
  const std::uint32_t first_set = AddSets(sets, &sets_);
  // Where those of each word and kind begin, then where the next one goes.
  std::vector<std::uint32_t> place(words * kKinds + 1);
  for (const LeafTest& test : tests) {
    for (std::uint32_t w = FirstWord(test); w < EndWord(test); ++w) ++place[w * kKinds + kind_of(test) + 1];
  }
  place[0] = static_cast<std::uint32_t>(tests_.size());
  for (std::size_t i = 1; i < place.size(); ++i) place[i] += place[i - 1];
  const auto first_word = static_cast<std::uint32_t>(words_.size());
  for (std::size_t w = 0; w < words; ++w) {
    const std::uint32_t* const of = place.data() + w * kKinds;
    words_.push_back({of[0], of[1], of[2], of[3]});
  }
  tests_.resize(place.back());
  for (const LeafTest& test : tests) {
    const std::uint32_t set = test.set != LeafTest::kNoSet ? first_set + test.set * static_cast<std::uint32_t>(LeafSet().size()) : 0;
    for (std::uint32_t w = FirstWord(test); w < EndWord(test); ++w) {
      tests_[place[w * kKinds + kind_of(test)]++] = {test.column * static_cast<std::uint32_t>(kRows), Keep(test, w),
                                                     Threshold(test), set};
    }
  }
  trees_.push_back({first_word, static_cast<std::uint32_t>(words_.size())});
  values_.insert(values_.end(), values.begin(), values.end());
  values_.resize(words_.size() * kLeavesOfAWord);
  return trees_.size() - 1;
}

PS_WIDE void LeafMasks::Turn(const float* rows, std::size_t columns, std::size_t count, float* turned) {
  for (std::size_t half = 0; half < count; half += 16) {
    const float* row[16];
    for (std::size_t r = 0; r < 16; ++r) row[r] = rows + std::min(half + r, count - 1) * columns;
    std::size_t c = 0;
    for (; c + 4 <= columns; c += 4) {
      __m512 part[4];  // the four values of rows i, i + 4, i + 8 and i + 12
      for (int i = 0; i < 4; ++i) {
        part[i] = _mm512_castps128_ps512(_mm_loadu_ps(row[i] + c));
        part[i] = _mm512_insertf32x4(part[i], _mm_loadu_ps(row[i + 4] + c), 1);
        part[i] = _mm512_insertf32x4(part[i], _mm_loadu_ps(row[i + 8] + c), 2);
        part[i] = _mm512_insertf32x4(part[i], _mm_loadu_ps(row[i + 12] + c), 3);
      }
      const __m512 low01 = _mm512_unpacklo_ps(part[0], part[1]), low23 = _mm512_unpacklo_ps(part[2], part[3]);
      const __m512 high01 = _mm512_unpackhi_ps(part[0], part[1]), high23 = _mm512_unpackhi_ps(part[2], part[3]);
      float* const out = turned + c * kRows + half;
      _mm512_storeu_ps(out, _mm512_shuffle_ps(low01, low23, 0x44));
      _mm512_storeu_ps(out + kRows, _mm512_shuffle_ps(low01, low23, 0xee));
      _mm512_storeu_ps(out + 2 * kRows, _mm512_shuffle_ps(high01, high23, 0x44));
      _mm512_storeu_ps(out + 3 * kRows, _mm512_shuffle_ps(high01, high23, 0xee));
    }
    for (; c < columns; ++c) {
      for (std::size_t r = 0; r < 16; ++r) turned[c * kRows + half + r] = row[r][c];
    }
  }
}

template <int kHalves>
PS_WIDE void LeafMasks::AddHalves(const float* turned, std::size_t first, std::size_t end, double* sums) const {
  __m512d sum[2 * kHalves];
  for (int i = 0; i < 2 * kHalves; ++i) sum[i] = _mm512_loadu_pd(sums + 8 * i);
  const Test* const tests = tests_.data();
  for (std::size_t t = first; t < end; ++t) {
    __m512 value[kHalves];
    __mmask16 open[kHalves];  // rows whose leaf is in none of the words before
    for (int r = 0; r < kHalves; ++r) {
      value[r] = _mm512_setzero_ps();
      open[r] = 0xffff;
    }
    for (std::uint32_t w = trees_[t].first; w < trees_[t].end; ++w) {
      const Word word = words_[w];
      __m512i left[kHalves];
      for (int r = 0; r < kHalves; ++r) left[r] = _mm512_set1_epi32(-1);
      std::uint32_t i = word.first;
      for (; i < word.right; ++i) Compare<kHalves, _CMP_GE_OQ>(tests[i], turned, left);
      for (; i < word.sets; ++i) Compare<kHalves, _CMP_NLT_UQ>(tests[i], turned, left);
      for (; i < word.end; ++i) {
        const __m512i set = _mm512_castsi256_si512(
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(sets_.data() + tests[i].set)));
        const __m512i keep = _mm512_set1_epi32(static_cast<int>(tests[i].keep));
        for (int r = 0; r < kHalves; ++r) {
          const __m512i bins = Bins(_mm512_loadu_ps(turned + tests[i].place + 16 * r));
          const __m512i bits = _mm512_permutexvar_epi32(_mm512_srli_epi32(bins, 5), set);
          const __m512i bit = _mm512_sllv_epi32(_mm512_set1_epi32(1), _mm512_and_si512(bins, _mm512_set1_epi32(31)));
          left[r] = _mm512_mask_and_epi32(left[r], _mm512_testn_epi32_mask(bits, bit), left[r], keep);
        }
      }
      const float* const leaves = values_.data() + std::size_t{w} * kLeavesOfAWord;
      const __m512 low = _mm512_loadu_ps(leaves);
      const __m512 high = _mm512_loadu_ps(leaves + 16);
      for (int r = 0; r < kHalves; ++r) {
        const __mmask16 here = _mm512_mask_test_epi32_mask(open[r], left[r], left[r]);
        const __m512 of_leaf = _mm512_permutex2var_ps(low, _mm512_lzcnt_epi32(left[r]), high);
        value[r] = _mm512_mask_mov_ps(value[r], here, of_leaf);
        open[r] = static_cast<__mmask16>(open[r] & ~here);
      }
    }
    for (int r = 0; r < kHalves; ++r) {
      const __m256 upper = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(value[r]), 1));
      sum[2 * r] = _mm512_add_pd(sum[2 * r], _mm512_cvtps_pd(_mm512_castps512_ps256(value[r])));
      sum[2 * r + 1] = _mm512_add_pd(sum[2 * r + 1], _mm512_cvtps_pd(upper));
    }
  }
  for (int i = 0; i < 2 * kHalves; ++i) _mm512_storeu_pd(sums + 8 * i, sum[i]);
}

PS_WIDE void LeafMasks::Add(const float* turned, std::size_t count, std::size_t first, std::size_t end, double* sums) const {
  if (count > kRows / 2) {
    AddHalves<2>(turned, first, end, sums);
  } else {
    AddHalves<1>(turned, first, end, sums);
  }
}

std::size_t RowLeafMasks::AddTree(const std::vector<LeafTest>& tests, const std::vector<LeafSet>& sets, std::size_t leaves) {
  const std::size_t first = used_;
  const std::uint32_t first_set = AddSets(sets, &sets_);
  used_ += std::max<std::size_t>(1, (leaves + kLeavesOfAWord - 1) / kLeavesOfAWord);
  groups_.resize((used_ + kLanes - 1) / kLanes);
  for (const LeafTest& test : tests) {
    for (std::uint32_t w = FirstWord(test); w < EndWord(test); ++w) {
      Group& group = groups_[(first + w) / kLanes];
      const std::size_t lane = (first + w) % kLanes;
      if (test.set != LeafTest::kNoSet) {
        const std::uint32_t step = group.set_tests[lane]++;
        if (step == group.set_steps.size()) {
          group.set_steps.emplace_back();
          std::fill_n(group.set_steps.back().keep, kLanes, ~0u);
        }
        group.set_steps[step].column[lane] = test.column;
        group.set_steps[step].keep[lane] = Keep(test, w);
        group.set_steps[step].set[lane] = first_set + test.set * static_cast<std::uint32_t>(LeafSet().size());
        continue;
      }
      const std::uint32_t step = group.tests[lane]++;
      if (step == group.steps.size()) {
        group.steps.emplace_back();
        std::fill_n(group.steps.back().keep, kLanes, ~0u);
        group.missing_right.push_back(0);
      }
      group.steps[step].column[lane] = test.column;
      group.steps[step].keep[lane] = Keep(test, w);
      group.steps[step].threshold[lane] = Threshold(test);
      if (!test.missing_left) group.missing_right[step] |= static_cast<std::uint16_t>(1u << lane);
    }
  }
  return first;
}

template <bool kMissing, bool kFewColumns>
PS_WIDE void RowLeafMasks::WordsOf(const Group& group, const float* row, std::size_t columns,
                                   std::uint32_t* words) const {
  __m512 low = _mm512_setzero_ps(), high = low;
  if constexpr (kFewColumns) {  // the row is in two registers
    low = _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << std::min<std::size_t>(16, columns)) - 1), row);
    if (columns > 16) high = _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << (columns - 16)) - 1), row + 16);
  }
  __m512i left = _mm512_set1_epi32(-1);
  const Step* step = group.steps.data();
  for (std::size_t s = 0; s < group.steps.size(); ++s, ++step) {
    const __m512i column = _mm512_load_si512(step->column);
    const __m512 values = kFewColumns ? _mm512_permutex2var_ps(low, column, high)
                                      : _mm512_i32gather_ps(column, row, sizeof(float));
    __mmask16 right = _mm512_cmp_ps_mask(values, _mm512_load_ps(step->threshold), _CMP_NLT_UQ);
    if constexpr (kMissing) {
      right &= static_cast<__mmask16>(_mm512_cmp_ps_mask(values, values, _CMP_ORD_Q) | group.missing_right[s]);
    }
    left = _mm512_mask_and_epi32(left, right, left, _mm512_load_si512(step->keep));
  }
  for (const SetStep& set_step : group.set_steps) {
    const __m512i bins = Bins(_mm512_i32gather_ps(_mm512_load_si512(set_step.column), row, sizeof(float)));
    const __m512i places = _mm512_add_epi32(_mm512_load_si512(set_step.set), _mm512_srli_epi32(bins, 5));
    const __m512i bits = _mm512_i32gather_epi32(places, sets_.data(), sizeof(std::uint32_t));
    const __m512i bit = _mm512_sllv_epi32(_mm512_set1_epi32(1), _mm512_and_si512(bins, _mm512_set1_epi32(31)));
    left = _mm512_mask_and_epi32(left, _mm512_testn_epi32_mask(bits, bit), left, _mm512_load_si512(set_step.keep));
  }
  _mm512_storeu_si512(words, left);
}

PS_WIDE void RowLeafMasks::Words(const float* row, std::size_t columns, std::size_t first, std::size_t end,
                                 std::uint32_t* words) const {
  const bool few = columns <= 2 * kLanes;
  bool missing = !few;  // looking through many costs more than it saves
  if (few) {
    for (std::size_t c = 0; c < columns; ++c) missing |= row[c] != row[c];
  }
  for (std::size_t g = first / kLanes; g * kLanes < end; ++g) {
    std::uint32_t* const out = words + (g - first / kLanes) * kLanes;
    if (!few) {
      WordsOf<true, false>(groups_[g], row, columns, out);
    } else if (missing) {
      WordsOf<true, true>(groups_[g], row, columns, out);
    } else {
      WordsOf<false, true>(groups_[g], row, columns, out);
    }
  }
}

}  // namespace ps

#pragma GCC diagnostic pop
