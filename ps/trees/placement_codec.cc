#include "ps/trees/placement_codec.h"

#include <algorithm>
#include <bit>
#include <cstdint>

#include "ps/trees/bit_stream.h"

namespace ps {
namespace {

constexpr unsigned kMostLowBits = 20;
// A gap with as many zeros before its one, or more, follows in full behind that many.
constexpr unsigned kMostZeros = 32, kFullBits = 40;
constexpr unsigned kCountBits = 40;

struct Code {
  unsigned low_bits = 0;
  std::uint64_t bits = 0;  // about, of all gaps
};

// For `count` of `rows` rows at random places.
Code ChooseCode(std::uint64_t count, std::uint64_t rows) {
  const std::uint64_t others = rows - count;
  Code best{0, ~std::uint64_t{0}};
  for (unsigned low = 0; low <= kMostLowBits; ++low) {
    // The quotients of all gaps together are their sum's, less what is lost by rounding each down.
    const std::uint64_t lost = count * ((std::uint64_t{1} << low) - 1) / 2;
    const std::uint64_t quotients = others > lost ? (others - lost) >> low : 0;
    const std::uint64_t bits = count * (1 + low) + quotients;
    if (bits < best.bits) best = {low, bits};
  }
  return best;
}

void PutGap(std::uint64_t gap, unsigned low_bits, BitWriter* writer) {
  const std::uint64_t zeros = gap >> low_bits;
  if (zeros >= kMostZeros) {
    writer->Put(0, kMostZeros);
    writer->Put(gap, kFullBits);
    return;
  }
  const std::uint64_t low = gap & ((std::uint64_t{1} << low_bits) - 1);
  writer->Put((low << 1 | 1) << zeros, static_cast<unsigned>(zeros) + 1 + low_bits);
}

std::uint64_t TakeGap(unsigned low_bits, BitReader* reader) {
  const std::uint64_t ahead = reader->Peek();
  const auto zeros =
      static_cast<unsigned>(std::countr_zero(ahead | std::uint64_t{1} << kMostZeros));
  if (zeros == kMostZeros) {
    reader->Skip(kMostZeros);
    return reader->Take(kFullBits);
  }
  reader->Skip(zeros + 1 + low_bits);
  const std::uint64_t low = (ahead >> (zeros + 1)) & ((std::uint64_t{1} << low_bits) - 1);
  return std::uint64_t{zeros} << low_bits | low;
}
static_assert(kMostZeros + kMostLowBits <= BitWriter::kMostAtOnce);

// The bits of a word that are rows, and how many.
std::uint64_t Mask(unsigned width) {
  return width == PlacedRows::kWordBits ? ~std::uint64_t{0} : (std::uint64_t{1} << width) - 1;
}

// Calls visit(block, first word, first row of it, width) for every word of the node's bits.
template <typename Visit>
void EachWord(const NodeRows::Node& node, const Visit& visit) {
  std::uint64_t row = 0;
  for (std::size_t b = 0; b < node.size(); ++b) {
    for (std::uint64_t i = 0; i < node[b].size(); i += PlacedRows::kWordBits) {
      const auto width = static_cast<unsigned>(std::min(PlacedRows::kWordBits, node[b].size() - i));
      visit(b, i / PlacedRows::kWordBits, row, width);
      row += width;
    }
  }
}

}  // namespace

void PackPlacement(const PlacedRows& placed, const NodeRows::Node& node, std::string* out) {
  const std::uint64_t rows = NodeRows::RowsOf(node);
  std::uint64_t lefts = 0;
  for (const std::uint64_t word : placed.words) lefts += static_cast<unsigned>(std::popcount(word));
  const bool list_left = 2 * lefts <= rows;
  const std::uint64_t count = list_left ? lefts : rows - lefts;
  const Code code = ChooseCode(count, rows);
  const bool listed = code.bits + kCountBits < rows;
  out->push_back(static_cast<char>(listed ? 1 + 2 * code.low_bits + (list_left ? 1 : 0) : 0));
  BitWriter writer(out);
  if (!listed) {
    constexpr unsigned kHalf = 32;
    EachWord(node, [&](std::size_t b, std::uint64_t w, std::uint64_t, unsigned width) {
      const std::uint64_t word = placed.block(b)[w];
      writer.Put(word & 0xffffffffu, std::min(width, kHalf));
      if (width > kHalf) writer.Put(word >> kHalf, width - kHalf);
    });
    return writer.Finish();
  }
  writer.Put(count, kCountBits);
  std::uint64_t next = 0;
  EachWord(node, [&](std::size_t b, std::uint64_t w, std::uint64_t first, unsigned width) {
    const std::uint64_t word = placed.block(b)[w];
    for (std::uint64_t rest = list_left ? word : ~word & Mask(width); rest != 0; rest &= rest - 1) {
      const std::uint64_t row = first + static_cast<unsigned>(std::countr_zero(rest));
      PutGap(row - next, code.low_bits, &writer);
      next = row + 1;
    }
  });
  writer.Finish();
}

std::size_t UnpackPlacement(std::string_view in, const NodeRows::Node& node, PlacedRows* placed) {
  const std::uint64_t rows = NodeRows::RowsOf(node);
  if (in.empty()) return std::string_view::npos;
  const unsigned kind = static_cast<unsigned char>(in[0]);
  if (kind > 2 + 2 * kMostLowBits) return std::string_view::npos;
  placed->Fit(node);
  BitReader reader(in.substr(1));
  if (kind == 0) {
    if (in.size() - 1 < (rows + 7) / 8) return std::string_view::npos;
    constexpr unsigned kHalf = 32;
    EachWord(node, [&](std::size_t b, std::uint64_t w, std::uint64_t, unsigned width) {
      std::uint64_t word = reader.Take(std::min(width, kHalf));
      if (width > kHalf) word |= reader.Take(width - kHalf) << kHalf;
      placed->block(b)[w] = word;
    });
    return 1 + reader.bytes();
  }
  const unsigned low_bits = (kind - 1) / 2;
  const bool list_left = (kind - 1) % 2 == 1;
  std::uint64_t left = reader.Take(kCountBits);  // to be read
  if (left > rows) return std::string_view::npos;
  const auto next_listed = [&](std::uint64_t from) {
    if (left == 0) return ~std::uint64_t{0};
    --left;
    return from + TakeGap(low_bits, &reader);
  };
  std::uint64_t next = next_listed(0);
  EachWord(node, [&](std::size_t b, std::uint64_t w, std::uint64_t first, unsigned width) {
    std::uint64_t word = 0;
    while (next < first + width && !reader.is_beyond_end()) {
      word |= std::uint64_t{1} << (next - first);
      next = next_listed(next + 1);
    }
    placed->block(b)[w] = list_left ? word : ~word & Mask(width);
  });
  // Rows that were announced and are none of the node's.
  if (reader.is_beyond_end() || left != 0 || next != ~std::uint64_t{0})
    return std::string_view::npos;
  return 1 + reader.bytes();
}

}  // namespace ps
