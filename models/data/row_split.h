// Which part of a job a row belongs to, decided by a hash of its identity (seed, file, offset): the
// same on every machine, in every pass, whatever the order of reading. Immutable: any number of
// threads.
#pragma once

#include <cstdint>
#include <string>

#include "models/config/job_config.h"
#include "models/data/row_block.h"

namespace ps {

enum class Part { kTrain, kValid, kTest, kDropped };

struct RowIdentity {
  std::uint32_t file = 0;
  std::uint64_t offset = 0;  // RowBlock::row_offset
};

class RowSplit {
 public:
  // Fractions are in [0, 1] and valid + test is at most 1, also for the last fold of valid: folds do not overlap. keep_negatives r: a negative row of the
  // train part is kept with probability r and dropped otherwise; valid and test stay as they are. Nor does
  // split.train_part touch them: of two such parts the smaller one's rows are among those of the larger one.
  RowSplit(std::uint64_t seed, const SplitConfig& split, double keep_negatives);

  // False when every row is of the train part: blocks may then be used as they are.
  bool splits() const { return valid_ > 0 || test_ > 0 || keep_negatives_ < 1 || train_part_ < 1; }

  // Equal texts part all rows alike.
  std::string Text() const;

  Part PartOf(RowIdentity row, float label) const;

  // Replaces *out by the rows of `part`, in order. Lines and bad rows are those of `in` and are
  // counted there: out has none.
  void TakePart(const RowBlock& in, Part part, RowBlock* out) const;

 private:
  const std::uint64_t seed_;
  const double valid_;
  const double test_;
  const double valid_begin_, valid_end_;
  const double keep_negatives_, train_part_;
};

}  // namespace ps
