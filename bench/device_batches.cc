#include "bench/device_batches.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "bench/device_draw.h"
#include "bench/device_rates.h"
#include "bench/device_timer.h"
#include "kernels/cuda/gradient_kernels.h"
#include "kernels/cuda/key_sort.h"
#include "ps/base/key.h"
#include "ps/base/status_macros.h"
#include "worker/gradient_maker.h"
#include "worker/logistic_model.h"

namespace ps {
namespace {

constexpr std::size_t kFeaturesOfRow = 39;
constexpr int kRounds = 9;

RowBlock MakeRows(Draw draw, std::size_t features, std::size_t rows) {
  RowBlock block;
  const std::size_t of_place = features / kFeaturesOfRow;
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t i = 0; i < kFeaturesOfRow; ++i)
      block.key.push_back(IndexKey(i * of_place + DrawValue(draw, block.key.size(), of_place)));
    block.label.push_back(Mix64(~r) % 4 == 0 ? 1.0f : 0.0f);
    block.row_begin.push_back(static_cast<std::uint32_t>(block.key.size()));
    block.row_offset.push_back(r);
  }
  return block;
}

template <typename Work>
double MedianSeconds(const Work& work) {
  std::vector<double> all;
  for (int round = -1; round < kRounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (round >= 0) all.push_back(took.count());
  }
  std::sort(all.begin(), all.end());
  return all[all.size() / 2];
}

template <typename T>
absl::Status ToDevice(const std::vector<T>& from, DeviceArray<T>* to) {
  PS_RETURN_IF_ERROR(to->Allocate(from.size(), "rows"));
  return DeviceStatus(CopyToDevice(to->data(), from.data(), from.size(), nullptr), "a copy");
}

absl::Status PrintKernels(const RowBlock& block, double bytes_per_ms) {
  const std::size_t size = block.key.size(), rows = block.rows();
  DeviceKeySort sort;
  PS_RETURN_IF_ERROR(sort.Reserve(size));
  DeviceArray<std::uint32_t> begin, ids, sorted, long_ids, row_begin;
  DeviceArray<float> labels, weight, margins, errors, parts, gradient;
  for (auto* array : {&begin, &ids, &sorted, &long_ids})
    PS_RETURN_IF_ERROR(array->Allocate(size + 1, "places"));
  for (auto* array : {&weight, &parts, &gradient}) PS_RETURN_IF_ERROR(array->Allocate(size, "floats"));
  for (auto* array : {&margins, &errors}) PS_RETURN_IF_ERROR(array->Allocate(rows, "floats"));
  PS_RETURN_IF_ERROR(ToDevice(block.row_begin, &row_begin));
  PS_RETURN_IF_ERROR(ToDevice(block.label, &labels));
  PS_RETURN_IF_ERROR(DeviceStatus(cudaMemsetAsync(weight.data(), 0, weight.bytes(), nullptr), "zeros"));
  DistinctKeysView distinct;
  distinct.begin = begin.data();
  distinct.ids = ids.data();
  distinct.sorted = sorted.data();
  distinct.long_ids = long_ids.data();
  const auto upload = [&] {
    return DeviceStatus(
        cudaMemcpyAsync(sort.keys(), block.key.data(), size * sizeof(Key), cudaMemcpyHostToDevice, nullptr), "keys");
  };
  PS_ASSIGN_OR_RETURN(const double sort_ms, MedianMs(upload, [&] {
                        return DeviceStatus(sort.Run(size, distinct, nullptr), "sorting");
                      }));
  // Eight times: keys are read to be counted, read with their order, and written with it; in the end once more, and
  // ids and sorted places are written.
  PrintKernel("distinct keys", sort_ms, static_cast<double>(size) * (8 * (8 + 12 + 12) + 28), bytes_per_ms);
  std::uint32_t counts[2];
  PS_RETURN_IF_ERROR(DeviceStatus(
      CopyToHost(counts, reinterpret_cast<const std::uint32_t*>(sort.found()), 2, nullptr), "counts"));
  PS_RETURN_IF_ERROR(DeviceStatus(cudaStreamSynchronize(nullptr), "counts"));
  GradientBatchView view;
  view.row_begin = row_begin.data();
  view.labels = labels.data();
  view.rows = static_cast<std::uint32_t>(rows);
  view.ids = ids.data();
  view.sorted = sorted.data();
  view.begin = begin.data();
  view.long_ids = long_ids.data();
  view.id_count = counts[0];
  view.long_count = counts[1];
  const GradientArrays arrays = {weight.data(), margins.data(), errors.data(), parts.data(), gradient.data()};
  PS_ASSIGN_OR_RETURN(const double margins_ms, MedianMs(NoPreparation, [&] {
                        return DeviceStatus(LaunchBatchMargins(view, arrays, nullptr), "margins");
                      }));
  PrintKernel("margins", margins_ms, static_cast<double>(size) * 16 + static_cast<double>(rows) * 16, bytes_per_ms);
  PS_ASSIGN_OR_RETURN(const double gradients_ms, MedianMs(NoPreparation, [&] {
                        return DeviceStatus(LaunchGradientsOfIds(view, arrays, nullptr), "gradients");
                      }));
  PrintKernel("gradients of keys", gradients_ms, static_cast<double>(size) * 4 + 8.0 * counts[0], bytes_per_ms);
  std::printf("  %u distinct keys, %u of them at more than %u places\n", counts[0], counts[1],
              DistinctKeysView::kShort);
  return absl::OkStatus();
}

