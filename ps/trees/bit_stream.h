// Numbers of a few bits each, one after the other, the least significant bit first. One thread.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace ps {

// 0, -1, 1, -2, ... as 0, 1, 2, 3, ...
constexpr std::uint64_t ZigZag(std::int64_t x) {
  return (static_cast<std::uint64_t>(x) << 1) ^ static_cast<std::uint64_t>(x >> 63);
}
constexpr std::int64_t UnZigZag(std::uint64_t x) {
  return static_cast<std::int64_t>(x >> 1) ^ -static_cast<std::int64_t>(x & 1);
}

class BitWriter {
 public:
  static constexpr unsigned kMostAtOnce = 56;

  // Where the next bit goes. A loop that writes many numbers does it through a copy, which stays in
  // registers.
  class Cursor {
   public:
    // `value` has no bits beyond `width`, which is at most kMostAtOnce.
    void Put(std::uint64_t value, unsigned width) {
      bits_ |= value << held_;
      held_ += width;
      std::memcpy(at_, &bits_, sizeof bits_);
      at_ += held_ / 8;
      bits_ >>= held_ & ~7u;
      held_ &= 7;
    }

   private:
    friend class BitWriter;
    explicit Cursor(char* at) : at_(at) {}

    char* at_;
    std::uint64_t bits_ = 0;
    unsigned held_ = 0;  // bits of the byte that is not full
  };
  static constexpr std::size_t kMostOpenBytes = 2048;

  // Appends to `out`, whose last bytes are there after Finish.
  explicit BitWriter(std::string* out) : out_(*out) {}

  // There is room for as many bytes, at most kMostOpenBytes, behind what Open returns; Close says how
  // far it was moved.
  Cursor Open(std::size_t bytes) {
    if (static_cast<std::size_t>(cursor_.at_ - room_) + bytes > kMostOpenBytes) Spill();
    return cursor_;
  }
  void Close(const Cursor& cursor) { cursor_ = cursor; }
  void Put(std::uint64_t value, unsigned width) {
    Open(sizeof value);
    cursor_.Put(value, width);
  }
  // The rest of the last byte is 0.
  void Finish() {
    if (cursor_.held_ > 0)
      *cursor_.at_++ = static_cast<char>(cursor_.bits_);  // Spill may have come before it was written
    Spill();
    cursor_ = Cursor(room_);
  }

 private:
  void Spill() {
    out_.append(room_, cursor_.at_);
    cursor_.at_ = room_;
  }

  std::string& out_;
  char room_[kMostOpenBytes + 2 * sizeof(std::uint64_t)];  // a store is of eight bytes
  Cursor cursor_{room_};
};

class BitReader {
 public:
  explicit BitReader(std::string_view in) : in_(in) {}

  // The next bits, at least BitWriter::kMostAtOnce of them; 0 beyond the end.
  std::uint64_t Peek() const {
    const std::size_t byte = at_ / 8;
    std::uint64_t bits = 0;
    if (byte + sizeof bits <= in_.size()) {
      std::memcpy(&bits, in_.data() + byte, sizeof bits);
    } else if (byte < in_.size()) {
      std::memcpy(&bits, in_.data() + byte, in_.size() - byte);
    }
    return bits >> (at_ % 8);
  }
  void Skip(unsigned width) { at_ += width; }
  std::uint64_t Take(unsigned width) {
    const std::uint64_t bits = Peek() & ((std::uint64_t{1} << width) - 1);
    Skip(width);
    return bits;
  }
  bool is_beyond_end() const { return bytes() > in_.size(); }
  std::size_t bytes() const { return (at_ + 7) / 8; }  // that were begun

 private:
  std::string_view in_;
  std::size_t at_ = 0;  // bits
};

}  // namespace ps
