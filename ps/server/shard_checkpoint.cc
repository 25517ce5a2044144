#include "ps/server/shard_checkpoint.h"

#include <cstring>
#include <utility>

#include "ps/table/slot_image.h"

namespace ps {
namespace {

// Of images, at a tick: what encoding them takes must not keep pushes waiting for long.
constexpr std::size_t kBytesPerTick = std::size_t{4} << 20;

void Append(std::uint64_t number, std::size_t bytes, std::string* out) {
  out->append(reinterpret_cast<const char*>(&number), bytes);
}

}  // namespace

ShardCheckpoint::ShardCheckpoint(std::unique_ptr<CheckpointWriter> writer,
                                 std::uint64_t incarnation, const SlotData* data,
                                 const Replicator* replicator)
    : writer_(std::move(writer)),
      incarnation_(incarnation),
      data_(*data),
      replicator_(*replicator) {}

void ShardCheckpoint::OnRequest(const Address& from, const Message& request, Outbox& outbox) {
  const std::uint64_t id = request.body.checkpoint().id();
  const Name name{request.body.gen(), id};
  if (name < name_ || request.body.gen() != replicator_.gen() ||
      request.body.epoch() > replicator_.epoch()) {
    return;  // it is asked again
  }
  from_ = from;
  if (name == name_) {
    if (phase_ == Phase::kAnswered) Answer(outbox);
    return;
  }
  before_.clear();
  if (!request.sections.empty()) {
    const std::string& bytes = request.sections.front();
    if (bytes.size() != std::size_t{16} * data_.table.slots()) return;
    before_.resize(data_.table.slots());
    for (std::size_t slot = 0; slot < before_.size(); ++slot) {
      std::memcpy(&before_[slot].term, bytes.data() + 16 * slot, 8);
      std::memcpy(&before_[slot].seq, bytes.data() + 16 * slot + 8, 8);
    }
  }
  name_ = name;
  phase_ = Phase::kSlots;
  lines_.clear();
  held_.reset();
  next_ = 0;
  any_written_ = false;
  event_ = CheckpointWriter::Event{};
  const SlotTable::Options& table = data_.table.options();
  writer_->Begin({.checkpoint = id,
                  .incarnation = incarnation_,
                  .gen = replicator_.gen(),
                  .slot_bits = table.slot_bits,
                  .min_count = table.min_count,
                  .layout = table.layout,
                  .optimizer = table.optimizer});
}

SlotVersion ShardCheckpoint::VersionOf(SlotIndex slot) const {
  return {replicator_.term(slot), data_.seq[slot]};
}

std::optional<SlotIndex> ShardCheckpoint::NextSlot(bool* all_done) {
  *all_done = true;
  std::optional<SlotIndex> found;
  const SlotIndex slots = data_.table.slots();
  for (SlotIndex i = 0; i < slots && !found.has_value(); ++i) {
    const SlotIndex slot = (next_ + i) % slots;
    if (!replicator_.IsPrimary(slot)) continue;
    const auto line = lines_.find(slot);
    if (line != lines_.end() && line->second.version.term == replicator_.term(slot)) continue;
    *all_done = false;
    if (replicator_.serving(slot) == Replicator::Serving::kReady) found = slot;
  }
  return found;
}

void ShardCheckpoint::WriteSlots() {
  std::size_t bytes = 0;
  while (bytes < kBytesPerTick) {
    if (!held_.has_value()) {
      bool all_done = false;
      const std::optional<SlotIndex> slot = NextSlot(&all_done);
      if (!slot.has_value()) {
        if (!all_done) return;  // some are still being restored or copied
        phase_ = Phase::kFile;
        if (any_written_) {
          writer_->Finish();
        } else {
          writer_->Abort();
        }
        return;
      }
      next_ = *slot + 1;
      const SlotVersion version = VersionOf(*slot);
      if (!before_.empty() && before_[*slot] == version) {
        lines_[*slot] = {version, false};
        continue;
      }
      held_ = Held{*slot, version, EncodeSlotImage(data_.Image(*slot))};
    }
    const std::size_t size = held_->image.size();
    if (!writer_->Submit(held_->slot, held_->version, std::move(held_->image))) return;
    lines_[held_->slot] = {held_->version, true};
    any_written_ = true;
    held_.reset();
    bytes += size;
  }
}

void ShardCheckpoint::OnTick(Outbox& outbox) {
  if (phase_ == Phase::kSlots) WriteSlots();
  if (phase_ != Phase::kSlots && phase_ != Phase::kFile) return;
  std::optional<CheckpointWriter::Event> event = writer_->Poll();
  if (event.has_value() && event->checkpoint == name_.second) {  // it failed, or is there
    event_ = *std::move(event);
  } else if (phase_ == Phase::kSlots || any_written_) {
    return;
  }
  phase_ = Phase::kAnswered;
  Answer(outbox);
}

void ShardCheckpoint::Answer(Outbox& outbox) {
  Message message;
  message.body.set_gen(name_.first);
  wire::CheckpointPart& part = *message.body.mutable_checkpoint_part();
  part.set_id(name_.second);
  part.set_incarnation(incarnation_);
  part.set_bytes(event_.file.bytes);
  part.set_crc(event_.file.crc);
  part.set_status_code(static_cast<std::uint32_t>(event_.status.code()));
  part.set_message(std::string(event_.status.message()));
  std::string lines;
  for (const auto& [slot, line] : lines_) {
    Append(slot, 4, &lines);
    Append(line.written ? 1 : 0, 4, &lines);
    Append(line.version.term, 8, &lines);
    Append(line.version.seq, 8, &lines);
  }
  message.sections.push_back(std::move(lines));
  outbox.Send(from_, std::move(message));
}

}  // namespace ps
