#include "ps/server/push_ledger.h"

#include <algorithm>

namespace ps {

PushLedger::SlotMasks& PushLedger::MasksOf(std::uint32_t pass, std::uint32_t chunk) {
  const auto [at, inserted] = masks_.try_emplace({pass, chunk});
  if (inserted) {
    if (!spare_.empty()) {
      at->second = std::move(spare_.back());
      spare_.pop_back();
    }
    at->second.assign(std::size_t{1} << slot_bits_, 0);
  }
  return at->second;
}

void PushLedger::Record(const PushName& name, absl::Span<const Key> keys,
                        std::vector<KeyRange>* fresh, std::uint64_t* pushes) {
  fresh->clear();
  if (IsDone(name.pass, name.chunk)) return;
  SlotMasks& masks = MasksOf(name.pass, name.chunk);
  const bool has_surplus = surplus_.size() > 1;
  const std::uint64_t bit = std::uint64_t{1} << name.batch;
  std::size_t begin = 0;
  while (begin < keys.size()) {
    const SlotIndex slot = SlotOf(keys[begin], slot_bits_);
    std::size_t end = begin + 1;
    while (end < keys.size() && SlotOf(keys[end], slot_bits_) == slot) ++end;
    const bool contained =
        has_surplus && surplus_[surplus_of_[slot]].Contains(name.pass, name.chunk);
    if ((masks[slot] & bit) == 0 && !contained) {
      masks[slot] |= bit;
      ++pushes[slot];
      if (!fresh->empty() && fresh->back().end == begin) {
        fresh->back().end = end;
      } else {
        fresh->push_back({begin, end});
      }
    }
    begin = end;
  }
}

std::uint64_t* PushLedger::Masks(const PushName& name) {
  return done_.Contains(name.pass, name.chunk) ? nullptr : MasksOf(name.pass, name.chunk).data();
}

void PushLedger::DropDone() {
  constexpr std::size_t kMostSpare = 64;
  for (auto at = masks_.begin(); at != masks_.end();) {
    if (!IsDone(at->first.first, at->first.second)) {
      ++at;
      continue;
    }
    if (spare_.size() < kMostSpare) spare_.push_back(std::move(at->second));
    at = masks_.erase(at);
  }
}

void PushLedger::MarkDone(std::uint32_t pass, absl::Span<const IntervalSet::Interval> chunks) {
  if (pass < done_.pass) return;
  if (pass > done_.pass) {
    done_.pass = pass;
    done_.chunks.Clear();
  }
  for (const IntervalSet::Interval& interval : chunks) done_.chunks.Add(interval);
  DropDone();
  // A surplus that has become done is none.
  bool needed = false;
  for (std::size_t i = 1; i < surplus_.size(); ++i) {
    if (!surplus_[i].empty() && done_.Includes(surplus_[i])) surplus_[i] = DoneSet();
    needed |= !surplus_[i].empty();
  }
  if (!needed && surplus_.size() > 1) {
    surplus_.resize(1);
    std::fill(surplus_of_.begin(), surplus_of_.end(), 0);
  }
}

std::uint32_t PushLedger::SurplusNumber(const DoneSet& surplus) {
  const auto at = std::find(surplus_.begin(), surplus_.end(), surplus);
  if (at != surplus_.end()) return static_cast<std::uint32_t>(at - surplus_.begin());
  surplus_.push_back(surplus);
  return static_cast<std::uint32_t>(surplus_.size() - 1);
}

void PushLedger::BeginGen() {
  // Sets become equal when all are added to: slots keep their numbers.
  for (DoneSet& surplus : surplus_) surplus.Add(done_);
  // The first set stands for none.
  surplus_.push_back(surplus_.front());
  const auto last = static_cast<std::uint32_t>(surplus_.size() - 1);
  for (std::uint32_t& number : surplus_of_) {
    if (number == 0) number = last;
  }
  surplus_.front() = DoneSet();
  done_ = DoneSet();
}

void PushLedger::ClearSlot(SlotIndex slot) {
  for (auto& [chunk, masks] : masks_) masks[slot] = 0;
  surplus_of_[slot] = 0;
}

void PushLedger::TakeSlot(SlotIndex slot, SlotImage* image) const {
  for (const auto& [chunk, masks] : masks_) {
    if (masks[slot] != 0) image->masks.push_back({chunk.first, chunk.second, masks[slot]});
  }
  DoneSet contained = surplus_[surplus_of_[slot]];
  contained.Add(done_);  // of an earlier pass it adds nothing
  image->done_pass = contained.pass;
  for (const IntervalSet::Interval& interval : contained.chunks.intervals()) {
    image->done.push_back({interval.first, interval.last});
  }
}

void PushLedger::PutSlot(SlotIndex slot, const SlotImage& image) {
  ClearSlot(slot);
  for (const SlotImage::Mask& mask : image.masks) {
    if (!IsDone(mask.pass, mask.chunk)) MasksOf(mask.pass, mask.chunk)[slot] = mask.batches;
  }
  DoneSet contained{image.done_pass, {}};
  for (const SlotImage::Interval& interval : image.done) {
    contained.chunks.Add({interval.first, interval.last});
  }
  if (!done_.Includes(contained)) surplus_of_[slot] = SurplusNumber(contained);
}

}  // namespace ps
