// Margins of rows of values, fast: trees of up to some hundred leaves as masks of leaves (kernels/leaf_masks.h) where the
// processor has the vectors for them, others flattened to arrays of nodes, several walks at a time so that one's wait for
// memory is the others' work. Both come to the same leaves. Immutable after construction: any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "kernels/leaf_masks.h"
#include "models/gbdt/tree_model.h"

namespace ps {

class TreePredictor {
 public:
  enum class Way { kFastest, kWalks };
  explicit TreePredictor(const TreeModel& model, Way way = Way::kFastest);

  std::size_t columns() const { return columns_; }
  std::size_t outputs() const { return outputs_.size(); }  // margins of a row: one, or one a class

  // `row` has a value for each column of the model: NaN is missing, categories are numbers of bins.
  double Margin(const float* row, std::size_t output = 0) const;
  // Many rows, one behind the other; margins[i * outputs() + m] is Margin m of row i, to the bit, rounded
  // to float.
  void Margins(const float* rows, std::size_t count, float* margins) const;

  // The leaf of each tree that the row comes to, numbered within the tree; trees are in the order of
  // the model (of several classes: those of the first class, then of the next).
  void Leaves(const float* row, std::uint32_t* leaves) const;
  std::size_t trees() const { return trees_.size(); }

  // As training adds them up: in float, one tree after the other; outputs() margins.
  void MarginsAsGrown(const float* row, float* margins) const;

 private:
  struct Node {
    float threshold = 0;         // of leaves: the value
    std::uint32_t column = 0;    // top bit: missing values go left; leaves: column 0
    std::uint32_t next[2] = {};  // right, left; leaves: themselves
  };
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  struct Flat {
    std::uint32_t root = 0;
    std::uint32_t first_leaf = 0;
    int depth = 0;
    std::uint32_t with_sets = kNone;  // asks for categories: walked as the Tree of this number
    std::uint32_t masked = kNone;     // among those of masks_
    std::uint32_t word = kNone;       // the first one of row_masks_
  };
  // Trees [first, end), in words [first_word, end_word) of row_masks_, add to a base score.
  struct Output {
    std::size_t first = 0, end = 0, first_word = 0, end_word = 0;
    double base_score = 0;
  };
  void AddTree(const Tree& tree, Way way);
  void Flatten(const Tree& tree, Flat* flat);
  void AddMasks(const Tree& tree, Flat* flat);
  // The leaves of the trees that the row comes to, as nodes, in order.
  void LeafNodes(const float* row, const Output& of, std::uint32_t* at) const;
  void Walk(const float* row, std::size_t first, absl::Span<const std::uint32_t> trees, std::uint32_t* at) const;
  // Of at most LeafMasks::kRows rows; margins lie outputs() apart.
  void SomeMargins(const float* rows, const float* turned, std::size_t count, std::size_t output, float* margins) const;
  void AddWalks(const Flat& tree, const float* rows, std::size_t count, double* sums) const;

  std::size_t columns_ = 0;
  std::vector<Output> outputs_;
  Output all_;
  std::vector<Node> nodes_;
  std::vector<Flat> trees_;
  std::vector<Tree> with_sets_;  // those that ask for categories
  std::size_t masked_tests_ = 0;
  LeafMasks masks_;
  RowLeafMasks row_masks_;
  std::vector<std::uint32_t> leaf_nodes_;  // of each word of row_masks_, from the left
};

}  // namespace ps
