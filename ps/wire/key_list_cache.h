// Key lists a node has seen, by signature, so that a push after a pull of the same keys sends none.
//
// Least recently used lists go first when the cache holds more bytes than it may. Lists are shared:
// one that was dropped lives on where it is in use. One cache belongs to one thread.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "ps/base/key.h"
#include "ps/wire/key_codec.h"

namespace ps {

using SharedKeys = std::shared_ptr<const std::vector<Key>>;

class KeyListCache {
 public:
  explicit KeyListCache(std::size_t capacity_bytes) : capacity_bytes_(capacity_bytes) {}

  // The list, now the most recently used; null when it is not here.
  SharedKeys Find(const KeyListSignature& signature);
  // Keeps a list under its signature. One larger than the whole cache is not kept.
  void Insert(const KeyListSignature& signature, SharedKeys keys);

  // The keys of a request: out of `section`, checked against the signature and then cached, or by
  // the signature where `list.cached()`. InvalidArgument for a malformed section; NotFound where
  // the list is not cached here, which is answered with UNKNOWN_KEY_LIST.
  absl::StatusOr<SharedKeys> Resolve(const wire::KeyList& list, std::string_view section);

  std::size_t bytes() const { return bytes_; }
  std::size_t lists() const { return by_signature_.size(); }

 private:
  struct Cached {
    KeyListSignature signature;
    SharedKeys keys;
  };
  using Order = std::list<Cached>;  // most recently used first

  static std::size_t BytesOf(const Cached& cached);
  void DropOldest();

  const std::size_t capacity_bytes_;
  std::size_t bytes_ = 0;
  Order order_;
  absl::flat_hash_map<KeyListSignature, Order::iterator> by_signature_;
};

}  // namespace ps
