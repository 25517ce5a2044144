#include "bench/device_linear.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <vector>

#include "bench/device_draw.h"
#include "kernels/batch_learner.h"
#include "kernels/cuda/linear_model.h"
#include "ps/base/key.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr std::size_t kFeaturesOfRow = 39;
constexpr std::size_t kPlaces = 40;  // of a row, with the bias, which is first
constexpr int kRounds = 5;
constexpr std::uint32_t kBiasId = 1, kFirstKeyId = 2;

struct Rows {
  std::vector<std::uint32_t> ids, row_begin;
  std::vector<float> labels;
  ResolvedRows View(std::size_t rows) const {
    return {ids.data(), nullptr, row_begin.data(), labels.data(), nullptr, rows};
  }
};

// Each place of a row draws from features of its own, so none has one twice.
Rows MakeRows(Draw draw, std::size_t features, std::size_t rows) {
  Rows made;
  made.ids.resize(rows * kPlaces, kBiasId);
  const std::size_t of_place = features / kFeaturesOfRow;
  for (std::size_t r = 0; r <= rows; ++r)
    made.row_begin.push_back(static_cast<std::uint32_t>(r * kPlaces));
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t i = 0; i < kFeaturesOfRow; ++i) {
      const std::size_t at = r * kPlaces + 1 + i;
      made.ids[at] = static_cast<std::uint32_t>(kFirstKeyId + i * of_place + DrawValue(draw, at, of_place));
    }
    made.labels.push_back(Mix64(~r) % 4 == 0 ? 1.0f : 0.0f);
  }
  return made;
}

