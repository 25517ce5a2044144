#include "ps/trees/histogram_codec.h"

#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cstdint>

#include "ps/trees/bit_stream.h"

namespace ps {
namespace {

constexpr std::size_t kGroup = kMostGroupCells;
enum Kind : std::uint64_t { kNone = 0, kAll = 1, kAllButOne = 2, kSome = 3 };
constexpr unsigned kKindBits = 2, kPlaceBits = 6;
// A number whose distance is as many widths or more is written out.
constexpr unsigned kFar = 20, kFarBits = 34;
constexpr unsigned kMostWidth = 32;

constexpr std::uint64_t MaskOf(std::size_t cells) {
  return cells == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << cells) - 1;
}

// How a group's gradients, or its hessians, are written: as distances from `centre`. Width 0: all
// are the centre.
struct Scale {
  std::int64_t centre = 0;
  unsigned width = 0;

  unsigned low_bits() const { return width - 1; }
  // Of what the centre is moved in: an eighth of the numbers' deviation costs nothing.
  static unsigned StepBits(unsigned width) { return width < 2 ? 0 : width - 2; }
};

// Elias's gamma code.
void PutSigned(std::int64_t x, BitWriter* out) {
  const std::uint64_t z = ZigZag(x) + 1;
  const auto digits = static_cast<unsigned>(std::bit_width(z));
  out->Put(std::uint64_t{1} << (digits - 1), digits);
  out->Put(z & MaskOf(digits - 1), digits - 1);
}

bool TakeSigned(BitReader* in, std::int64_t* x) {
  const auto zeros = static_cast<unsigned>(std::countr_zero(in->Peek()));
  if (zeros > kFarBits + 1) return false;
  in->Skip(zeros + 1);
  *x = UnZigZag((std::uint64_t{1} << zeros | in->Take(zeros)) - 1);
  return true;
}

// The codes of numbers, where none is far: sign, low bits and widths as TakeNumber reads them.
struct Codes {
  std::uint64_t bits[kGroup], width[kGroup];
};

// Of `count` numbers rounded up to four. False where one is far, or all are the centre and have no
// code.
bool FindCodes(const std::int32_t* numbers, std::size_t count, const Scale& scale, Codes* codes) {
  if (scale.width == 0) return false;
  const __m128i low_bits = _mm_cvtsi32_si128(static_cast<int>(scale.low_bits()));
  const __m256i centre = _mm256_set1_epi64x(scale.centre), one = _mm256_set1_epi64x(1),
                low_mask =
                    _mm256_set1_epi64x(static_cast<std::int64_t>(MaskOf(scale.low_bits()))),
                least_width = _mm256_set1_epi64x(2 + static_cast<std::int64_t>(scale.low_bits())),
                last_near = _mm256_set1_epi64x(kFar - 1);
  __m256i far = _mm256_setzero_si256();
  for (std::size_t i = 0; i < count; i += 4) {
    const __m256i distance = _mm256_sub_epi64(
        _mm256_cvtepi32_epi64(_mm_loadu_si128(reinterpret_cast<const __m128i*>(numbers + i))),
        centre);
    const __m256i below = _mm256_cmpgt_epi64(_mm256_setzero_si256(), distance);
    const __m256i size = _mm256_xor_si256(distance, below);
    const __m256i widths = _mm256_srl_epi64(size, low_bits);
    far = _mm256_or_si256(far, _mm256_cmpgt_epi64(widths, last_near));
    const __m256i signed_low = _mm256_or_si256(
        _mm256_slli_epi64(_mm256_and_si256(size, low_mask), 1), _mm256_srli_epi64(below, 63));
    const __m256i code = _mm256_or_si256(_mm256_slli_epi64(signed_low, 1), one);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes->bits + i),
                        _mm256_sllv_epi64(code, widths));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes->width + i),
                        _mm256_add_epi64(widths, least_width));
  }
  return _mm256_testz_si256(far, far);
}

