// How a worker of a cluster of trees comes by rows: what it asks for, and what it gets.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "models/gbdt/binned_rows.h"
#include "models/gbdt/tree.h"
#include "ps/wire/message.h"

namespace ps {

struct LoadedPart {
  BinnedRows rows;
  // Of several classes, where the last trees are a part of a round: margins at the round's begin.
  std::vector<float> round_margins;
  std::uint64_t dropped = 0, good_rows = 0, bad_rows = 0;
  std::string bad_row_text;
};

struct PartWanted {
  std::uint32_t part = 0, parts = 1;                  // of the text: a stretch of it
  std::optional<std::vector<std::uint32_t>> columns;  // ascending; nothing: all
  // Trees that rows shall have the margins of, and a base score for each margin; without base
  // scores rows have no margins.
  std::vector<Tree> trees;
  std::vector<double> base_scores;
  // What else takes long: called once with the part on the loader's thread, before Poll has it. May be
  // empty; its error is the loader's.
  std::function<absl::Status(LoadedPart*)> prepare;
};

// Loads beside the machine, which goes on beating.
class PartLoader {
 public:
  virtual ~PartLoader() = default;
  // Nothing while it is at work; once otherwise.
  virtual std::optional<absl::StatusOr<LoadedPart>> Poll() = 0;
};
using OpenPart =
    std::function<absl::StatusOr<std::unique_ptr<PartLoader>>(const wire::Plan&, PartWanted)>;

}  // namespace ps
