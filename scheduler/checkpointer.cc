#include "scheduler/checkpointer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ps/checkpoint/manifest.h"
#include "ps/checkpoint/slot_file.h"

namespace ps {
namespace {

// After one that failed.
constexpr MonotonicTime kRetryAfter = std::chrono::seconds(5);

struct PartLine {
  std::uint32_t slot;
  std::uint32_t written;
  std::uint64_t term;
  std::uint64_t seq;
};
static_assert(sizeof(PartLine) == 24);

}  // namespace

Checkpointer::Checkpointer(const Options& options, std::shared_ptr<CheckpointCatalog> catalog,
                           std::optional<checkpoint::Manifest> resumed)
    : options_(options), catalog_(std::move(catalog)), latest_(std::move(resumed)) {}

bool Checkpointer::Due(MonotonicTime now) const {
  return idle() && (asked_ || (next_at_ >= MonotonicTime::zero() && now >= next_at_));
}

void Checkpointer::Ask(CommandReply reply) {
  asked_ = true;
  replies_.push_back(std::move(reply));
}

void Checkpointer::Begin(checkpoint::Manifest head, MonotonicTime now) {
  phase_ = Phase::kParts;
  asked_ = false;
  void_ = false;
  began_ = now;
  parts_.clear();
  const std::uint32_t slots = 1u << head.slot_bits();
  covered_.assign(slots, false);
  manifest_ = std::move(head);
  manifest_.set_id(catalog_->NextId());
  const bool full =
      options_.always_full || next_full_ || !latest_ || since_full_ + 1 >= options_.full_every;
  manifest_.set_full(full);
  if (full) {
    manifest_.mutable_slot_file()->Resize(static_cast<int>(slots), 0);
    manifest_.mutable_slot_term()->Resize(static_cast<int>(slots), 0);
    manifest_.mutable_slot_seq()->Resize(static_cast<int>(slots), 0);
  } else {  // what has not changed stays where it is
    *manifest_.mutable_files() = latest_->files();
    *manifest_.mutable_slot_file() = latest_->slot_file();
    *manifest_.mutable_slot_term() = latest_->slot_term();
    *manifest_.mutable_slot_seq() = latest_->slot_seq();
  }
}

void Checkpointer::Answer(const absl::StatusOr<std::string>& answer) {
  for (const CommandReply& reply : std::exchange(replies_, {})) reply(answer);
}

void Checkpointer::Fail(const std::string& why, MonotonicTime now) {
  phase_ = Phase::kIdle;
  failed_ = true;
  next_full_ = true;
  const std::string what = absl::StrCat("checkpoint ", manifest_.id(), " failed: ", why);
  absl::StrAppend(&news_, news_.empty() ? "" : "; ", what);
  next_at_ = now + std::min(options_.every, kRetryAfter);
  Answer(absl::UnavailableError(what));
}

void Checkpointer::Abort(const std::string& why, MonotonicTime now) {
  if (phase_ == Phase::kParts) Fail(why, now);
  if (phase_ == Phase::kManifest) void_ = true;  // it may come to exist, but nobody counts on it
}

void Checkpointer::End() { Answer(absl::FailedPreconditionError("the job is ending")); }

std::uint64_t Checkpointer::BytesWritten() const {
  std::uint64_t bytes = 0;
  for (int i = 0; i < manifest_.files_size(); ++i) {
    const SlotFileInfo file = FileOf(manifest_, static_cast<std::uint32_t>(i));
    if (file.name == SlotFileName(manifest_.id(), file.incarnation)) bytes += file.bytes;
  }
  return bytes;
}

void Checkpointer::OnTick(const std::vector<Shard>& primaries, const SlotMap& slots,
                          MonotonicTime now, Outbox& outbox) {
  if (next_at_ < MonotonicTime::zero()) next_at_ = now + options_.every;
  if (phase_ == Phase::kManifest) {
    const std::optional<absl::Status> answer = catalog_->Poll();
    if (!answer.has_value()) return;
    if (void_) return Fail("a rollback came before it was complete", now);
    if (!answer->ok()) return Fail(std::string(answer->message()), now);
    phase_ = Phase::kIdle;
    failed_ = false;
    since_full_ = manifest_.full() ? 0 : since_full_ + 1;
    next_full_ = false;
    ++written_;
    latest_at_ = now;
    next_at_ = now + options_.every;
    const std::string what =
        absl::StrFormat("checkpoint %d is written: %s, %.1f MB in %.2f s", manifest_.id(),
                        manifest_.full() ? "all slots" : "what has changed",
                        static_cast<double>(BytesWritten()) / 1e6,
                        std::chrono::duration<double>(now - began_).count());
    latest_ = std::move(manifest_);
    absl::StrAppend(&news_, news_.empty() ? "" : "; ", what);
    return Answer(what);
  }
  if (phase_ != Phase::kParts) return;
  if (now - began_ > options_.limit) return Fail("it took too long", now);
  bool asked_all = true;
  for (const Shard& shard : primaries) {
    Part& part = parts_[shard.node];
    if (part.here) continue;
    asked_all = false;
    if (part.asked_at >= MonotonicTime::zero() && now - part.asked_at < options_.ask_again)
      continue;
    part.asked_at = now;
    Message message;
    message.body.set_epoch(slots.epoch());
    message.body.mutable_checkpoint()->set_id(manifest_.id());
    if (!manifest_.full()) {
      std::string versions;
      versions.reserve(std::size_t{16} * covered_.size());
      for (int slot = 0; slot < latest_->slot_term_size(); ++slot) {
        const std::uint64_t version[2] = {latest_->slot_term(slot), latest_->slot_seq(slot)};
        versions.append(reinterpret_cast<const char*>(version), sizeof version);
      }
      message.sections.push_back(std::move(versions));
    }
    outbox.Send(shard.address, std::move(message));
  }
  if (!asked_all) return;
  // Everybody has answered. A slot that moved meanwhile may be in nobody's part.
  const auto missing = std::count(covered_.begin(), covered_.end(), false);
  if (missing > 0) {
    return Fail(absl::StrCat(missing, " slots changed hands while it was written"), now);
  }
  const absl::Status dropped = DropUnusedFiles(manifest_);
  const absl::Status checked = dropped.ok() ? CheckManifest(manifest_) : dropped;
  if (!checked.ok()) return Fail(std::string(checked.message()), now);
  phase_ = Phase::kManifest;
  catalog_->Commit(manifest_, latest_ ? latest_->id() : 0);
}

void Checkpointer::OnPart(const Shard& from, const Message& message, const SlotMap& slots,
                          MonotonicTime now) {
  const wire::CheckpointPart& wire = message.body.checkpoint_part();
  const auto at = parts_.find(from.node);
  if (phase_ != Phase::kParts || wire.id() != manifest_.id() || at == parts_.end() ||
      at->second.here || wire.incarnation() != from.incarnation ||
      message.body.gen() != manifest_.gen()) {
    return;
  }
  if (wire.status_code() != 0) return Fail(wire.message(), now);
  if (message.sections.size() != 1 || message.sections[0].size() % sizeof(PartLine) != 0) return;
  std::vector<PartLine> lines(message.sections[0].size() / sizeof(PartLine));
  if (!lines.empty()) {
    std::memcpy(lines.data(), message.sections[0].data(), message.sections[0].size());
  }
  Part& part = at->second;
  part.here = true;
  if (wire.bytes() > 0) {
    part.file = static_cast<std::uint32_t>(manifest_.files_size());
    AddFile({.name = SlotFileName(manifest_.id(), wire.incarnation()),
             .bytes = wire.bytes(),
             .crc = wire.crc(),
             .incarnation = wire.incarnation()},
            manifest_);
  }
  for (const PartLine& line : lines) {
    if (line.slot >= covered_.size()) continue;
    const SlotConfig& config = slots.config(line.slot);
    if (config.primary() != from.node || config.term != line.term) continue;
    const int slot = static_cast<int>(line.slot);
    if (line.written != 0) {
      if (wire.bytes() == 0) continue;
      manifest_.set_slot_file(slot, part.file);
      manifest_.set_slot_term(slot, line.term);
      manifest_.set_slot_seq(slot, line.seq);
    } else if (manifest_.full() || manifest_.slot_term(slot) != line.term ||
               manifest_.slot_seq(slot) != line.seq) {
      continue;  // of nothing that there is
    }
    covered_[line.slot] = true;
  }
}

std::string Checkpointer::TakeNews() { return std::exchange(news_, ""); }

}  // namespace ps