void PutNumber(std::int64_t number, const Scale& scale, BitWriter::Cursor* out) {
  if (scale.width == 0) return;
  const std::int64_t distance = number - scale.centre;
  const bool below = distance < 0;
  const auto size = static_cast<std::uint64_t>(below ? ~distance : distance);
  const std::uint64_t widths = size >> scale.low_bits();
  if (widths >= kFar) return out->Put(ZigZag(distance) << kFar, kFar + kFarBits);
  const auto zeros = static_cast<unsigned>(widths);
  const std::uint64_t low = size & MaskOf(scale.low_bits());
  out->Put((((low << 1) | std::uint64_t{below}) << 1 | 1) << zeros,
           zeros + 2 + scale.low_bits());
}

[[gnu::always_inline]] inline std::int64_t TakeNumber(std::uint64_t bits, unsigned low_bits,
                                                      unsigned* width) {
  const auto zeros = static_cast<unsigned>(std::countr_zero(bits | std::uint64_t{1} << kFar));
  if (zeros == kFar) [[unlikely]] {
    *width = kFar + kFarBits;
    return UnZigZag(bits >> kFar & MaskOf(kFarBits));
  }
  *width = zeros + 2 + low_bits;
  const std::uint64_t rest = bits >> (zeros + 1);
  const auto size =
      static_cast<std::int64_t>(std::uint64_t{zeros} << low_bits | (rest >> 1 & MaskOf(low_bits)));
  return size ^ -static_cast<std::int64_t>(rest & 1);
}

// The sum of numbers, or of what is between them and `from`.
template <bool kDeviations>
std::int64_t SumOf(const std::int32_t* numbers, std::size_t count, std::int64_t from) {
  __m256i sums = _mm256_setzero_si256();
  const __m256i middle = _mm256_set1_epi64x(from);
  std::size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    __m256i number = _mm256_sub_epi64(
        _mm256_cvtepi32_epi64(_mm_loadu_si128(reinterpret_cast<const __m128i*>(numbers + i))),
        middle);
    if constexpr (kDeviations) {
      const __m256i below = _mm256_cmpgt_epi64(_mm256_setzero_si256(), number);
      number = _mm256_sub_epi64(_mm256_xor_si256(number, below), below);
    }
    sums = _mm256_add_epi64(sums, number);
  }
  std::int64_t four[4];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(four), sums);
  std::int64_t sum = four[0] + four[1] + four[2] + four[3];
  for (; i < count; ++i) {
    const std::int64_t number = numbers[i] - from;
    sum += kDeviations && number < 0 ? -number : number;
  }
  return sum;
}

// The scale of these numbers; moves *scale to it in `out`.
void PutScale(const std::int32_t* numbers, std::size_t count, Scale* scale, BitWriter* out) {
  const std::int64_t sum = SumOf<false>(numbers, count, 0);
  const auto n = static_cast<std::int64_t>(count);
  const std::int64_t mean = (sum + (sum < 0 ? -n : n) / 2) / n;
  const auto deviations =
      static_cast<std::uint64_t>(SumOf<true>(numbers, count, mean));
  const unsigned width =
      deviations == 0 ? 0 : std::max(1u, static_cast<unsigned>(std::bit_width(deviations / count)));
  const unsigned step = Scale::StepBits(width);
  const std::int64_t moved = (mean - scale->centre + ((std::int64_t{1} << step) >> 1)) >> step;
  PutSigned(static_cast<std::int64_t>(width) - scale->width, out);
  PutSigned(moved, out);
  scale->centre += moved * (std::int64_t{1} << step);
  scale->width = width;
}

