// Text to rows. One implementation a format; all of them compute keys while they parse.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "models/data/row_block.h"

namespace ps {

// Where a piece of text comes from, for error messages and row identities.
struct TextOrigin {
  std::uint32_t file = 0;    // index into the data set's file list
  std::uint64_t offset = 0;  // of the text's first byte in the file's decompressed stream
};

class RowParser {
 public:
  virtual ~RowParser() = default;

  // Appends the rows of `text`, which holds whole lines (the last may lack its newline), to *block.
  // A malformed line adds to block->bad_rows (and is quoted while there is room) and to nothing
  // else. Sets block->file. Thread-safe: a parser is immutable after construction. A header line
  // (at offset 0 of a file, where the format declares one) is skipped here.
  virtual void Parse(std::string_view text, TextOrigin origin, RowBlock* block) const = 0;
};

}  // namespace ps