template <typename Work>
double Seconds(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

absl::Status PrintLanes(Draw draw, std::size_t features, std::size_t count, std::size_t batch_rows,
                        int lanes) {
  const Rows rows = MakeRows(draw, features, count);
  const std::vector<OptimizerParams> settings(static_cast<std::size_t>(lanes));
  PS_ASSIGN_OR_RETURN(const std::unique_ptr<DeviceLinearModel> device, DeviceLinearModel::Make());
  const std::vector<float> nothing(2 * settings.size());
  PS_RETURN_IF_ERROR(device->Load(settings, nothing.data(), 1));
  PS_RETURN_IF_ERROR(device->Reserve(kFirstKeyId + features));
  const ResolvedRows view = rows.View(count);
  std::vector<float> margins(count * settings.size()), expected(margins.size());
  std::vector<double> seconds;
  absl::Status status;
  for (int round = 0; round < kRounds && status.ok(); ++round)
    seconds.push_back(Seconds([&] { status = device->Learn(view, batch_rows, margins.data()); }));
  PS_RETURN_IF_ERROR(status);
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[seconds.size() / 2];
  // The processor on a part of the rows, twice, from nothing: its margins of the second time are compared.
  const std::size_t part = std::min<std::size_t>(count, 4 * batch_rows);
  const ResolvedRows part_rows = rows.View(part);
  std::vector<float> state(2 * settings.size() * (kFirstKeyId + features));
  BatchLearner processor;
  processor.Learn(settings, part_rows, batch_rows, state.data(), expected.data());
  const double processor_seconds = Seconds([&] {
    processor.Learn(settings, part_rows, batch_rows, state.data(), expected.data());
  });
  PS_RETURN_IF_ERROR(device->Load(settings, nothing.data(), 1));
  PS_RETURN_IF_ERROR(device->Reserve(kFirstKeyId + features));
  for (int round = 0; round < 2; ++round)
    PS_RETURN_IF_ERROR(device->Learn(part_rows, batch_rows, margins.data()));
  const bool same = std::equal(margins.begin(), margins.begin() + static_cast<std::ptrdiff_t>(part * settings.size()),
                               expected.begin());
  const double updates = static_cast<double>(count * kFeaturesOfRow) / median;
  const double of_processor = static_cast<double>(part * kFeaturesOfRow) / processor_seconds;
  std::printf("linear model, %d lanes, %zu features (%.1f GiB), %s, batches of %zu: %.3f G features/s, %.1f M rows/s; one "
              "thread of the processor %.4f G: %.0f times; %s\n",
              lanes, features, static_cast<double>(device->memory_bytes()) / (1 << 30), NameOf(draw), batch_rows,
              updates / 1e9, updates / kFeaturesOfRow / 1e6, of_processor / 1e9, updates / of_processor,
              same ? "the same margins" : "THE MARGINS DIFFER");
  return same ? absl::OkStatus() : absl::InternalError("margins differ");
}

// The rows of a block, with keys: as many as 256 KiB of text have.
constexpr std::size_t kRowsOfBlock = 1000, kRowsOfBatch = 125;

struct KeyedBlocks {
  const Rows& rows;
  std::vector<Key> keys;
  std::size_t count, batch_rows;
  KeyedBlocks(const Rows& of, std::size_t blocks, std::size_t rows_of_batch)
      : rows(of), count(blocks), batch_rows(rows_of_batch) {
    for (const std::uint32_t id : rows.ids) keys.push_back(id == kBiasId ? kEmptyKey : IndexKey(id));
  }
  ResolvedRows View(std::size_t block) const {
    ResolvedRows view = rows.View(kRowsOfBlock);
    view.row_begin += block * kRowsOfBlock;
    view.labels += block * kRowsOfBlock;
    return view;
  }
};

// Learns all blocks on a new device, `under_way` at once; margins of all rows.
absl::StatusOr<double> LearnBlocks(const KeyedBlocks& blocks, std::size_t under_way,
                                   std::vector<float>* margins) {
  PS_ASSIGN_OR_RETURN(const std::unique_ptr<DeviceLinearModel> device, DeviceLinearModel::Make());
  const std::vector<OptimizerParams> lanes(1);
  const std::vector<float> nothing(2 * kFirstKeyId);
  PS_RETURN_IF_ERROR(device->Load(lanes, nothing.data(), kFirstKeyId));
  PS_RETURN_IF_ERROR(device->StartKeys(kFirstKeyId));
  margins->clear();
  absl::Status status;
  const auto end = [&] {
    const absl::StatusOr<DeviceAnswer> answer = device->End();
    if (answer.ok()) margins->insert(margins->end(), answer->margins.begin(), answer->margins.end());
    return answer.status();
  };
  const double seconds = Seconds([&] {
    for (std::size_t block = 0; block < blocks.count && status.ok(); ++block) {
      if (device->under_way() == under_way) status = end();
      DeviceWork work;
      work.rows = blocks.View(block);
      work.batch_rows = blocks.batch_rows;
      work.keys = blocks.keys.data();
      work.bias_id = kBiasId;
      if (status.ok()) status = device->Begin(work);
    }
    while (device->under_way() > 0 && status.ok()) status = end();
  });
  PS_RETURN_IF_ERROR(status);
  return seconds;
}

absl::Status PrintKeyedRows(Draw draw, std::size_t features, std::size_t count) {
  const Rows rows = MakeRows(draw, features, count);
  const KeyedBlocks blocks(rows, count / kRowsOfBlock, kRowsOfBatch);
  std::vector<float> alone, ahead, expected(kRowsOfBlock);
  PS_ASSIGN_OR_RETURN(const double alone_seconds, LearnBlocks(blocks, 1, &alone));
  PS_ASSIGN_OR_RETURN(const double ahead_seconds,
                      LearnBlocks(blocks, DeviceLinearModel::kMostUnderWay, &ahead));
  const std::vector<OptimizerParams> lanes(1);
  std::vector<float> state(2 * (kFirstKeyId + features));
  BatchLearner processor;
  bool same = alone == ahead;
  for (std::size_t block = 0; block < std::min<std::size_t>(blocks.count, 20); ++block) {
    processor.Learn(lanes, blocks.View(block), blocks.batch_rows, state.data(), expected.data());
    const auto first = static_cast<std::ptrdiff_t>(block * kRowsOfBlock);
    same = same && std::equal(expected.begin(), expected.end(), ahead.begin() + first);
  }
  const double millions = static_cast<double>(blocks.count * kRowsOfBlock) / 1e6;
  std::printf("rows with keys, %s, blocks of %zu in batches of %zu, a growing table: %.2f M rows/s one by one, %.2f with %zu "
              "under way; %s\n",
              NameOf(draw), kRowsOfBlock, blocks.batch_rows, millions / alone_seconds, millions / ahead_seconds,
              DeviceLinearModel::kMostUnderWay, same ? "the same margins" : "THE MARGINS DIFFER");
  return same ? absl::OkStatus() : absl::InternalError("margins differ");
}

}  // namespace

absl::Status PrintLinearModels(std::size_t features, std::size_t rows, std::size_t batch_rows) {
  for (const Draw draw : {Draw::kUniform, Draw::kSkewed}) {
    PS_RETURN_IF_ERROR(PrintLanes(draw, features, rows, batch_rows, 1));
    PS_RETURN_IF_ERROR(PrintKeyedRows(draw, features, rows));
  }
  return PrintLanes(Draw::kUniform, features / 8, rows, batch_rows, 8);
}

}  // namespace ps
