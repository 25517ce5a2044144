// What the keys of a linear model stand for, where that can be told: indices of libsvm text, leaves
// of trees, and of tables buckets of numbers and missing values. What texts and their crosses have become keys the model
// does not keep; data that have them can tell. Immutable but for LearnFrom; any thread.
#pragma once

#include <algorithm>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "models/bundle/bundle.h"
#include "models/bundle/manifest.h"
#include "models/data/bad_rows.h"
#include "models/data/data_files.h"
#include "ps/base/key.h"

namespace ps {

class KeyNames {
 public:
  // Of all keys. A bundle whose plan cannot be read has no names. `extractor` is the file of it.
  explicit KeyNames(const Bundle& bundle, const std::string& extractor = kExtractorName);
  // Of these keys only, ascending, which must outlive it.
  KeyNames(const Bundle& bundle, absl::Span<const Key> wanted);

  // Adds names of those of the wanted keys that rows of these files have, and reads until all have one: they stay in
  // memory. Made for wanted keys. InvalidArgument: a model of no table, whose keys need no data; else errors of the data
  // (bad_rows judges malformed rows). One thread.
  absl::Status LearnFrom(const DataFiles& files, BadRows* bad_rows);

  // What names are of: "index", "leaf" or "feature" (columns, or several of these); empty where there are none.
  const std::string& title() const { return title_; }
  // "17", "tree 3 leaf 5", "age in [18, 30)", or empty.
  std::string NameOf(Key key) const;

 private:
  void Read(const Bundle& bundle, const std::string& extractor);
  bool IsWanted(Key key) const { return !wanted_ || std::binary_search(wanted_->begin(), wanted_->end(), key); }

  std::optional<absl::Span<const Key>> wanted_;
  std::string title_;
  std::string plan_;  // as serialized
  bool indices_ = false;
  absl::flat_hash_map<Key, std::string> names_;
};

}  // namespace ps