bool TakeScale(BitReader* in, Scale* scale) {
  std::int64_t wider = 0, moved = 0;
  if (!TakeSigned(in, &wider) || !TakeSigned(in, &moved)) return false;
  const std::int64_t width = scale->width + wider;
  if (width < 0 || width > kMostWidth) return false;
  scale->width = static_cast<unsigned>(width);
  // Unsigned: a centre that no numbers can have wraps.
  scale->centre = static_cast<std::int64_t>(
      static_cast<std::uint64_t>(scale->centre) +
      (static_cast<std::uint64_t>(moved) << Scale::StepBits(scale->width)));
  return true;
}

struct Scales {
  Scale g, h;
};

std::uint64_t NonZero(const WideSum* cells, std::size_t count) {
  std::uint64_t mask = 0;
  std::size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    const __m256i four = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(cells + i));
    const __m256i zero = _mm256_cmpeq_epi64(four, _mm256_setzero_si256());
    const auto zeros = static_cast<unsigned>(_mm256_movemask_pd(_mm256_castsi256_pd(zero)));
    mask |= std::uint64_t{~zeros & 15u} << i;
  }
  for (; i < count; ++i) mask |= std::uint64_t{cells[i] != 0} << i;
  return mask;
}

void PutNumbers(const std::int32_t* g, const std::int32_t* h, std::size_t count,
                const Scales& scales, BitWriter* out) {
  constexpr std::size_t kMostBytes = kGroup * 2 * (kFar + kFarBits) / 8 + sizeof(std::uint64_t);
  static_assert(kMostBytes <= BitWriter::kMostOpenBytes);
  BitWriter::Cursor at = out->Open(kMostBytes);
  Codes of_g, of_h;
  if (FindCodes(g, count, scales.g, &of_g) && FindCodes(h, count, scales.h, &of_h)) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t width = of_g.width[i] + of_h.width[i];
      if (width <= BitWriter::kMostAtOnce) {
        at.Put(of_g.bits[i] | of_h.bits[i] << of_g.width[i], static_cast<unsigned>(width));
      } else {
        at.Put(of_g.bits[i], static_cast<unsigned>(of_g.width[i]));
        at.Put(of_h.bits[i], static_cast<unsigned>(of_h.width[i]));
      }
    }
  } else {
    for (std::size_t i = 0; i < count; ++i) {
      PutNumber(g[i], scales.g, &at);
      PutNumber(h[i], scales.h, &at);
    }
  }
  out->Close(at);
}

void PackGroup(const WideSum* cells, std::size_t count, Scales* scales, BitWriter* out) {
  const std::uint64_t mask = NonZero(cells, count);
  if (mask == 0) return out->Put(kNone, kKindBits);
  const std::uint64_t zeros = MaskOf(count) & ~mask;
  if (zeros == 0) {
    out->Put(kAll, kKindBits);
  } else if ((zeros & (zeros - 1)) == 0) {
    out->Put(kAllButOne, kKindBits);
    out->Put(static_cast<std::uint64_t>(std::countr_zero(zeros)), kPlaceBits);
  } else {
    out->Put(kSome, kKindBits);
    out->Put(mask & 0xffffffff, 32);
    out->Put(mask >> 32, 32);
  }
  std::int32_t g[kGroup + 3], h[kGroup + 3];
  std::size_t some = 0;
  for (std::uint64_t left = mask; left != 0; left &= left - 1, ++some) {
    const WideSum cell = cells[std::countr_zero(left)];
    g[some] = WideGradient(cell);
    h[some] = WideHessian(cell);
  }
  for (std::size_t i = 0; i < 3; ++i) {  // FindCodes takes four at a time
    g[some + i] = g[some - 1];
    h[some + i] = h[some - 1];
  }
  PutScale(g, some, &scales->g, out);
  PutScale(h, some, &scales->h, out);
  PutNumbers(g, h, some, *scales, out);
}

