// Which feature of a plan made each key of a row, and at which resolution: groups of keys whose
// weights are alike, for penalties of their own. Read off the keys as a table's parser made them, so
// the parser itself does nothing for it.
//
// Immutable after construction: any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "models/data/row_block.h"
#include "models/features/extractor.pb.h"

namespace ps {

class KeyGroups {
 public:
  // `plan` has been validated. Null: nothing tells keys apart (libsvm, vw).
  static std::unique_ptr<KeyGroups> Of(const features::Plan& plan);

  std::size_t size() const { return names_.size(); }
  // "age", "age, level 2", "city x age": for people.
  const std::string& name(std::size_t group) const { return names_[group]; }

  // *groups: an element a key of the block, which a parser of the plan has filled.
  void Find(const RowBlock& rows, std::vector<std::uint16_t>* groups) const;

 private:
  struct Part {
    std::uint16_t first_group = 0;
    std::uint16_t keys = 1;                // that a number makes; a missing one, or a text, makes one
    absl::flat_hash_set<Key> first_level;  // where a number makes several: its first keys
  };

  std::vector<Part> parts_;  // in the order of a row's keys
  std::vector<std::string> names_;
  std::uint16_t further_ = 0;  // the group of what is behind them: leaves of trees, else nothing
};

}  // namespace ps
