// Margins of rows of values, fast: trees flattened to arrays of nodes, several walks at a time so
// that one's wait for memory is the others' work. Immutable after construction: any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "models/gbdt/tree_model.h"

namespace ps {

class TreePredictor {
 public:
  explicit TreePredictor(const TreeModel& model);

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
  struct Flat {
    std::uint32_t root = 0;
    std::uint32_t first_leaf = 0;
    int depth = 0;
    bool categories = false;  // asks for some: walked with sets
    std::size_t source = 0;
  };
  // Trees [first, end) add to a base score.
  struct Output {
    std::size_t first = 0, end = 0;
    double base_score = 0;
  };
  void AddTrees(const TreeModel& model, std::size_t output);
  void Flatten(const Tree& tree);
  void SomeMargins(const float* row, std::size_t output, float* margins) const;
  float Leaf(const Flat& tree, const float* row) const;

  std::size_t columns_ = 0;
  std::vector<Output> outputs_;
  std::vector<Node> nodes_;
  std::vector<Flat> trees_;
  std::vector<Tree> with_sets_;  // those that ask for categories
};

}  // namespace ps