// Reads a group of `count` cells; false where it is malformed.
bool TakeGroup(std::size_t count, BitReader* in, Scales* scales, std::uint64_t* mask,
               WideSum* cells) {
  const std::uint64_t kind = in->Take(kKindBits);
  *mask = MaskOf(count);
  if (kind == kNone) {
    *mask = 0;
    return !in->is_beyond_end();
  }
  if (kind == kAllButOne) {
    *mask &= ~(std::uint64_t{1} << in->Take(kPlaceBits));
  } else if (kind == kSome) {
    const std::uint64_t low = in->Take(32);
    *mask &= in->Take(32) << 32 | low;
  }
  if (!TakeScale(in, &scales->g) || !TakeScale(in, &scales->h)) return false;
  const Scale of_g = scales->g, of_h = scales->h;
  BitReader at = *in;  // in registers
  for (std::uint64_t left = *mask; left != 0; left &= left - 1) {
    // Unsigned: numbers and sums that no rows can have wrap.
    auto g = static_cast<std::uint64_t>(of_g.centre), h = static_cast<std::uint64_t>(of_h.centre);
    std::uint64_t bits = at.Peek();
    unsigned of_one = 0, of_both = 0;
    if (of_g.width > 0) {
      g += static_cast<std::uint64_t>(TakeNumber(bits, of_g.low_bits(), &of_one));
      bits >>= of_one;
    }
    if (of_h.width > 0) {
      const std::uint64_t distance =
          static_cast<std::uint64_t>(TakeNumber(bits, of_h.low_bits(), &of_both));
      of_both += of_one;
      if (of_both <= BitWriter::kMostAtOnce) {
        h += distance;
        of_one = of_both;
      } else {
        at.Skip(of_one);
        h += static_cast<std::uint64_t>(TakeNumber(at.Peek(), of_h.low_bits(), &of_one));
      }
    }
    at.Skip(of_one);
    cells[std::countr_zero(left)] = static_cast<WideSum>((h << 32) + g);
  }
  *in = at;
  return !in->is_beyond_end();
}

}  // namespace

void PackHistogram(const WideSum* cells, std::span<const CellGroup> groups, std::string* out) {
  BitWriter writer(out);
  Scales scales;
  for (const CellGroup& group : groups)
    PackGroup(cells + group.first, group.count, &scales, &writer);
  writer.Finish();
}

namespace {

// Calls add(i, cell) for every cell that is there. The number of groups before the first one that
// is malformed.
template <typename Add>
std::size_t ForEachCell(BitReader* in, std::span<const CellGroup> groups, const Add& add) {
  Scales scales;
  WideSum cells[kGroup];
  std::uint64_t mask = 0;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    if (!TakeGroup(groups[g].count, in, &scales, &mask, cells)) return g;
    for (; mask != 0; mask &= mask - 1) {
      const auto i = static_cast<std::size_t>(std::countr_zero(mask));
      add(groups[g].first + i, static_cast<std::uint64_t>(cells[i]));
    }
  }
  return groups.size();
}

// Unsigned: a sum that no rows can have wraps.
struct Adding {
  WideSum* cells;
  void operator()(std::size_t i, std::uint64_t cell) const {
    cells[i] = static_cast<WideSum>(static_cast<std::uint64_t>(cells[i]) + cell);
  }
};
struct Subtracting {
  WideSum* cells;
  void operator()(std::size_t i, std::uint64_t cell) const {
    cells[i] = static_cast<WideSum>(static_cast<std::uint64_t>(cells[i]) - cell);
  }
};

}  // namespace

std::size_t AddPackedHistogram(std::string_view in, std::span<const CellGroup> groups,
                               WideSum* cells) {
  BitReader reader(in);
  const std::size_t whole = ForEachCell(&reader, groups, Adding{cells});
  if (whole == groups.size()) return reader.bytes();
  SubtractPackedHistogram(in, groups.first(whole), cells);
  return std::string_view::npos;
}

void SubtractPackedHistogram(std::string_view in, std::span<const CellGroup> groups,
                             WideSum* cells) {
  BitReader reader(in);
  ForEachCell(&reader, groups, Subtracting{cells});
}

}  // namespace ps
