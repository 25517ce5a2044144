// The leaves that rows come to, without walking: a tree's leaves are bits, from the left, and every node where a row goes
// right takes away those on its left; the first bit that is left is the row's leaf (QuickScorer; Lucchese et al., SIGIR
// 2015). All nodes of a tree are looked at, in any order, with no branch and no wait for the one above: with vectors of
// sixteen rows, or of sixteen trees, that is cheaper than a walk up to some hundred leaves.
//
// Immutable once all trees are in: any thread. Walks define the results (models/gbdt/predictor.cc); these are the same.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ps {

using LeafSet = std::array<std::uint32_t, 8>;  // a bit for each of 256 bins

// A node: leaves [first, end) of the tree, counted from the left, are below its left side.
struct LeafTest {
  static constexpr std::uint32_t kNoSet = ~std::uint32_t{0};
  std::uint32_t column = 0;  // below 2^26
  std::uint32_t first = 0, end = 0;
  bool missing_left = false;
  float threshold = 0;         // values below it go left
  std::uint32_t set = kNoSet;  // of the tree's; in its place: bins of the set go left. What is no bin is bin 0
};

// Words of 32 leaves that each node has a part in, summed over the nodes: what a tree costs.
std::size_t MaskedTests(const std::vector<LeafTest>& tests);

// Many rows at a time, a tree after the other.
class LeafMasks {
 public:
  static constexpr std::size_t kRows = 32;
  static bool Supported();  // by the processor

  // `values` of the leaves from the left. Returns the number of the tree.
  std::size_t AddTree(const std::vector<LeafTest>& tests, const std::vector<LeafSet>& sets, const std::vector<float>& values);
  std::size_t trees() const { return trees_.size(); }

  // Writes the values of `count` rows, 1 to kRows, column by column: columns x kRows, of which the second half is left alone
  // where 16 rows are all. Places beyond the rows get the last one again.
  static void Turn(const float* rows, std::size_t columns, std::size_t count, float* turned);
  // Adds the values of the leaves of trees [first, end), one after the other, to as many sums as Turn writes rows.
  void Add(const float* turned, std::size_t count, std::size_t first, std::size_t end, double* sums) const;

 private:
  struct Test {
    std::uint32_t place = 0;  // of the column's values
    std::uint32_t keep = 0;   // the leaves of a row that goes right
    float threshold = 0;
    std::uint32_t set = 0;  // first word in sets_
  };
  // 32 leaves of a tree. Tests up to `right` send missing values left, those up to `sets` right, the others ask for sets.
  struct Word {
    std::uint32_t first = 0, right = 0, sets = 0, end = 0;
  };
  struct Tree {
    std::uint32_t first = 0, end = 0;  // words
  };
  template <int kHalves>
  void AddHalves(const float* turned, std::size_t first, std::size_t end, double* sums) const;

  std::vector<Test> tests_;
  std::vector<Word> words_;
  std::vector<Tree> trees_;
  std::vector<float> values_;        // 32 for each word
  std::vector<std::uint32_t> sets_;  // 8 for each
};

// One row, sixteen words of leaves at a time.
class RowLeafMasks {
 public:
  static constexpr std::size_t kLanes = 16;

  // The tree's words come one behind the other. Returns the number of the first one.
  std::size_t AddTree(const std::vector<LeafTest>& tests, const std::vector<LeafSet>& sets, std::size_t leaves);
  std::size_t words() const { return used_; }

  // Writes words [first, end), rounded outwards to groups of kLanes: the row's leaf is the highest bit of the first of the
  // tree's words that is not 0, and one of them is not. `row` has a value for each of `columns` columns.
  void Words(const float* row, std::size_t columns, std::size_t first, std::size_t end, std::uint32_t* words) const;

 private:
  // A test for each of sixteen words.
  struct alignas(64) Step {
    std::uint32_t column[kLanes] = {};
    std::uint32_t keep[kLanes] = {};  // all: no test
    float threshold[kLanes] = {};
  };
  struct alignas(64) SetStep {
    std::uint32_t column[kLanes] = {};
    std::uint32_t keep[kLanes] = {};
    std::uint32_t set[kLanes] = {};  // first word in sets_
  };
  struct Group {
    std::vector<Step> steps;
    std::vector<std::uint16_t> missing_right;  // of each step, the words whose test sends missing values right
    std::vector<SetStep> set_steps;
    std::uint32_t tests[kLanes] = {}, set_tests[kLanes] = {};  // of each word
  };
  template <bool kMissing, bool kFewColumns>
  void WordsOf(const Group& group, const float* row, std::size_t columns, std::uint32_t* words) const;

  std::vector<Group> groups_;
  std::size_t used_ = 0;
  std::vector<std::uint32_t> sets_ = std::vector<std::uint32_t>(8);
};

}  // namespace ps
