#include "models/data/row_split.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "ps/base/key.h"

namespace ps {
namespace {

double UnitInterval(std::uint64_t hash) { return static_cast<double>(hash >> 11) * 0x1p-53; }

// Appends elements [begin, end) of `in`, unless `in` is empty because all its elements are 1.
template <typename T>
void Append(const std::vector<T>& in, std::size_t begin, std::size_t end, std::vector<T>* out) {
  if (!in.empty()) out->insert(out->end(), in.begin() + begin, in.begin() + end);
}

}  // namespace

RowSplit::RowSplit(std::uint64_t seed, const SplitConfig& split, double keep_negatives)
    : seed_(seed),
      valid_(split.valid),
      test_(split.test),
      valid_begin_(test_ + split.valid_fold * valid_),
      valid_end_(test_ + (split.valid_fold + 1) * valid_),
      keep_negatives_(keep_negatives),
      train_part_(split.train_part) {}

std::string RowSplit::Text() const {
  return absl::StrFormat("%d %.17g %.17g %.17g %.17g%s", seed_, test_, valid_begin_, valid_end_, keep_negatives_,
                         train_part_ < 1 ? absl::StrFormat(" of %.17g", train_part_) : "");
}

Part RowSplit::PartOf(RowIdentity row, float label) const {
  const std::uint64_t hash = Mix64(Mix64(Mix64(seed_) + row.file) + row.offset);
  const double where = UnitInterval(hash);
  if (where < test_) return Part::kTest;
  if (where >= valid_begin_ && where < valid_end_) return Part::kValid;
  // Further hashes: whether a row is kept must not depend on how near it is to a part's border.
  const std::uint64_t second = Mix64(hash);
  if (train_part_ < 1 && UnitInterval(Mix64(second + 1)) >= train_part_) return Part::kDropped;
  if (label > 0 || keep_negatives_ >= 1) return Part::kTrain;
  return UnitInterval(second) < keep_negatives_ ? Part::kTrain : Part::kDropped;
}

void RowSplit::TakePart(const RowBlock& in, Part part, RowBlock* out) const {
  out->Clear();
  out->file = in.file;
  const auto is_taken = [&](std::size_t row) {
    return PartOf({in.file, in.row_offset[row]}, in.label[row]) == part;
  };
  // Copied a run of rows at a time.
  for (std::size_t row = 0; row < in.rows();) {
    if (!is_taken(row)) {
      ++row;
      continue;
    }
    std::size_t stop = row + 1;
    while (stop < in.rows() && is_taken(stop)) ++stop;
    Append(in.label, row, stop, &out->label);
    Append(in.weight, row, stop, &out->weight);
    Append(in.row_offset, row, stop, &out->row_offset);
    const std::uint32_t first = in.row_begin[row];
    const std::uint32_t shift = first - out->row_begin.back();
    for (std::size_t r = row + 1; r <= stop; ++r) out->row_begin.push_back(in.row_begin[r] - shift);
    Append(in.key, first, in.row_begin[stop], &out->key);
    Append(in.value, first, in.row_begin[stop], &out->value);
    row = stop + (stop < in.rows());  // the row at `stop` is not taken
  }
}

}  // namespace ps
