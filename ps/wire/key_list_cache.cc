#include "ps/wire/key_list_cache.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "ps/base/status_macros.h"

namespace ps {

std::size_t KeyListCache::BytesOf(const Cached& cached) {
  // The list itself, and about what its place in the order and in the map takes.
  return cached.keys->capacity() * sizeof(Key) + 128;
}

SharedKeys KeyListCache::Find(const KeyListSignature& signature) {
  const auto found = by_signature_.find(signature);
  if (found == by_signature_.end()) return nullptr;
  order_.splice(order_.begin(), order_, found->second);
  return found->second->keys;
}

void KeyListCache::Insert(const KeyListSignature& signature, SharedKeys keys) {
  if (Find(signature) != nullptr) return;
  Cached cached{signature, std::move(keys)};
  const std::size_t bytes = BytesOf(cached);
  if (bytes > capacity_bytes_) return;
  while (bytes_ + bytes > capacity_bytes_) DropOldest();
  order_.push_front(std::move(cached));
  by_signature_[signature] = order_.begin();
  bytes_ += bytes;
}

void KeyListCache::DropOldest() {
  bytes_ -= BytesOf(order_.back());
  by_signature_.erase(order_.back().signature);
  order_.pop_back();
}

absl::StatusOr<SharedKeys> KeyListCache::Resolve(const wire::KeyList& list,
                                                 std::string_view section) {
  const KeyListSignature signature = {.low = list.signature_low(), .high = list.signature_high()};
  if (list.cached()) {
    SharedKeys keys = Find(signature);
    if (keys == nullptr) {
      return absl::NotFoundError(absl::StrCat("keys: list ", absl::Hex(signature.high),
                                              absl::Hex(signature.low, absl::kZeroPad16),
                                              " is not cached here"));
    }
    if (keys->size() != list.count()) {
      return absl::InvalidArgumentError(
          absl::StrCat("keys: the cached list has ", keys->size(), " keys, not ", list.count()));
    }
    return keys;
  }
  auto keys = std::make_shared<std::vector<Key>>();
  PS_RETURN_IF_ERROR(DecodeKeys(section, list.count(), *keys));
  if (SignatureOf(*keys) != signature) {
    return absl::InvalidArgumentError("keys: the signature is not that of the keys");
  }
  SharedKeys shared = std::move(keys);
  Insert(signature, shared);
  return shared;
}

}  // namespace ps
