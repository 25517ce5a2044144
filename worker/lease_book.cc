#include "worker/lease_book.h"

#include <algorithm>
#include <utility>

namespace ps {
namespace {

bool SameChunk(const wire::Lease::Chunk& a, std::uint32_t pass, std::uint32_t chunk) {
  return a.pass() == pass && a.chunk() == chunk;
}

void DescribeRows(const ChunkRows& rows, wire::ChunkRows* out) {
  out->set_lines(rows.block.lines);
  out->set_rows(rows.rows);
  out->set_held_out(rows.held_out);
  out->set_dropped(rows.dropped);
  out->set_bad(rows.block.bad_rows);
  for (const BadRow& bad : rows.block.bad) {
    wire::ChunkRows::BadExample& example = *out->add_bad_examples();
    example.set_file(bad.file);
    example.set_offset(bad.offset);
    example.set_column(bad.column);
    example.set_what(bad.what);
    example.set_text(bad.text);
  }
}

}  // namespace

bool HeldChunk::HasBatchToStart() {
  while (next_batch < batches && (((reported | landed) >> next_batch) & 1) != 0) ++next_batch;
  return next_batch < batches;
}

void LeaseBook::Add(const wire::Lease& lease) {
  for (const wire::Lease::Chunk& chunk : lease.chunks()) {
    const bool known = std::any_of(held_.begin(), held_.end(), [&](const auto& held) {
      return SameChunk(held->lease, chunk.pass(), chunk.chunk());
    });
    if (known) continue;
    auto held = std::make_shared<HeldChunk>();
    held->lease = chunk;
    held->reported = chunk.done_mask();
    held_.push_back(std::move(held));
  }
}

void LeaseBook::ListHeld(wire::LeaseRequest* request) const {
  for (const auto& held : held_) {
    wire::LeaseRequest::Held& entry = *request->add_holding();
    entry.set_pass(held->lease.pass());
    entry.set_chunk(held->lease.chunk());
  }
}

std::size_t LeaseBook::startable() const {
  return std::count_if(held_.begin(), held_.end(),
                       [](const auto& held) { return !held->read || held->HasBatchToStart(); });
}

void LeaseBook::Landed(HeldChunk& chunk, wire::Progress::BatchStats stats, MonotonicTime now) {
  chunk.landed |= std::uint64_t{1} << stats.batch();
  chunk.unreported.push_back(std::move(stats));
  if (chunk.progress_attempts == 0) chunk.progress_deadline = now;
}

void LeaseBook::OnProgressAck(const wire::ProgressAck& ack, MonotonicTime now) {
  const auto at = std::find_if(held_.begin(), held_.end(), [&](const auto& held) {
    return SameChunk(held->lease, ack.pass(), ack.chunk());
  });
  if (at == held_.end()) return;
  HeldChunk& chunk = **at;
  chunk.reported |= ack.mask();
  std::erase_if(chunk.unreported, [&](const wire::Progress::BatchStats& stats) {
    return ((chunk.reported >> stats.batch()) & 1) != 0;
  });
  chunk.progress_attempts = 0;
  chunk.progress_deadline = now;
  if (chunk.read && (chunk.reported & chunk.all()) == chunk.all()) held_.erase(at);
}

void LeaseBook::SendProgress(const Address& scheduler, Count count, MonotonicTime now,
                             Outbox& outbox) {
  for (const auto& held : held_) {
    HeldChunk& chunk = *held;
    // A chunk that was read and is wholly reported by others still has its row counts to tell.
    const bool due = !chunk.unreported.empty() ||
                     (chunk.read && !chunk.HasBatchToStart() && chunk.in_flight == 0);
    if (!due || now < chunk.progress_deadline) continue;
    Message message;
    wire::Progress& progress = *message.body.mutable_progress();
    progress.set_pass(chunk.lease.pass());
    progress.set_chunk(chunk.lease.chunk());
    progress.set_mask(chunk.landed);
    progress.set_batches(chunk.batches);
    progress.set_landed(count.landed);
    progress.set_incarnation(count.incarnation);
    message.body.set_gen(count.gen);
    for (const wire::Progress::BatchStats& stats : chunk.unreported) *progress.add_stats() = stats;
    DescribeRows(chunk.rows, progress.mutable_rows());
    outbox.Send(scheduler, std::move(message));
    chunk.progress_deadline = now + backoff_.Wait(chunk.progress_attempts++);
  }
}

}  // namespace ps
