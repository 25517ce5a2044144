#include "trainer/embedded/export_weights.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "trainer/in_order.h"

namespace ps {

absl::Status ExportWeights(const DenseModel& model, int threads, BundleWriter* writer,
                           std::uint64_t* features) {
  // Slots are ranges of keys, so slots in order are keys in order; threads sort them ahead.
  struct Weights {
    std::vector<Key> keys;
    std::vector<float> weights;
  };
  constexpr std::uint32_t kSlotsAtOnce = 4;
  absl::Status status;
  std::atomic<std::uint32_t> next{0};
  const std::uint32_t groups = (model.slots() + kSlotsAtOnce - 1) / kSlotsAtOnce;
  InOrder<Weights> in_order(16, [&](Weights& part) {
    if (status.ok()) status = writer->AppendWeights(part.keys, part.weights);
    *features += part.keys.size();
    part.keys.clear();
    part.weights.clear();
  });
  const auto work = [&] {
    for (std::uint32_t g = next.fetch_add(1); g < groups; g = next.fetch_add(1)) {
      Weights part = in_order.Spare();
      const std::uint32_t end = std::min((g + 1) * kSlotsAtOnce, model.slots());
      for (SlotIndex slot = g * kSlotsAtOnce; slot < end; ++slot) {
        model.SlotWeights(slot, &part.keys, &part.weights);
      }
      in_order.Offer(g, std::move(part));
    }
  };
  std::vector<std::thread> crew;
  for (int t = 1; t < threads; ++t) crew.emplace_back(work);
  work();
  for (std::thread& thread : crew) thread.join();
  return status;
}

}  // namespace ps
