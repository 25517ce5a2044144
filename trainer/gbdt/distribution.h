// What workers of a cluster of trees share among them, the rows or the columns, by what either
// costs. Estimates that decide between the two; neither changes a bit of the model. Pure functions.
#pragma once

#include <cstdint>
#include <string>

namespace ps {

// Bytes of memory: of a process whatever it does (program, blocks of text under way, sample of a
// table), and of a row while trees are grown (margin, label, node entry, fixed-point gradient).
inline constexpr double kFixedBytes = 48 << 20;
inline constexpr double kRowBytes = 4 + 4 + 8 + 8;

// Of a job, as far as it is known: estimates will do.
struct DistributionShape {
  double rows = 0;
  double columns = 0;
  double cells = 0;   // of a histogram of all columns
  double values = 0;  // of all rows, those that are there; of a matrix rows x columns
  bool sparse = false;
  double text_bytes = 0;           // of the training files
  double outputs = 1;              // margins of a row: classes of softmax
  int trees = 1;                   // of all classes
  int leaves = 31, max_depth = 0;  // max_depth 0: no limit
  int servers = 1, workers = 1;
  int threads = 1;           // of a worker
  std::string rows_only;     // why auto may not choose columns; empty: it may
};

struct DistributionCost {
  double wire_bytes = 0;    // a tree
  double tree_seconds = 0;  // a tree, of what there would not be in one process
  double load_seconds = 0;  // as long
  double worker_bytes = 0;  // of memory, the largest worker
};

DistributionCost CostByRows(const DistributionShape& shape);
DistributionCost CostByColumns(const DistributionShape& shape);

struct DistributionChoice {
  bool by_columns = false;
  DistributionCost rows, columns;
  std::string text;  // one line for people, without its end
};
// `wanted` is model.gbdt.distribution: auto, rows or columns. `memory_limit` is of a worker; 0: not
// known. What does not fit into it is not chosen where the other does.
DistributionChoice ChooseDistribution(const std::string& wanted, const DistributionShape& shape,
                                      std::uint64_t memory_limit);

}  // namespace ps
