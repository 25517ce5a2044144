// Rows for measuring tree trainers, made from a seed: row i is the same whatever else is made.
//
// Dense: 28 numeric columns shaped like the HIGGS set (momenta, angles, tags of three values, and
// masses derived from them), tab-separated, label first. Sparse: libsvm rows over many columns of
// Zipf popularity, about 83 non-zeros each, positive values. Both have labels drawn from a known,
// non-linear margin. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ps {

inline constexpr int kDenseTreeColumns = 28;

class DenseTreeRows {
 public:
  // More than two classes are A, B, ...: steps of the margin with its noise, of which two are 0 and 1.
  explicit DenseTreeRows(std::uint64_t seed, int classes = 2) : seed_(seed), classes_(classes) {}
  // Appends one line.
  void Append(std::uint64_t row, std::string* text) const;

 private:
  const std::uint64_t seed_;
  const int classes_;
};

class SparseTreeRows {
 public:
  SparseTreeRows(std::uint64_t seed, std::uint32_t columns);
  void Append(std::uint64_t row, std::string* text) const;

 private:
  struct Column {
    float effect = 0;     // on the margin, of the value
    float threshold = 0;  // the effect counts from here on
    float scale = 1;      // of the values
  };

  const std::uint64_t seed_;
  const std::uint32_t columns_;
  std::vector<Column> column_;
};

}  // namespace ps
