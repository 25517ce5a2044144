// Finds the ends of fields and lines in a piece of text, 64 bytes a step with AVX2: the first stage
// of parsing a table. One index belongs to one thread.
#pragma once

#include <cstdint>
#include <memory>

namespace ps {

class DelimiterIndex {
 public:
  // Text is indexed by 32-bit positions in windows of at most this many bytes, padding included.
  static constexpr std::uint32_t kMaxBytes = 1u << 30;
  static constexpr std::uint32_t kPadding = 64;

  // Indexes the whole lines of text[0, bytes), of which `kPadding` bytes more must be readable.
  // A line ends at '\n'. `quote` 0: none is looked for.
  void Build(const char* text, std::uint32_t bytes, char delimiter, char quote) {
    Build(text, bytes, delimiter, quote, Simd::kBest);
  }
  enum class Simd { kBest, kAvx2 };  // kBest: AVX-512 where the processor has it
  void Build(const char* text, std::uint32_t bytes, char delimiter, char quote, Simd simd);

  std::uint32_t lines() const { return lines_; }
  // Bytes of the whole lines; what follows is the begin of an unfinished line.
  std::uint32_t whole_bytes() const { return lines_ == 0 ? 0 : end(0)[line_last_[lines_ - 1]] + 1; }
  // Fields of line i are numbered [first(i), last(i)].
  std::uint32_t first(std::uint32_t line) const { return line == 0 ? 0 : line_last_[line - 1] + 1; }
  std::uint32_t last(std::uint32_t line) const { return line_last_[line]; }
  // The end of field f, where its delimiter stands; the field begins at end(f)[-1] + 1 (modulo 2^32
  // for the first), so a row is read as one array. Callers may move a line's last end for the time
  // being.
  std::uint32_t* end(std::uint32_t field) { return ends_.get() + 1 + field; }
  const std::uint32_t* end(std::uint32_t field) const { return ends_.get() + 1 + field; }
  bool has_quote() const { return has_quote_; }

 private:
  void Reserve(std::uint32_t bytes);

  std::unique_ptr<std::uint32_t[]> ends_;
  std::unique_ptr<std::uint32_t[]> line_last_;
  std::uint32_t reserved_ = 0;
  std::uint32_t lines_ = 0;
  bool has_quote_ = false;
};

}  // namespace ps
