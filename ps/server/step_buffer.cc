#include "ps/server/step_buffer.h"

#include <algorithm>
#include <utility>

namespace ps {

StepBuffer::Accepted StepBuffer::Add(const Step& step, const RoundChunks& round,
                                     Contribution contribution) {
  const std::uint32_t offset = contribution.chunk - round.first;
  if (contribution.chunk < round.first || offset >= round.count) return Accepted::kImpossible;
  if (!open_) {
    const bool over =
        any_committed_ && std::pair(step.pass, step.round) <= std::pair(last_.pass, last_.round);
    if (over) return Accepted::kRepeated;
    if (step.batch != 0) return Accepted::kTooEarly;
    open_ = true;
    for (Before& before : before_) spare_.push_back(std::move(before.weights));
    before_.clear();
    step_ = step;
    round_ = round;
    ended_.assign(round.count, false);
  }
  if (step < step_) return Accepted::kRepeated;
  if (step > step_) return Accepted::kTooEarly;
  if (!(round == round_) || ended_[offset]) return Accepted::kImpossible;
  const std::uint32_t chunk = contribution.chunk;
  return contributions_.try_emplace(chunk, std::move(contribution)).second ? Accepted::kBuffered
                                                                           : Accepted::kRepeated;
}

bool StepBuffer::Whole() const {
  if (!open_) return false;
  const auto ended = std::count(ended_.begin(), ended_.end(), true);
  return contributions_.size() + ended == round_.count;
}

StepBuffer::Sum StepBuffer::Merge(Sum sum, const Contribution& next, std::size_t lanes) {
  const std::vector<Key>& keys = *next.keys;
  Sum out;
  out.keys.reserve(sum.keys.size() + keys.size());
  out.gradients.reserve(out.keys.capacity() * lanes);
  out.counts.reserve(out.keys.capacity());
  const auto count_of = [&](std::size_t i) {
    return next.counts.empty() ? std::uint8_t{1} : next.counts[i];
  };
  std::size_t a = 0, b = 0;
  while (a < sum.keys.size() || b < keys.size()) {
    const bool from_sum = b == keys.size() || (a < sum.keys.size() && sum.keys[a] <= keys[b]);
    const bool from_next = a == sum.keys.size() || (b < keys.size() && keys[b] <= sum.keys[a]);
    unsigned count = from_sum ? sum.counts[a] : count_of(b);
    if (from_sum && from_next) count += count_of(b);
    out.keys.push_back(from_sum ? sum.keys[a] : keys[b]);
    for (std::size_t k = 0; k < lanes; ++k) {
      float gradient = from_sum ? sum.gradients[a * lanes + k] : next.gradients[b * lanes + k];
      if (from_sum && from_next) gradient += next.gradients[b * lanes + k];
      out.gradients.push_back(gradient);
    }
    out.counts.push_back(static_cast<std::uint8_t>(std::min(count, 255u)));
    a += from_sum;
    b += from_next;
  }
  return out;
}

bool StepBuffer::Commit(SlotTable& table) {
  if (!Whole()) return false;
  Sum sum;
  const auto lanes = static_cast<std::size_t>(table.lanes());
  for (const auto& [chunk, contribution] : contributions_)
    sum = Merge(std::move(sum), contribution, lanes);
  Before before{.step = step_};
  if (!spare_.empty()) {
    before.weights = std::move(spare_.back());
    spare_.pop_back();
  }
  before.weights.resize(sum.keys.size() * lanes);
  table.Pull(sum.keys, absl::MakeSpan(before.weights));
  if (table.options().min_count > 1) {
    table.Push(sum.keys, sum.gradients, sum.counts);
  } else {
    table.Push(sum.keys, sum.gradients);
  }
  before.keys = std::move(sum.keys);
  before_.push_back(std::move(before));
  for (const auto& [chunk, contribution] : contributions_) {
    if (contribution.last_of_chunk) ended_[chunk - round_.first] = true;
  }
  contributions_.clear();
  last_ = step_;
  any_committed_ = true;
  ++step_.batch;
  open_ = std::find(ended_.begin(), ended_.end(), false) != ended_.end();
  return true;
}

bool StepBuffer::Ready(const Step& step) const {
  if (open_) return step <= step_;
  if (!any_committed_ || std::pair(step.pass, step.round) > std::pair(last_.pass, last_.round)) {
    return step.batch == 0;
  }
  return true;
}

void StepBuffer::Pull(const SlotTable& table, const Step& step, absl::Span<const Key> keys,
                      absl::Span<float> weights) const {
  table.Pull(keys, weights);
  const auto lanes = static_cast<std::size_t>(table.lanes());
  // Of a key that several steps have touched since, what there was before the first of them.
  for (auto before = before_.rbegin(); before != before_.rend() && before->step >= step; ++before) {
    const std::vector<Key>& touched = before->keys;
    std::size_t at = 0;
    for (std::size_t i = 0; i < keys.size() && at < touched.size(); ++i) {
      while (at < touched.size() && touched[at] < keys[i]) ++at;
      if (at == touched.size() || touched[at] != keys[i]) continue;
      std::copy_n(before->weights.data() + at * lanes, lanes, weights.data() + i * lanes);
    }
  }
}

}  // namespace ps
