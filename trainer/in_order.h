// Many producers, one consumer at a time, strictly in sequence: threads parse ahead while learning goes on in
// the order of the data. Whoever offers the item that is next consumes it, and all that follow, on its own
// thread; so no thread is set aside for consuming, and nobody waits while there is something to produce.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace ps {

template <typename Item>
class InOrder {
 public:
  // Holds at most `window` items that are not next yet. Consume is called with one item at a time; calls
  // synchronise with each other.
  InOrder(std::uint64_t window, std::function<void(Item&)> consume)
      : window_(window), consume_(std::move(consume)) {}

  // Sequences are 0, 1, 2, ... each offered once; a producer takes its sequence number before it produces, and
  // offers in ascending order. Waits while the window is full, which ends as long as every number that was
  // taken is offered.
  void Offer(std::uint64_t sequence, Item item) {
    std::unique_lock<std::mutex> lock(mutex_);
    room_.wait(lock, [&] { return abandoned_ || sequence < next_ + window_; });
    if (abandoned_) return;
    waiting_.emplace(sequence, std::move(item));
    if (consuming_) return;
    consuming_ = true;
    for (auto first = waiting_.find(next_); first != waiting_.end(); first = waiting_.find(next_)) {
      Item taken = std::move(first->second);
      waiting_.erase(first);
      lock.unlock();
      consume_(taken);
      lock.lock();
      spare_.push_back(std::move(taken));
      ++next_;
      room_.notify_all();
    }
    consuming_ = false;
  }

  // A number that was taken will never be offered: nobody waits for it any more, and what is offered from now on
  // is dropped.
  void Abandon() {
    std::lock_guard<std::mutex> lock(mutex_);
    abandoned_ = true;
    room_.notify_all();
  }

  // An item whose memory can be used again, or a new one.
  Item Spare() {
    std::lock_guard<std::mutex> lock(mutex_);
    if (spare_.empty()) return Item();
    Item item = std::move(spare_.back());
    spare_.pop_back();
    return item;
  }

 private:
  const std::uint64_t window_;
  const std::function<void(Item&)> consume_;
  std::mutex mutex_;
  std::condition_variable room_;
  std::map<std::uint64_t, Item> waiting_;
  std::vector<Item> spare_;
  std::uint64_t next_ = 0;
  bool consuming_ = false;
  bool abandoned_ = false;
};

}  // namespace ps
