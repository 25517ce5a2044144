// The first stage of reading `13:1 5678123:1 ...` fast: a window of text is turned, sixty-four
// bytes at a time, into the places of its colons and of whatever breaks the pattern `digits ':' '1'
// ' '`. The second stage (IndexNumbers) turns the digits in front of many colons into keys at once.
// After Langdale and Lemire, "Parsing gigabytes of JSON per second", VLDB Journal 2019. Belongs to
// one thread. AVX2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "ps/base/key.h"

namespace ps {

// Places are byte offsets from the window's begin.
struct PatternBreak {
  std::uint32_t place;
  std::uint32_t colons_before;  // how many colons of the window lie in front of it
};

class FeatureIndex {
 public:
  static constexpr std::size_t kWindowBytes = 4096;

  // Indexes [begin, end), or its first kWindowBytes. `begin` is the first byte of a feature, or of
  // a row.
  void Build(const char* begin, const char* end);

  const char* begin() const { return begin_; }
  std::size_t bytes() const { return bytes_; }
  bool Holds(const char* p) const { return p >= begin_ && p < begin_ + bytes_; }

  // Keys of the features from the one that begins at *p on, as long as they are `digits:1` with an
  // index of at most sixteen digits and a blank or a newline behind them. Moves *p behind the last
  // of them. `keys` has room for kWindowBytes / 4 + 8. p ascends from call to call, and sixteen
  // bytes in front of it are readable.
  struct Run {
    std::size_t count = 0;
    bool ascending = true;       // strictly, from the index before on
    bool at_window_end = false;  // it is the window that stopped the run
  };
  // *last_index is that of the feature before (-1: none) and becomes that of the last one.
  Run ReadRun(const char** p, std::int64_t* last_index, Key* keys);

 private:
  struct Places {
    std::uint32_t colon[kWindowBytes + 80];   // [0] is in front of the first
    std::uint32_t digits[kWindowBytes + 80];  // of the index in front of a colon, at most 16
    PatternBreak breaks[kWindowBytes + 80];
  };

  std::size_t Measure(std::uint32_t begin, std::size_t first, std::size_t count);
  bool WriteKeys(std::size_t first, std::size_t count, Key* keys, std::int64_t* last_index) const;

  const char* begin_ = nullptr;
  std::size_t bytes_ = 0;
  std::size_t next_break_ = 0;
  std::size_t next_colon_ = 1;
  std::unique_ptr<Places> places_;  // made by the first Build: small texts need none
};

}  // namespace ps
