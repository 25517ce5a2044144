// What the keys of a linear model stand for, where that can be told: indices of libsvm text and
// leaves of trees. Immutable; any thread.
#pragma once

#include <string>

#include "absl/container/flat_hash_map.h"
#include "models/bundle/bundle.h"
#include "models/bundle/manifest.h"
#include "ps/base/key.h"

namespace ps {

class KeyNames {
 public:
  // A bundle whose plan cannot be read has no names. `extractor` is the file of it.
  explicit KeyNames(const Bundle& bundle, const std::string& extractor = kExtractorName);

  // What names are of: "index", "leaf" or "feature" (both); empty where there are none.
  const std::string& title() const { return title_; }
  // "17", "tree 3 leaf 5", or empty.
  std::string NameOf(Key key) const;

 private:
  std::string title_;
  bool indices_ = false;
  absl::flat_hash_map<Key, std::string> leaves_;
};

}  // namespace ps
