#include "models/gbdt/contributions.h"

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr std::size_t kLanes = 4;
constexpr std::size_t kMostTableBytes = 1u << 30;  // of a tree
constexpr std::size_t kRowsAtOnce = 64;            // a tree's tables stay in the cache for them

// What a row does at an edge.
enum State : std::uint8_t {
  kOn,    // it goes this way, here and at all edges above that ask for the same column
  kLeft,  // it leaves the path of this column here
  kOff,   // it left at an edge above
  kStates
};

// The sum of a child's hessians; what a file says may be anything.
double Cover(const Tree& tree, std::int32_t child) {
  const float cover = child < 0 ? tree.leaf_cover[static_cast<std::size_t>(~child)]
                                : tree.nodes[static_cast<std::size_t>(child)].cover;
  return std::isfinite(cover) && cover > 0 ? cover : 0;
}

bool GoesLeft(const Tree& tree, const TreeNode& node, float value) {
  if (node.kind == ColumnKind::kCategory) {
    return Contains(tree.left_sets[node.left_set],
                    value == value ? static_cast<std::uint8_t>(value) : 0);
  }
  return value == value ? value < node.threshold : node.missing_left;
}

// Gauss and Legendre's rule on 0..1: exact for polynomials of degree 2 count - 1.
void LegendrePoints(std::size_t count, double* at, double* weight) {
  constexpr double kPi = 3.14159265358979323846;
  const auto n = static_cast<double>(count);
  for (std::size_t i = 0; i < count; ++i) {
    double x = std::cos(kPi * (static_cast<double>(i) + 0.75) / (n + 0.5)), slope = 1;
    for (int round = 0; round < 50; ++round) {
      double last = 0, value = 1;
      for (std::size_t k = 1; k <= count; ++k) {
        const auto j = static_cast<double>(k);
        const double next = ((2 * j - 1) * x * value - (j - 1) * last) / j;
        last = value;
        value = next;
      }
      slope = n * (x * value - last) / (x * x - 1);
      const double change = value / slope;
      x -= change;
      if (std::fabs(change) < 1e-16) break;
    }
    at[i] = 0.5 * (1 + x);
    weight[i] = 1 / ((1 - x * x) * slope * slope);
  }
}

double SumOf(__m256d lanes) {
  double sums[kLanes];
  _mm256_storeu_pd(sums, lanes);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

}  // namespace

// Memory of one caller.
struct TreeContributions::Work {
  std::vector<State> state;          // by edge
  std::vector<double> product, sum;  // by edge and point, by node and point
  std::vector<double> of_column;     // by column of the tree, kLanes each
};

absl::Status TreeContributions::Prepare(const Tree& tree, Explained* out) {
  out->tree = tree;
  const std::vector<TreeNode>& nodes = out->tree.nodes;
  for (const TreeNode& node : nodes) out->columns.push_back(node.column);
  std::sort(out->columns.begin(), out->columns.end());
  out->columns.erase(std::unique(out->columns.begin(), out->columns.end()), out->columns.end());
  out->edges.resize(2 * nodes.size());
  out->edge_to.assign(nodes.size(), -1);
  std::vector<std::size_t> distinct(nodes.size());  // columns above a node
  std::size_t most = 0;
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    const TreeNode& node = nodes[n];
    const auto column = static_cast<std::uint32_t>(
        std::lower_bound(out->columns.begin(), out->columns.end(), node.column) -
        out->columns.begin());
    std::int32_t above = out->edge_to[n];
    while (above >= 0 && out->edges[static_cast<std::size_t>(above)].column != column)
      above = out->edge_to[static_cast<std::size_t>(above) / 2];
    const std::size_t below = distinct[n] + (above < 0 ? 1 : 0);
    most = std::max(most, below);
    const double cover[2] = {Cover(out->tree, node.left), Cover(out->tree, node.right)};
    for (std::size_t side = 0; side < 2; ++side) {
      Edge& edge = out->edges[2 * n + side];
      edge.column = column;
      edge.to = side == 0 ? node.left : node.right;
      edge.above = above;
      const double both = cover[0] + cover[1];
      edge.step = both > 0 ? cover[side] / both : 0.5;
      edge.share = edge.step * (above < 0 ? 1 : out->edges[static_cast<std::size_t>(above)].share);
      if (edge.to < 0) continue;
      distinct[static_cast<std::size_t>(edge.to)] = below;
      out->edge_to[static_cast<std::size_t>(edge.to)] = static_cast<std::int32_t>(2 * n + side);
    }
  }
  const std::size_t points = (most + 1) / 2;
  out->points = (points + kLanes - 1) / kLanes * kLanes;
  if (out->points * out->edges.size() > kMostTableBytes / (2 * kStates * sizeof(double)))
    return absl::ResourceExhaustedError(absl::StrCat("a path of ", most, " columns"));
  // Points beyond those that the rule needs count nothing.
  out->at.assign(out->points, 0.5);
  out->weight.assign(out->points, 0);
  LegendrePoints(points, out->at.data(), out->weight.data());
  return absl::OkStatus();
}

void TreeContributions::FillTables(Explained* out) {
  const std::size_t points = out->points;
  out->factor.resize(out->edges.size() * kStates * points);
  out->worth.resize(out->edges.size() * kStates * points);
  for (std::size_t e = 0; e < out->edges.size(); ++e) {
    const Edge& edge = out->edges[e];
    for (std::size_t p = 0; p < points; ++p) {
      const double t = out->at[p], away = 1 - t, on = t + edge.share * away;
      double on_above = 1, worth_above = 0;
      if (edge.above >= 0) {
        const double share = out->edges[static_cast<std::size_t>(edge.above)].share;
        on_above = t + share * away;
        worth_above = (1 - share) / on_above;
      }
      double* const factor = out->factor.data() + e * kStates * points + p;
      factor[kOn * points] = on / on_above;
      factor[kLeft * points] = edge.share * away / on_above;
      factor[kOff * points] = edge.step;
      // A sum that comes up to this edge will come up to the one above too, for which the column
      // has this edge's share no more.
      double* const worth = out->worth.data() + e * kStates * points + p;
      worth[kOn * points] = (1 - edge.share) / on - worth_above;
      worth[kLeft * points] = -1 / away - worth_above;
      worth[kOff * points] = 0;
    }
  }
}

