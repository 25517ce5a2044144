#include "kernels/cuda/work_slot.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace ps {
namespace {

std::size_t PlacesOf(const ResolvedRows& rows) {
  return rows.rows == 0 ? 0 : rows.row_begin[rows.rows] - rows.row_begin[0];
}

constexpr char kSending[] = "sending rows", kFetching[] = "fetching margins and ids";

}  // namespace

WorkSlot::~WorkSlot() {
  for (const cudaEvent_t event : {uploaded_, learnt_, downloaded_})
    if (event != nullptr) cudaEventDestroy(event);
}

absl::Status WorkSlot::Start() {
  for (cudaEvent_t* const event : {&uploaded_, &learnt_, &downloaded_})
    PS_DEVICE_OK(cudaEventCreateWithFlags(event, cudaEventDisableTiming), "preparing for rows");
  return absl::OkStatus();
}

absl::Status WorkSlot::Fit(const DeviceWork& work, int lanes) {
  const ResolvedRows& rows = work.rows;
  const std::size_t places = PlacesOf(rows);
  key_count_ = most_new_ = 0;
  const auto count = [&](absl::Span<const std::uint64_t> keys) {
    key_count_ += keys.size();
    most_new_ += keys.size() - static_cast<std::size_t>(std::count(keys.begin(), keys.end(), 0));
  };
  if (work.keys != nullptr && places > 0) count({work.keys + rows.row_begin[0], places});
  for (const absl::Span<const std::uint64_t>& keys : work.more_keys) count(keys);
  const bool finds = key_count_ > 0;
  InLayout in;
  in.keys = TakeBytes(key_count_ * sizeof(std::uint64_t), &in.end);
  in.ids = TakeBytes(finds ? 0 : places * sizeof(std::uint32_t), &in.end);
  in.values = TakeBytes(rows.values == nullptr ? 0 : places * sizeof(float), &in.end);
  in.row_begin = TakeBytes((rows.rows + 1) * sizeof(std::uint32_t), &in.end);
  in.labels = TakeBytes(rows.rows * sizeof(float), &in.end);
  in.weights = TakeBytes(rows.weights == nullptr ? 0 : rows.rows * sizeof(float), &in.end);
  OutLayout out;
  out.ids = TakeBytes(key_count_ * sizeof(std::uint32_t), &out.end);
  out.end_id = TakeBytes(sizeof(std::uint32_t), &out.end);
  margin_count_ = rows.rows * static_cast<std::size_t>(lanes);
  out.margins = TakeBytes(margin_count_ * sizeof(float), &out.end);
  // Ids of the rows come first, so that they can be left out.
  out.wanted = !finds ? out.margins : work.wants_ids ? 0 : places * sizeof(std::uint32_t);
  for (auto [array, size] : {std::pair{&in_, in.end}, std::pair{&out_, out.end}}) {
    if (array->data() != nullptr && size <= array->size()) continue;
    *array = {};
    if (const absl::Status status = array->Allocate(size + size / 2, "rows"); !status.ok())
      return status;
  }
  for (const absl::Status& status : {up_.Room(in_.size()), down_.Room(out_.size())})
    if (!status.ok()) return status;
  in_layout_ = in;
  out_layout_ = out;
  return absl::OkStatus();
}

absl::Status WorkSlot::Upload(const DeviceWork& work, const WorkStreams& streams) {
  const ResolvedRows& rows = work.rows;
  const std::uint32_t base = rows.rows == 0 ? 0 : rows.row_begin[0];
  places_ = PlacesOf(rows);
  // Where the device has it; null where there is none.
  const auto put = [&](const auto* from, std::size_t first, std::size_t count, std::size_t at) {
    if (from == nullptr || count == 0) return decltype(from){nullptr};
    std::memcpy(up_.data() + at, from + first, count * sizeof(*from));
    return reinterpret_cast<decltype(from)>(in_.data() + at);
  };
  const bool finds = key_count_ > 0;
  std::size_t keys_end = in_layout_.keys;
  const auto put_keys = [&](const std::uint64_t* from, std::size_t first, std::size_t count) {
    put(from, first, count, keys_end);
    keys_end += count * sizeof(*from);
  };
  put_keys(work.keys, base, finds ? places_ : 0);
  for (std::size_t i = 0; i < DeviceWork::kMoreKeys; ++i) {
    more_count_[i] = work.more_keys[i].size();
    put_keys(work.more_keys[i].data(), 0, more_count_[i]);
  }
  keys_ = reinterpret_cast<const unsigned long long*>(in_.data() + in_layout_.keys);
  ids_ = reinterpret_cast<std::uint32_t*>(out_.data() + out_layout_.ids);
  end_id_ = reinterpret_cast<std::uint32_t*>(out_.data() + out_layout_.end_id);
  margins_ = reinterpret_cast<float*>(out_.data() + out_layout_.margins);
  rows_ = {};
  rows_.base = base;
  rows_.ids = finds ? ids_ : put(rows.ids, base, places_, in_layout_.ids);
  rows_.values = put(rows.values, base, places_, in_layout_.values);
  rows_.row_begin = put(rows.row_begin, 0, rows.rows + 1, in_layout_.row_begin);
  rows_.labels = put(rows.labels, 0, rows.rows, in_layout_.labels);
  rows_.weights = put(rows.weights, 0, rows.rows, in_layout_.weights);
  PS_DEVICE_OK(CopyToDevice(in_.data(), up_.data(), in_layout_.end, streams.up), kSending);
  PS_DEVICE_OK(cudaEventRecord(uploaded_, streams.up), kSending);
  PS_DEVICE_OK(cudaStreamWaitEvent(streams.compute, uploaded_), kSending);
  return absl::OkStatus();
}

absl::Status WorkSlot::Download(const WorkStreams& streams) {
  PS_DEVICE_OK(cudaEventRecord(learnt_, streams.compute), kFetching);
  PS_DEVICE_OK(cudaStreamWaitEvent(streams.down, learnt_), kFetching);
  const std::size_t from = out_layout_.wanted;
  PS_DEVICE_OK(CopyToHost(down_.data() + from, out_.data() + from, out_layout_.end - from,
                          streams.down),
               kFetching);
  PS_DEVICE_OK(cudaEventRecord(downloaded_, streams.down), kFetching);
  return absl::OkStatus();
}

absl::StatusOr<DeviceAnswer> WorkSlot::Wait() {
  PS_DEVICE_OK(cudaEventSynchronize(downloaded_), "learning rows");
  const auto* ids = reinterpret_cast<const std::uint32_t*>(down_.data() + out_layout_.ids);
  DeviceAnswer answer;
  answer.margins = {reinterpret_cast<const float*>(down_.data() + out_layout_.margins),
                    margin_count_};
  if (key_count_ == 0) return answer;
  if (out_layout_.wanted == 0) answer.ids = {ids, places_};
  ids += places_;
  for (std::size_t i = 0; i < DeviceWork::kMoreKeys; ids += more_count_[i++])
    answer.more_ids[i] = {ids, more_count_[i]};
  answer.end_id = *reinterpret_cast<const std::uint32_t*>(down_.data() + out_layout_.end_id);
  return answer;
}

}  // namespace ps
