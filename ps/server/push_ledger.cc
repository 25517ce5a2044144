#include "ps/server/push_ledger.h"

#include <algorithm>

namespace ps {

bool PushLedger::IsDone(std::uint32_t pass, std::uint32_t chunk) const {
  return pass < done_pass_ || (pass == done_pass_ && done_.Contains(chunk));
}

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
                        std::vector<KeyRange>* fresh) {
  fresh->clear();
  if (IsDone(name.pass, name.chunk)) return;
  SlotMasks& masks = MasksOf(name.pass, name.chunk);
  const std::uint64_t bit = std::uint64_t{1} << name.batch;
  std::size_t begin = 0;
  while (begin < keys.size()) {
    const SlotIndex slot = SlotOf(keys[begin], slot_bits_);
    std::size_t end = begin + 1;
    while (end < keys.size() && SlotOf(keys[end], slot_bits_) == slot) ++end;
    if ((masks[slot] & bit) == 0) {
      masks[slot] |= bit;
      if (!fresh->empty() && fresh->back().end == begin) {
        fresh->back().end = end;
      } else {
        fresh->push_back({begin, end});
      }
    }
    begin = end;
  }
}

void PushLedger::MarkDone(std::uint32_t pass, absl::Span<const IntervalSet::Interval> chunks) {
  if (pass < done_pass_) return;
  if (pass > done_pass_) {
    done_pass_ = pass;
    done_.Clear();
  }
  for (const IntervalSet::Interval& interval : chunks) done_.Add(interval);
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

}  // namespace ps