struct Made {
  Batch batch;
  std::vector<float> margins;
  double build_seconds = 0, compute_seconds = 0;
};

absl::Status MakeBatch(const char* device, const RowBlock& block, int lanes, Made* made) {
  PS_ASSIGN_OR_RETURN(const auto maker, GradientMaker::Make(device, std::make_unique<LogisticModel>()));
  absl::Status status;
  made->build_seconds = MedianSeconds(
      [&] { status.Update(maker->Build(block, {0, block.rows()}, true, lanes, &made->batch, nullptr)); });
  PS_RETURN_IF_ERROR(status);
  Batch& batch = made->batch;
  const auto count = static_cast<std::size_t>(lanes);
  for (std::size_t i = 0; i < batch.keys.size(); ++i)
    for (std::size_t k = 0; k < count; ++k)
      batch.weight[batch.id_at[i] * count + k] =
          static_cast<float>(Mix64(batch.keys[i] + k) % 1001) / 5000 - 0.1f;
  made->compute_seconds = MedianSeconds([&] { status.Update(maker->Compute(&batch, &made->margins)); });
  return status;
}

bool Same(const Made& a, const Made& b) {
  if (a.batch.keys != b.batch.keys || a.margins != b.margins) return false;
  const auto lanes = static_cast<std::size_t>(a.batch.lanes);
  for (std::size_t i = 0; i < a.batch.keys.size(); ++i) {
    if (std::memcmp(&a.batch.gradient[a.batch.id_at[i] * lanes], &b.batch.gradient[b.batch.id_at[i] * lanes],
                    lanes * sizeof(float)) != 0) {
      return false;
    }
  }
  return true;
}

}  // namespace

absl::Status PrintWorkerBatches(std::size_t features, std::size_t batch_rows) {
  PS_ASSIGN_OR_RETURN(const double bytes_per_ms, CopyBytesPerMs(std::size_t{256} << 20));
  for (const Draw draw : {Draw::kUniform, Draw::kSkewed}) {
    const RowBlock block = MakeRows(draw, features, batch_rows);
    std::printf("a worker's batch of %zu rows, %zu features, %s\n", batch_rows, block.key.size(), NameOf(draw));
    PS_RETURN_IF_ERROR(PrintKernels(block, bytes_per_ms));
    for (const int lanes : {1, 16}) {
      Made device, processor;
      PS_RETURN_IF_ERROR(MakeBatch("cuda", block, lanes, &device));
      PS_RETURN_IF_ERROR(MakeBatch("cpu", block, lanes, &processor));
      const bool same = Same(device, processor);
      std::printf("  %d lanes, whole calls: keys %.3f ms, gradients %.3f ms; one thread of the processor %.3f and %.3f ms; %s\n",
                  lanes, device.build_seconds * 1e3, device.compute_seconds * 1e3, processor.build_seconds * 1e3,
                  processor.compute_seconds * 1e3, same ? "the same bits" : "THE BITS DIFFER");
      if (!same) return absl::InternalError("a worker's batch differs");
    }
  }
  return absl::OkStatus();
}

}  // namespace ps
