// Where a worker's rows come from. Behind an interface: the machine itself touches no file.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "models/data/data_files.h"
#include "models/data/row_block.h"
#include "models/data/row_parser.h"
#include "models/data/row_split.h"

namespace ps {

// The rows of a chunk that are to be learnt, in the order of the data. The same chunk always gives
// the same.
struct ChunkRows {
  RowBlock block;              // block.lines and block.bad_rows count all of the chunk
  std::uint64_t rows = 0;      // read: learnt, held out and dropped
  std::uint64_t held_out = 0;  // of the valid or test part
  std::uint64_t dropped = 0;   // by negative down-sampling
};

class ChunkSource {
 public:
  virtual ~ChunkSource() = default;
  virtual absl::Status Read(const FileRange& range, ChunkRows* chunk) = 0;
};

// Text files, parsed. Rows that `split` gives to another part are left out. One thread.
std::unique_ptr<ChunkSource> MakeTextChunkSource(const DataFiles& files,
                                                 std::unique_ptr<RowParser> parser,
                                                 const RowSplit& split);

}  // namespace ps
