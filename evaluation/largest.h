// The n items of largest rank out of a stream, in memory proportional to n. One thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace ps {

// Item has `float rank() const` and `Key key` (smaller keys first among equal ranks).
template <typename Item>
class Largest {
 public:
  explicit Largest(std::uint64_t count) : count_(count) {}

  void Add(const Item& item) {
    if (count_ == 0) return;
    if (heap_.size() == count_) {
      if (!Before(item, heap_.front())) return;
      std::pop_heap(heap_.begin(), heap_.end(), Before);
      heap_.pop_back();
    }
    heap_.push_back(item);
    std::push_heap(heap_.begin(), heap_.end(), Before);
  }

  std::vector<Item> Take() && {
    std::sort(heap_.begin(), heap_.end(), Before);
    return std::move(heap_);
  }

 private:
  // The heap's front is the item that comes last in this order.
  static bool Before(const Item& a, const Item& b) {
    return a.rank() != b.rank() ? a.rank() > b.rank() : a.key < b.key;
  }

  const std::uint64_t count_;
  std::vector<Item> heap_;
};

}  // namespace ps