// Over the leaves, by cover.
double TreeContributions::Mean(const Explained& tree) {
  const std::vector<float>& values = tree.tree.leaf_value;
  if (tree.edges.empty()) return values.empty() ? 0 : values[0];
  std::vector<double> mean(tree.edge_to.size());
  for (std::size_t e = tree.edges.size(); e-- > 0;) {
    const Edge& edge = tree.edges[e];
    mean[e / 2] += edge.step * (edge.to < 0 ? values[static_cast<std::size_t>(~edge.to)]
                                            : mean[static_cast<std::size_t>(edge.to)]);
  }
  return mean[0];
}

absl::StatusOr<TreeContributions> TreeContributions::Of(const TreeModel& model, std::size_t output) {
  TreeContributions result;
  result.columns_ = model.columns.size();
  result.base_ = model.BaseScore(output);
  for (std::size_t t = output; t < model.trees.size(); t += model.outputs()) {
    const Tree& tree = model.trees[t];
    Explained explained;
    if (const absl::Status status = Prepare(tree, &explained); !status.ok()) {
      return absl::ResourceExhaustedError(
          absl::StrCat("tree ", t, " is too deep for contributions of columns: ",
                       status.message(), " among ", tree.nodes.size(), " nodes"));
    }
    FillTables(&explained);
    result.base_ += Mean(explained);
    result.trees_.push_back(std::move(explained));
  }
  return result;
}

void TreeContributions::ExplainRow(const Explained& tree, const float* row, Work* work,
                                   double* out) {
  const std::size_t points = tree.points, nodes = tree.edge_to.size();
  State* const state = work->state.data();
  for (std::size_t n = 0; n < nodes; ++n) {
    const TreeNode& node = tree.tree.nodes[n];
    const bool left = GoesLeft(tree.tree, node, row[node.column]);
    const double* const from =
        tree.edge_to[n] < 0
            ? tree.weight.data()
            : work->product.data() + static_cast<std::size_t>(tree.edge_to[n]) * points;
    for (std::size_t side = 0; side < 2; ++side) {
      const std::size_t e = 2 * n + side;
      const std::int32_t above = tree.edges[e].above;
      const State here = left == (side == 0) ? kOn : kLeft;
      state[e] = above < 0 || state[above] == kOn ? here : kOff;
      const double* const factor = tree.factor.data() + (e * kStates + state[e]) * points;
      double* const to = work->product.data() + e * points;
      for (std::size_t p = 0; p < points; p += kLanes)
        _mm256_storeu_pd(to + p,
                         _mm256_mul_pd(_mm256_loadu_pd(from + p), _mm256_loadu_pd(factor + p)));
    }
  }
  std::fill_n(work->of_column.data(), tree.columns.size() * kLanes, 0.0);
  for (std::size_t n = nodes; n-- > 0;) {
    const Edge* const edge = &tree.edges[2 * n];
    double* const of_column = work->of_column.data() + edge->column * kLanes;
    __m256d column_sum = _mm256_loadu_pd(of_column);
    for (std::size_t p = 0; p < points; p += kLanes) {
      __m256d sum = _mm256_setzero_pd();
      for (std::size_t side = 0; side < 2; ++side) {
        const std::size_t e = 2 * n + side;
        const std::int32_t to = edge[side].to;
        const __m256d of_side =
            to < 0
                ? _mm256_mul_pd(_mm256_loadu_pd(work->product.data() + e * points + p),
                                _mm256_set1_pd(tree.tree.leaf_value[static_cast<std::size_t>(~to)]))
                : _mm256_loadu_pd(work->sum.data() + static_cast<std::size_t>(to) * points + p);
        const double* const worth = tree.worth.data() + (e * kStates + state[e]) * points + p;
        column_sum = _mm256_add_pd(column_sum, _mm256_mul_pd(of_side, _mm256_loadu_pd(worth)));
        sum = _mm256_add_pd(sum, of_side);
      }
      _mm256_storeu_pd(work->sum.data() + n * points + p, sum);
    }
    _mm256_storeu_pd(of_column, column_sum);
  }
  for (std::size_t c = 0; c < tree.columns.size(); ++c)
    out[tree.columns[c]] += SumOf(_mm256_loadu_pd(work->of_column.data() + c * kLanes));
}

void TreeContributions::Explain(const float* rows, std::size_t count, double* contributions) const {
  std::fill_n(contributions, count * columns_, 0.0);
  Work work;
  for (const Explained& tree : trees_) {
    const auto grow = [](auto* numbers, std::size_t size) {
      if (numbers->size() < size) numbers->resize(size);
    };
    grow(&work.state, tree.edges.size());
    grow(&work.product, tree.edges.size() * tree.points);
    grow(&work.sum, tree.edge_to.size() * tree.points);
    grow(&work.of_column, tree.columns.size() * kLanes);
  }
  for (std::size_t first = 0; first < count; first += kRowsAtOnce) {
    const std::size_t end = std::min(count, first + kRowsAtOnce);
    for (const Explained& tree : trees_) {
      for (std::size_t r = first; r < end; ++r)
        ExplainRow(tree, rows + r * columns_, &work, contributions + r * columns_);
    }
  }
}

}  // namespace ps
