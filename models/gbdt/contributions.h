// What each column contributes to a row's margin: Shapley values over the columns of a tree, where
// a column that is left out sends the row both ways, each by its share of the cover
// (path-dependent TreeSHAP: Lundberg and others, Nature Machine Intelligence 2020).
//
// A leaf of value v, whose path asks for columns j with shares z(j) and the row on it (o(j) = 1) or
// not (0), gives column i
//
//   v (o(i) - z(i)) * integral over t in 0..1 of the product over j != i of o(j) t + z(j) (1 - t),
//
// as the integral of t^k (1 - t)^(n-1-k) is a Shapley weight. The integrand is a polynomial, so
// Gauss and Legendre's rule is exact with half as many points as the path has columns; products go
// down the tree and sums come up it at these points. That is linear in the nodes of a tree, where
// the common algorithm takes the square of the depth for each leaf. Immutable after construction:
// any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "models/gbdt/tree_model.h"

namespace ps {

class TreeContributions {
 public:
  // To margin `output` of the model. ResourceExhausted: a tree is so deep that its tables take more
  // than a GiB.
  static absl::StatusOr<TreeContributions> Of(const TreeModel& model, std::size_t output = 0);

  std::size_t columns() const { return columns_; }
  // What the model says of no row in particular: the mean by cover. With the contributions of a row
  // it adds up to the row's margin.
  double base() const { return base_; }
  // Of `count` rows as TreePredictor takes them; replaces count x columns() numbers.
  void Explain(const float* rows, std::size_t count, double* contributions) const;

 private:
  // From a node to a child; those of node n are 2 n (left) and 2 n + 1 (right).
  struct Edge {
    std::uint32_t column = 0;  // among those of the tree
    std::int32_t to = 0;       // a node, or ~leaf
    std::int32_t above = -1;   // the nearest edge above it that asks for the same column
    double step = 0;           // its child's share of the cover
    double share = 0;          // the product with those of the edges above of the same column
  };
  struct Explained {
    Tree tree;
    std::vector<std::uint32_t> columns;  // of the model
    std::vector<Edge> edges;
    std::vector<std::int32_t> edge_to;  // of each node; of the root -1
    std::size_t points = 0;             // a multiple of four
    std::vector<double> weight, at;     // of the points
    // Of each edge, state and point: by what a product grows below the edge, and what a sum that
    // came up to it is worth for its column.
    std::vector<double> factor, worth;
  };
  struct Work;

  static absl::Status Prepare(const Tree& tree, Explained* out);
  static void FillTables(Explained* out);
  static double Mean(const Explained& tree);
  static void ExplainRow(const Explained& tree, const float* row, Work* work, double* out);

  std::size_t columns_ = 0;
  double base_ = 0;
  std::vector<Explained> trees_;
};

}  // namespace ps
