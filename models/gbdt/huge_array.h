// A large array of plain values, zero at first, on huge pages where the system gives them: rows are
// visited in jumps, and small pages would cost a look-up each. Memory that is never touched costs
// nothing, so an upper bound of the size is good enough. Owned by one object; as thread-safe as an
// array.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

namespace ps {

template <typename T>
class HugeArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  HugeArray() = default;
  // Throws std::bad_alloc when there is no room for the addresses.
  explicit HugeArray(std::size_t size) : size_(size) {
    if (size == 0) return;
    void* const memory = mmap(nullptr, bytes(), PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    madvise(memory, bytes(), MADV_HUGEPAGE);
    data_ = static_cast<T*>(memory);
  }
  HugeArray(HugeArray&& other) noexcept { *this = std::move(other); }
  HugeArray& operator=(HugeArray&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~HugeArray() {
    if (data_ != nullptr) munmap(data_, bytes());
  }

  // Room for `size` or more; what is there stays.
  void Grow(std::size_t size) {
    if (size <= size_) return;
    HugeArray more(std::max(size, 2 * size_));
    std::copy_n(data_, size_, more.data_);
    *this = std::move(more);
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }

 private:
  std::size_t bytes() const { return size_ * sizeof(T); }

  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace ps
