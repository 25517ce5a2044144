// One reading of text by several threads: blocks are parsed, parted into train, valid and test rows, and
// resolved in parallel; then handed over one at a time in the order of the data.
//
// Threads: Run starts and joins its own. Resolve is called from all of them (resolve_train with resolve_in_order from
// one at a time), consume from one at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "models/data/bad_rows.h"
#include "models/data/data_files.h"
#include "models/data/row_parser.h"
#include "models/data/row_split.h"
#include "trainer/embedded/dense_model.h"
#include "trainer/embedded/resolved_block.h"
#include "trainer/front_check.h"

namespace ps {

// A block of the data, resolved.
struct PassBlock {
  ResolvedBlock train, valid, test;
  RowBlock unresolved_train;               // until its turn comes, with resolve_in_order
  std::uint64_t dropped_rows = 0;          // negatives not kept
  std::uint64_t stored_bytes_read = 0;     // of the input, when the block was read
  // Counted in the order of the data, so that a job is refused at the same row by any number of threads.
  std::uint64_t good_rows = 0, bad_rows = 0;
  std::vector<BadRow> bad;
};

class TextPass {
 public:
  struct Options {
    int threads = 1;
    std::uint64_t block_bytes = kLinearBlockBytes;
    bool resolve_in_order = false;            // train rows: in the order of the data, one block at a time
    const std::atomic<bool>* stop = nullptr;  // set: no further block is begun
  };
  // Rows to ids; scratch belongs to the calling thread.
  using Resolve = std::function<void(const RowBlock& rows, DenseModel::Scratch* scratch,
                                     ResolvedBlock* out)>;
  // It may take what the block has. An error ends the pass.
  using Consume = std::function<absl::Status(PassBlock& block)>;

  // `bad_rows` gathers malformed rows and decides when they are too many; null split: all rows are train rows.
  static absl::Status Run(const DataFiles& files, const RowParser& parser, const RowSplit* split,
                          BadRows* bad_rows, const Options& options, const Resolve& resolve_train,
                          const Resolve& resolve_held_out, const Consume& consume);
};

}  // namespace ps
