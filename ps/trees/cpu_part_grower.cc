// On the processor.
#include <map>
#include <utility>

#include "models/gbdt/booster.h"
#include "models/gbdt/histogram_source.h"
#include "ps/trees/part_growers.h"

namespace ps {
namespace {

class CpuPartGrower final : public PartGrower {
 public:
  explicit CpuPartGrower(Part of)
      : PartGrower(std::move(of)),
        node_rows_(rows().rows),
        gradients_(&rows(), part().params, &node_rows_, &crew()),
        source_(rows().sparse ? MakeSparseSource(&rows(), &columns(), &node_rows_, &crew())
                              : MakeDenseSource(&rows(), &columns(), &node_rows_, &crew())),
        histogram_(source_->cells()) {}

  std::uint64_t device_bytes() const override { return 0; }
  absl::StatusOr<float> LargestGradient() override { return gradients_.LargestGradient(); }

  absl::StatusOr<WideSum> Begin(const GradientScale& scale) override {
    gradients_.Prepare(scale, next_tree(),
                       [&](int thread, const RowGradient* rows, std::size_t count) {
                         source_->AddRootRows(thread, rows, count);
                       });
    nodes_.clear();
    nodes_[0] = node_rows_.Root();
    source_->BeginTree(nodes_[0]);
    return node_rows_.SumOfAll(&crew());
  }

  bool Has(std::uint32_t node) const override { return nodes_.count(node) > 0; }

  absl::Status Split(std::uint32_t node, std::uint32_t left, const SplitChoice& choice,
                     Sum sum) override {
    const NodeRows::Node parent = nodes_.at(node);
    source_->Split({&choice, &parent, &nodes_[left], &nodes_[left + 1], sum == Sum::kLeft,
                    sum == Sum::kRight});
    return absl::OkStatus();
  }

  absl::StatusOr<const WideSum*> Collect() override {
    source_->Collect(histogram_.data(), [](const ColumnStretch&) {});
    return histogram_.data();
  }

  absl::StatusOr<std::vector<LeafSums>> SumLeaves(
      const std::vector<std::uint32_t>& leaves) override {
    std::vector<NodeRows::Node> of_leaves;
    for (const std::uint32_t leaf : leaves) of_leaves.push_back(nodes_.at(leaf));
    return node_rows_.SumLeaves(of_leaves, &crew());
  }

 private:
  void SetFirstRow(std::uint64_t first_row) override { gradients_.SetFirstRow(first_row); }
  absl::Status SetMargins(std::vector<float> margins) override {
    gradients_.StartFrom(std::move(margins));
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<float>> Margins() override { return gradients_.Margins(); }
  absl::Status Walk(std::size_t trees, std::vector<float>* margins) override {
    for (std::size_t t = 0; t < trees; ++t)
      ps::AddTree(grown()[t], rows(), &crew(), margins, t % part().params.classes);
    return absl::OkStatus();
  }
  void ForgetNodes() override { nodes_.clear(); }

  absl::Status AddToMargins(const Tree& tree, const std::vector<std::uint32_t>& leaves) override {
    gradients_.BeginRound(next_tree() / part().params.classes);
    if (leaves.empty()) {
      ps::AddTree(tree, rows(), &crew(), gradients_.MutableMargins(), output_of_next());
      return absl::OkStatus();
    }
    last_leaves_.clear();
    for (const std::uint32_t leaf : leaves) last_leaves_.push_back(nodes_.at(leaf));
    gradients_.SetLeaves(trees(), &last_leaves_, tree.leaf_value);
    return absl::OkStatus();
  }

  NodeRows node_rows_;
  GradientRows gradients_;
  std::unique_ptr<HistogramSource> source_;
  HugeArray<WideSum> histogram_;
  std::map<std::uint32_t, NodeRows::Node> nodes_;
  std::vector<NodeRows::Node> last_leaves_;  // until the margins have them
};

}  // namespace

std::unique_ptr<PartGrower> MakeCpuPartGrower(PartGrower::Part part) {
  return std::make_unique<CpuPartGrower>(std::move(part));
}

}  // namespace ps
