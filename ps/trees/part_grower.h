// Trees on a part of the rows: does to them what it is told, and sums them, on threads of its own or on
// a GPU. Sums are exact, so that workers of both kinds grow the same trees together. One caller at a
// time.
//
// A call that fails leaves nothing to go on with, but for InvalidArgument, which refuses what it is
// asked for.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "models/gbdt/binned_rows.h"
#include "models/gbdt/columns.h"
#include "models/gbdt/gradient_rows.h"
#include "models/gbdt/split_choice.h"
#include "ps/base/crew.h"

namespace ps {

class PartGrower {
 public:
  struct Part {
    BinnedRows rows;
    std::vector<BinColumn> columns;
    BoostParams params;
    int threads = 1;
  };
  // `device` is the job's: cuda takes a GPU, or is ResourceExhausted with the reason; auto takes one that
  // is there and can; cpu none.
  static absl::StatusOr<std::unique_ptr<PartGrower>> Make(Part part, const std::string& device);
  virtual ~PartGrower() = default;

  const BinnedRows& rows() const { return part_.rows; }
  const std::vector<BinColumn>& columns() const { return part_.columns; }
  const std::vector<std::uint64_t>& offsets() const { return offset_; }
  // What trees grow on, for people: a GPU or the processor, and then why.
  const std::string& grows_on() const { return grows_on_; }
  virtual std::uint64_t device_bytes() const = 0;  // of a GPU's memory; 0: on the processor

  absl::Status Start(std::vector<double> base_scores, std::uint64_t first_row);
  std::size_t trees() const { return trees_.size(); }
  // `leaves`: the tree was grown here, and those are its leaves' nodes; empty: elsewhere.
  absl::Status AddTree(Tree tree, const std::vector<std::uint32_t>& leaves);
  // Forgets all but the first `trees` trees, no more than there are.
  absl::Status Rewind(std::size_t trees);
  // With the first `trees` trees, no more than there are; as StartMargins lays them out.
  absl::StatusOr<std::vector<float>> MarginsWith(std::size_t trees);
  virtual absl::StatusOr<float> LargestGradient() = 0;

  // Gradients of the tree that is next, and the root, node 0. Returns its sum.
  virtual absl::StatusOr<WideSum> Begin(const GradientScale& scale) = 0;
  virtual bool Has(std::uint32_t node) const = 0;
  // Parts a node that is there; the right child is left + 1. The node stays, with its rows in another
  // order: perhaps nothing comes of the split. Another one of it is the end of the nodes below it.
  enum class Sum { kNone, kLeft, kRight };
  virtual absl::Status Split(std::uint32_t node, std::uint32_t left, const SplitChoice& choice,
                             Sum sum) = 0;
  // Of the root, or of the child that was to be summed: a column's cells are at first_cell().
  virtual absl::StatusOr<const WideSum*> Collect() = 0;
  std::uint64_t first_cell(std::uint32_t column) const {
    return part_.rows.sparse ? part_.rows.first_cell[column]
                             : std::uint64_t{column} * kBinsPerColumn;
  }
  // Of nodes that are there.
  virtual absl::StatusOr<std::vector<LeafSums>> SumLeaves(
      const std::vector<std::uint32_t>& leaves) = 0;

 protected:
  explicit PartGrower(Part part);

  const Part& part() const { return part_; }
  Crew& crew() { return crew_; }
  // Counted from the first of the job.
  std::uint64_t next_tree() const { return part_.params.first_tree + trees_.size(); }
  std::size_t output_of_next() const { return trees_.size() % part_.params.classes; }
  const std::vector<Tree>& grown() const { return trees_; }

  virtual void SetFirstRow(std::uint64_t first_row) = 0;
  virtual absl::Status SetMargins(std::vector<float> margins) = 0;  // as StartMargins lays them out
  virtual absl::StatusOr<std::vector<float>> Margins() = 0;         // with all trees
  // Adds the first `trees` trees to `margins`, whatever those of the rows are.
  virtual absl::Status Walk(std::size_t trees, std::vector<float>* margins) = 0;
  virtual void ForgetNodes() = 0;
  virtual absl::Status AddToMargins(const Tree& tree, const std::vector<std::uint32_t>& leaves) = 0;

 private:
  std::vector<float> FirstMargins() const;

  const Part part_;
  const std::vector<std::uint64_t> offset_;
  Crew crew_;
  std::string grows_on_;
  std::vector<double> base_scores_;
  std::vector<Tree> trees_;
};

}  // namespace ps
