// The batches of a worker: from a leased chunk to what is reported of it.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "worker/worker_machine.h"

namespace ps {
namespace {

template <typename T>
std::string BytesOf(absl::Span<const T> values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

// What the scheduler makes the progressive metrics of.
wire::Progress::BatchStats StatsOf(const Flight& flight) {
  wire::Progress::BatchStats stats;
  const RowBlock& block = *flight.batch.block;
  const RowRange rows = flight.batch.rows;
  stats.set_batch(flight.index);
  stats.set_margins(BytesOf<float>(flight.margins));
  std::string labels(rows.size(), '\0');
  for (std::size_t i = 0; i < rows.size(); ++i) labels[i] = block.label[rows.begin + i] > 0.5f;
  stats.set_labels(std::move(labels));
  if (!block.weight.empty()) {
    stats.set_weights(BytesOf(absl::MakeConstSpan(block.weight).subspan(rows.begin, rows.size())));
  }
  return stats;
}

int LanesOf(const wire::Lease::Chunk& lease) { return std::max(1, static_cast<int>(lease.lanes())); }

// A lane whose gradients are not finite learns nothing from this batch: its margins, which are not finite
// either or soon will be, tell whoever compares lanes. False where that is so of every lane.
bool LeaveOutBrokenLanes(Batch* batch) {
  const auto lanes = static_cast<std::size_t>(batch->lanes);
  std::size_t broken = 0;
  for (std::size_t k = 0; k < lanes; ++k) {
    bool finite = true;
    for (std::size_t i = k; i < batch->gradient.size(); i += lanes) finite &= std::isfinite(batch->gradient[i]);
    if (finite) continue;
    ++broken;
    for (std::size_t i = k; i < batch->gradient.size(); i += lanes) batch->gradient[i] = 0;
  }
  return broken < lanes;
}

}  // namespace

// Stale gradients hurt most while the weights are young: the first batches all say the same, and
// applied one after the other they overshoot. So the window opens as the worker gets on.
std::size_t WorkerMachine::Window() const {
  constexpr std::uint64_t kBatchesAStep = 8;
  return std::min<std::size_t>(window_, 1 + batches_landed_ / kBatchesAStep);
}

bool WorkerMachine::MayStart() const {
  return plan_->staleness() <= 0 || batches_landed_ + flights_.size() < may_start_;
}

HeldChunk* WorkerMachine::NextChunk() const {
  const bool stepped = plan_->staleness() == 0;
  if (!stepped && flights_.size() >= Window()) return nullptr;
  const bool may_start = MayStart();
  for (const auto& held : leases_.held()) {
    if (stepped && held->in_flight > 0) continue;  // the next step needs this one's weights
    if (!held->read || (may_start && held->HasBatchToStart())) return held.get();
  }
  return nullptr;
}

bool WorkerMachine::work_pending() const {
  if (finished_ || !status_.ok() || !shards_.has_value() || !shards_->routing().has_value()) {
    return false;
  }
  if (to_tell_) return true;
  for (const auto& flight : flights_) {
    if (flight->phase == Flight::Phase::kComputable) return true;
  }
  return NextChunk() != nullptr;
}

void WorkerMachine::Work(MonotonicTime now, Outbox& outbox) {
  for (const auto& flight : flights_) {
    if (flight->phase == Flight::Phase::kComputable) {
      Compute(*flight, now, outbox);
      Land(now);
      return;
    }
  }
  HeldChunk* next = NextChunk();
  if (next == nullptr) return;
  if (!next->read) {
    ReadChunk(*next, now);
    return;
  }
  for (const auto& held : leases_.held()) {
    if (held.get() == next) {
      StartBatch(held, now, outbox);
      return;
    }
  }
}

void WorkerMachine::ReadChunk(HeldChunk& chunk, MonotonicTime now) {
  const FileRange range{chunk.lease.file(), chunk.lease.begin(), chunk.lease.end()};
  if (absl::Status status = source_->Read(range, &chunk.rows); !status.ok()) {
    Fail(std::move(status), now);
    return;
  }
  chunk.read = true;
  chunk.batches = BatchesOf(chunk.rows.block.rows(), plan_->batch_rows());
}

void WorkerMachine::StartBatch(std::shared_ptr<HeldChunk> chunk, MonotonicTime now,
                               Outbox& outbox) {
  std::unique_ptr<Flight> flight;
  if (spare_.empty()) {
    flight = std::make_unique<Flight>();
  } else {
    flight = std::move(spare_.back());
    spare_.pop_back();
  }
  const RowBlock& block = chunk->rows.block;
  flight->index = chunk->next_batch++;
  ++chunk->in_flight;
  flight->chunk = std::move(chunk);
  const bool on_device = maker_->on_device();
  const absl::Status built = maker_->Build(
      block, RowsOfBatch(block.rows(), plan_->batch_rows(), flight->index), plan_->bias(),
      LanesOf(flight->chunk->lease), &flight->batch, plan_->min_count() > 1 ? &flight->counts : nullptr);
  if (!built.ok()) return FailOfDevice(built, now);
  if (maker_->on_device() != on_device) {
    next_heartbeat_ = now;  // which says so
    spare_.clear();         // with what they have of the device's memory, which others may want
  }
  shards_->Pull(*flight, now, outbox);
  flights_.push_back(std::move(flight));
}

void WorkerMachine::Compute(Flight& flight, MonotonicTime now, Outbox& outbox) {
  if (const absl::Status status = maker_->Compute(&flight.batch, &flight.margins); !status.ok())
    return FailOfDevice(status, now);
  const auto is_finite = [](float gradient) { return std::isfinite(gradient); };
  if (!std::all_of(flight.batch.gradient.begin(), flight.batch.gradient.end(), is_finite) &&
      !LeaveOutBrokenLanes(&flight.batch)) {
    return Fail(absl::OutOfRangeError("the model has diverged: a gradient is not finite"), now);
  }
  shards_->Push(flight, now, outbox);
}

void WorkerMachine::Land(MonotonicTime now) {
  for (auto& flight : flights_) {
    if (flight->phase != Flight::Phase::kLanded) continue;
    rows_ += flight->batch.rows.size();
    ++batches_landed_;
    --flight->chunk->in_flight;
    leases_.Landed(*flight->chunk, StatsOf(*flight), now);
    flight->chunk.reset();
    if (!maker_->on_device()) flight->batch.on_device.reset();
    spare_.push_back(std::move(flight));
  }
  std::erase(flights_, nullptr);
}

}  // namespace ps
