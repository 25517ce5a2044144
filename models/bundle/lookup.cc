// Finding many keys at once. Keys are uniform (ps/base/key.h), so their bits below the slot say
// where in the slot a key should be: the guess is off by the square root of the slot's size, one or
// two places. Each of the dependent steps (index, keys, weight) is done for a whole group before
// the next one, so that the group's cache misses overlap.
#include <algorithm>
#include <array>
#include <bit>

#include "models/bundle/bundle.h"
#include "models/bundle/weights_format.h"

namespace ps {
namespace {

constexpr std::size_t kGroup = 32;
// Uniform keys never fill a slot to this size; a search by steps from the guess stays short below
// it.
constexpr std::uint64_t kCrowdedSlot = 256;

struct Place {
  std::uint64_t begin, end, guess;
};

// The position of `key`, or the number of keys when it is absent.
std::uint64_t Find(absl::Span<const Key> keys, const Place& place, Key key) {
  if (place.end - place.begin > kCrowdedSlot) {
    const auto found = std::lower_bound(keys.begin() + place.begin, keys.begin() + place.end, key);
    return found != keys.end() && *found == key ? found - keys.begin() : keys.size();
  }
  std::uint64_t at = place.guess;
  while (at < place.end && keys[at] < key) ++at;
  while (at > place.begin && keys[at - 1] >= key) --at;
  return at < place.end && keys[at] == key ? at : keys.size();
}

}  // namespace

void Bundle::Lookup(absl::Span<const Key> keys, absl::Span<float> weights) const {
  const int bits = std::countr_zero(slot_begin_.size() - 1);
  std::array<Place, kGroup> places;
  for (std::size_t first = 0; first < keys.size(); first += kGroup) {
    const absl::Span<const Key> group = keys.subspan(first, kGroup);
    for (const Key key : group) __builtin_prefetch(&slot_begin_[IndexSlot(key, bits)]);
    for (std::size_t i = 0; i < group.size(); ++i) {
      const std::uint64_t slot = IndexSlot(group[i], bits);
      const std::uint64_t begin = slot_begin_[slot], end = slot_begin_[slot + 1];
      // The bits below the slot, as a fraction, times the slot's size.
      const std::uint64_t guess =
          begin + static_cast<std::uint64_t>(
                      (static_cast<unsigned __int128>(group[i] << bits) * (end - begin)) >> 64);
      places[i] = {begin, end, guess};
      if (begin < end) {
        __builtin_prefetch(keys_.data() + guess);
        __builtin_prefetch(weights_.data() + guess);
      }
    }
    for (std::size_t i = 0; i < group.size(); ++i) {
      const std::uint64_t at = Find(keys_, places[i], group[i]);
      weights[first + i] = at < keys_.size()      ? weights_[at]
                           : group[i] == kBiasKey ? static_cast<float>(info_.bias)
                                                  : 0.0f;
    }
  }
}

}  // namespace ps
