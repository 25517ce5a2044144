#include "ps/table/slot_image.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace ps {
namespace {

static_assert(std::endian::native == std::endian::little);

struct Head {
  std::uint32_t state_floats, keys, filter_bytes, masks, intervals, done_pass;
  std::uint64_t seq;
};
static_assert(sizeof(Head) == 32 && sizeof(SlotImage::Mask) == 16 &&
              sizeof(SlotImage::Interval) == 8);

template <typename T>
void Append(const std::vector<T>& from, std::string* bytes) {
  bytes->append(reinterpret_cast<const char*>(from.data()), from.size() * sizeof(T));
}

template <typename T>
void Take(std::string_view& bytes, std::size_t count, std::vector<T>* to) {
  to->resize(count);
  if (count > 0) std::memcpy(to->data(), bytes.data(), count * sizeof(T));
  bytes.remove_prefix(count * sizeof(T));
}

}  // namespace

std::string EncodeSlotImage(const SlotImage& image) {
  const Head head = {image.state_floats,
                     static_cast<std::uint32_t>(image.keys.size()),
                     static_cast<std::uint32_t>(image.filter.size()),
                     static_cast<std::uint32_t>(image.masks.size()),
                     static_cast<std::uint32_t>(image.done.size()),
                     image.done_pass,
                     image.seq};
  std::string bytes;
  bytes.reserve(sizeof head + image.keys.size() * 8 + image.states.size() * 4 +
                image.filter.size() + image.masks.size() * 16 + image.done.size() * 8);
  bytes.append(reinterpret_cast<const char*>(&head), sizeof head);
  Append(image.keys, &bytes);
  Append(image.states, &bytes);
  bytes += image.filter;
  Append(image.masks, &bytes);
  Append(image.done, &bytes);
  return bytes;
}

absl::StatusOr<SlotImage> DecodeSlotImage(std::string_view bytes) {
  Head head;
  if (bytes.size() < sizeof head) return absl::InvalidArgumentError("slot image: too short");
  std::memcpy(&head, bytes.data(), sizeof head);
  bytes.remove_prefix(sizeof head);
  if (head.state_floats == 0 || head.state_floats > 1024) {
    return absl::InvalidArgumentError("slot image: floats of an entry");
  }
  const std::uint64_t need = std::uint64_t{head.keys} * (8 + 4 * head.state_floats) +
                             head.filter_bytes + std::uint64_t{head.masks} * 16 +
                             std::uint64_t{head.intervals} * 8;
  if (need != bytes.size()) return absl::InvalidArgumentError("slot image: length");
  SlotImage image;
  image.state_floats = head.state_floats;
  image.done_pass = head.done_pass;
  image.seq = head.seq;
  Take(bytes, head.keys, &image.keys);
  Take(bytes, std::size_t{head.keys} * head.state_floats, &image.states);
  image.filter.assign(bytes.data(), head.filter_bytes);
  bytes.remove_prefix(head.filter_bytes);
  Take(bytes, head.masks, &image.masks);
  Take(bytes, head.intervals, &image.done);
  for (const SlotImage::Interval& interval : image.done) {
    if (interval.last < interval.first) return absl::InvalidArgumentError("slot image: interval");
  }
  return image;
}

void TakeEntries(const SlotTable& table, SlotIndex slot, SlotImage* image) {
  image->state_floats = static_cast<std::uint32_t>(table.options().layout.state_floats());
  image->keys.reserve(table.slot_size(slot));
  image->states.reserve(table.slot_size(slot) * image->state_floats);
  table.ForEachInSlot(slot, [&](Key key, const float* state) {
    image->keys.push_back(key);
    image->states.insert(image->states.end(), state, state + image->state_floats);
  });
  image->filter = table.SaveFilter(slot);
}

absl::Status PutEntries(const SlotImage& image, SlotIndex slot, SlotTable& table) {
  const auto floats = static_cast<std::size_t>(table.options().layout.state_floats());
  if (image.state_floats != floats || image.states.size() != image.keys.size() * floats) {
    return absl::InvalidArgumentError("slot image: another layout");
  }
  for (const Key key : image.keys) {
    if (key == kEmptyKey || SlotOf(key, table.options().slot_bits) != slot) {
      return absl::InvalidArgumentError("slot image: a key of another slot");
    }
  }
  if (!std::all_of(image.states.begin(), image.states.end(),
                   [](float value) { return std::isfinite(value); })) {
    return absl::InvalidArgumentError("slot image: a state that is not finite");
  }
  std::vector<Key> sorted = image.keys;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    return absl::InvalidArgumentError("slot image: a key twice");
  }
  if (!table.LoadFilter(slot, image.filter)) {
    return absl::InvalidArgumentError("slot image: admission filter");
  }
  table.ClearSlot(slot);
  table.LoadFilter(slot, image.filter);
  for (std::size_t i = 0; i < image.keys.size(); ++i) {
    std::copy_n(image.states.data() + i * floats, floats, table.FindOrInsert(image.keys[i]));
  }
  return absl::OkStatus();
}

}  // namespace ps
