// A block of parsed rows in compressed sparse row form: what every parser produces and every
// learner consumes. Plain data, no synchronisation; a block belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ps/base/key.h"

namespace ps {

// A line that could not be used: counted and quoted, never skipped silently.
struct BadRow {
  std::uint32_t file = 0;    // index into the data set's file list
  std::uint64_t offset = 0;  // of the line's first byte in the decompressed stream
  std::uint32_t column = 0;  // 1-based byte column of the offence in the line
  std::string what;          // e.g. "expected a number, found 'abc'"
  std::string text;          // the line, cut to 120 bytes
};

struct RowBlock {
  // One element a row.
  std::vector<float> label;               // 0 or 1
  std::vector<float> weight;              // importance; empty when every row weighs 1
  std::vector<std::uint64_t> row_offset;  // of the row's line in its file's decompressed stream
  // rows() + 1 elements; the features of row r are [row_begin[r], row_begin[r + 1]).
  std::vector<std::uint32_t> row_begin{0};
  // One element a feature. The keys of a row are distinct. The intercept is not among them.
  std::vector<Key> key;
  std::vector<float> value;  // empty when every value is 1

  std::uint32_t file = 0;   // all rows of a block are of one file
  std::uint64_t lines = 0;  // lines seen: rows, bad rows, and lines that hold no row
  std::vector<BadRow> bad;  // at most kMaxQuoted are kept; bad_rows counts all
  std::uint64_t bad_rows = 0;

  static constexpr std::size_t kMaxQuoted = 10;

  std::size_t rows() const { return label.size(); }
  std::size_t features() const { return key.size(); }
  void Clear() {
    label.clear();
    weight.clear();
    row_offset.clear();
    row_begin.assign(1, 0);
    key.clear();
    value.clear();
    lines = 0;
    bad.clear();
    bad_rows = 0;
  }
};

}  // namespace ps
