// Where the histograms of nodes come from: splits rows of nodes and sums their gradients by bin.
// One implementation a layout of the rows. The grower asks for work on all threads and sees
// histograms one stretch of columns at a time, so that summing, subtracting and scanning a stretch
// happen while it is in the cache.
//
// One caller at a time; it uses the crew. Histograms are exact integer sums: no order of work shows
// in them.
#pragma once

#include <functional>
#include <memory>

#include "models/gbdt/binned_rows.h"
#include "models/gbdt/columns.h"
#include "models/gbdt/node_rows.h"
#include "models/gbdt/placed_rows.h"
#include "models/gbdt/split_choice.h"
#include "ps/base/crew.h"

namespace ps {

// Columns [first, end) and the thread that has them at the moment.
struct ColumnStretch {
  int thread = 0;
  std::uint32_t first = 0, end = 0;
};

// Quantised |g| <= 12 and h <= 4: what a split is chosen by hardly depends on the fraction of a step that a row's
// hessian is rounded by, and sums of few steps take fewer bits on a wire (docs/gbdt.md has measurements).
inline constexpr int kGradientSteps = 12;
inline constexpr int kHessianSteps = 4;

struct SplitWork {
  const SplitChoice* choice = nullptr;
  const NodeRows::Node* parent = nullptr;
  NodeRows::Node* left = nullptr;
  NodeRows::Node* right = nullptr;
  bool sum_left = false,
       sum_right = false;  // which side's histogram will be asked for with Collect
  const PlacedRows* placed = nullptr;  // in place of the choice, whose column others have
};

class HistogramSource {
 public:
  virtual ~HistogramSource() = default;

  virtual std::size_t cells() const = 0;  // of a histogram
  // From any thread, for rows of a new root: their block's turn. Entries are in place. BeginTree
  // follows.
  virtual void AddRootRows(int thread, const RowGradient* rows, std::size_t count) = 0;
  virtual void BeginTree(const NodeRows::Node& root) = 0;
  // Where a split by one of its columns would send the node's rows.
  virtual void Place(const SplitChoice& choice, const NodeRows::Node& node, PlacedRows* placed) = 0;
  // Parts a node's rows. At most one of sum_left and sum_right is set.
  virtual void Split(const SplitWork& work) = 0;
  // Prepares the sums of a node by themselves.
  virtual void Sum(const NodeRows::Node& node) = 0;
  // Writes what was summed (of the root, a child or a node) to `histogram`, and calls done for each
  // stretch of columns once it is there, on the thread that has it.
  virtual void Collect(WideSum* histogram,
                       const std::function<void(const ColumnStretch&)>& done) = 0;
  // The cells of a stretch, for subtracting.
  virtual std::size_t first_cell(std::uint32_t column) const = 0;
  virtual ColumnHistogram Column(const WideSum* histogram, std::uint32_t column,
                                 WideSum total) const = 0;
};

std::unique_ptr<HistogramSource> MakeDenseSource(const BinnedRows* rows,
                                                 const std::vector<BinColumn>* columns,
                                                 NodeRows* node_rows, Crew* crew);
std::unique_ptr<HistogramSource> MakeSparseSource(const BinnedRows* rows,
                                                  const std::vector<BinColumn>* columns,
                                                  NodeRows* node_rows, Crew* crew);

}  // namespace ps
