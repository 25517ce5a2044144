#include "bench/device_keys.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/device_draw.h"
#include "bench/device_timer.h"
#include "kernels/cuda/entry_store.h"
#include "kernels/cuda/key_table.h"
#include "kernels/cuda/linear_kernels.h"
#include "ps/base/key.h"

namespace ps {
namespace {

constexpr std::uint32_t kBiasId = 1, kFirstId = 2;
constexpr std::size_t kPlaces = 40;  // of a row: the bias, then keys
constexpr std::size_t kBatches = 32;  // that are timed together
constexpr std::size_t kInsertAtOnce = 1 << 24;
// Bytes of a key that was there before. Its bucket: two sectors, 1.24 times at this load. Its entry: a
// sector in, a sector out. And what is read and written in order: the key, its id three times, and once
// more to see that it is known.
constexpr double kBytesOfKey = 1.24 * 64 + 64 + 8 + 4 * 4;

struct Model {
  DeviceKeyTable table;
  DeviceEntries entries;
};

absl::Status Make(std::size_t keys, Model* model) {
  PS_RETURN_IF_ERROR(model->table.Start(kFirstId, nullptr));
  PS_RETURN_IF_ERROR(model->table.Reserve(keys, nullptr));
  const std::vector<OptimizerParams> lanes(1);
  return model->entries.Reset(lanes, kFirstId + keys, nullptr);
}

// Keys 0 .. keys - 1, as libsvm's indices make them.
absl::StatusOr<double> Insert(std::size_t keys, const DeviceKeyTable& table) {
  std::vector<unsigned long long> some(std::min(keys, kInsertAtOnce));
  DeviceArray<unsigned long long> on_device;
  DeviceArray<std::uint32_t> ids;
  PS_RETURN_IF_ERROR(on_device.Allocate(some.size(), "keys"));
  PS_RETURN_IF_ERROR(ids.Allocate(some.size(), "ids"));
  cudaEvent_t start, end;
  PS_RETURN_IF_ERROR(DeviceStatus(cudaEventCreate(&start), "an event"));
  PS_RETURN_IF_ERROR(DeviceStatus(cudaEventCreate(&end), "an event"));
  double all_ms = 0;
  for (std::size_t first = 0; first < keys; first += kInsertAtOnce) {
    const std::size_t count = std::min(kInsertAtOnce, keys - first);
    for (std::size_t i = 0; i < count; ++i) some[i] = IndexKey(first + i);
    PS_RETURN_IF_ERROR(DeviceStatus(CopyToDevice(on_device.data(), some.data(), count, nullptr), "keys"));
    cudaEventRecord(start, nullptr);
    PS_RETURN_IF_ERROR(DeviceStatus(table.FindOrInsert(on_device.data(), count, ids.data(), nullptr), "inserting keys"));
    cudaEventRecord(end, nullptr);
    PS_RETURN_IF_ERROR(DeviceStatus(cudaEventSynchronize(end), "inserting keys"));
    float ms = 0;
    cudaEventElapsedTime(&ms, start, end);
    all_ms += ms;
  }
  cudaEventDestroy(start);
  cudaEventDestroy(end);
  return all_ms;
}

template <typename T>
absl::Status Up(const std::vector<T>& from, DeviceArray<T>* to) {
  PS_RETURN_IF_ERROR(to->Allocate(from.size(), "rows"));
  return DeviceStatus(CopyToDevice(to->data(), from.data(), from.size(), nullptr), "rows");
}

absl::Status PrintUpdates(Draw draw, std::size_t keys, std::size_t batch, double bytes_per_ms,
                          const Model& model) {
  const std::size_t rows = batch / kPlaces, places = rows * kPlaces, of_place = keys / (kPlaces - 1);
  std::vector<unsigned long long> drawn;
  for (std::size_t at = 0; at < places * kBatches; ++at) {
    const std::size_t place = at % kPlaces;
    drawn.push_back(place == 0 ? kEmptyKey : IndexKey((place - 1) * of_place + DrawValue(draw, at, of_place)));
  }
  std::vector<std::uint32_t> begin;
  std::vector<float> label;
  for (std::size_t r = 0; r <= rows; ++r) begin.push_back(static_cast<std::uint32_t>(r * kPlaces));
  for (std::size_t r = 0; r < rows; ++r) label.push_back(Mix64(~r) % 4 == 0 ? 1.0f : 0.0f);
  DeviceArray<unsigned long long> on_device;
  DeviceArray<std::uint32_t> row_begin, ids;
  DeviceArray<float> labels, margins;
  for (const absl::Status& status : {Up(drawn, &on_device), Up(begin, &row_begin), Up(label, &labels),
                                     ids.Allocate(places, "ids"), margins.Allocate(rows, "margins")}) {
    PS_RETURN_IF_ERROR(status);
  }
  LinearRowsView view;
  view.ids = ids.data();
  view.row_begin = row_begin.data();
  view.labels = labels.data();
  const SumScale scale = ScaleOfGradients(1, rows);
  std::uint32_t mark = 0;
  const LinearModelView& entries = model.entries.view();
  const auto count = static_cast<std::uint32_t>(rows);
  PS_ASSIGN_OR_RETURN(const double ms, MedianMs(NoPreparation, [&] {
    for (std::size_t b = 0; b < kBatches; ++b) {
      for (const cudaError_t error :
           {model.table.FindOrInsert(on_device.data() + b * places, places, ids.data(), nullptr),
            LaunchSetBias(row_begin.data(), 0, count, kBiasId, ids.data(), nullptr),
            LaunchGradientSums(entries, view, scale, 0, count, margins.data(), nullptr),
            LaunchSteps(entries, ids.data(), 0, places, scale, ++mark, nullptr)}) {
        PS_DEVICE_OK(error, "keys and updates");
      }
    }
    return absl::OkStatus();
  }));
  const double updates = static_cast<double>(rows * (kPlaces - 1) * kBatches);
  std::printf(
      "FTRL find-or-insert + update, %.3f G keys resident (%.1f GiB), %s, a bias, batches of %zu: %.3f G updates/s; "
      "if all keys were apart, %.0f bytes a key at %.2f TB/s would be %.2f G/s: %.1f %%\n",
      static_cast<double>(keys) / 1e9,
      static_cast<double>(model.table.bytes() + model.entries.bytes()) / (1 << 30), NameOf(draw), places,
      updates / ms / 1e6, kBytesOfKey, bytes_per_ms / 1e9, bytes_per_ms / kBytesOfKey / 1e6,
      100 * updates * kBytesOfKey / bytes_per_ms / ms);
  return absl::OkStatus();
}

}  // namespace

absl::Status PrintKeyUpdates(std::size_t keys, std::size_t batch) {
  PS_ASSIGN_OR_RETURN(const double bytes_per_ms, CopyBytesPerMs(std::size_t{1} << 30));
  Model model;
  for (absl::Status made = Make(keys, &model); !made.ok(); made = Make(keys, &model)) {
    if (!absl::IsResourceExhausted(made) || keys < 2 * batch) return made;
    model = {};
    keys /= 2;
  }
  PS_ASSIGN_OR_RETURN(const double insert_ms, Insert(keys, model.table));
  std::printf("keys: %.3f G inserted in batches of %zu, to a load of 0.8: %.3f G keys/s\n",
              static_cast<double>(keys) / 1e9, kInsertAtOnce, static_cast<double>(keys) / insert_ms / 1e6);
  for (const Draw draw : {Draw::kUniform, Draw::kSkewed})
    PS_RETURN_IF_ERROR(PrintUpdates(draw, keys, batch, bytes_per_ms, model));
  std::uint32_t next = 0;
  PS_RETURN_IF_ERROR(DeviceStatus(CopyToHost(&next, model.table.next_id(), 1, nullptr), "keys"));
  PS_RETURN_IF_ERROR(DeviceStatus(cudaStreamSynchronize(nullptr), "keys"));
  if (next == kFirstId + keys) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(next - kFirstId, " keys in the table instead of ", keys));
}

}  // namespace ps
