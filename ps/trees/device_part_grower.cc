// On a GPU.
#include <utility>

#include "models/gbdt/device_input.h"
#include "ps/base/status_macros.h"
#include "ps/trees/part_growers.h"

namespace ps {
namespace {

class DevicePartGrower final : public PartGrower {
 public:
  DevicePartGrower(Part of, std::unique_ptr<DevicePartRows> device)
      : PartGrower(std::move(of)),
        device_(std::move(device)),
        params_(part().params) {}

  std::uint64_t device_bytes() const override { return device_->memory_bytes(); }
  absl::StatusOr<float> LargestGradient() override { return device_->LargestGradient(); }

  absl::StatusOr<WideSum> Begin(const GradientScale& scale) override {
    PS_RETURN_IF_ERROR(BeginRound());
    return device_->Begin(DeviceGradientsOf(params_, scale, next_tree()));
  }

  bool Has(std::uint32_t node) const override { return device_->Has(node); }

  absl::Status Split(std::uint32_t node, std::uint32_t left, const SplitChoice& choice,
                     Sum sum) override {
    using Summed = DevicePartRows::Summed;
    return device_->Split(node, left, DeviceSplitOf(choice),
                          sum == Sum::kNone   ? Summed::kNone
                          : sum == Sum::kLeft ? Summed::kLeft
                                              : Summed::kRight);
  }

  absl::StatusOr<const WideSum*> Collect() override { return device_->Histogram(); }

  absl::StatusOr<std::vector<LeafSums>> SumLeaves(
      const std::vector<std::uint32_t>& leaves) override {
    if (!device_->AreLeaves(leaves))
      return absl::InvalidArgumentError("leaves of a tree have all rows, each once");
    PS_ASSIGN_OR_RETURN(const DeviceLeafSums sums, device_->SumLeaves(leaves));
    std::vector<LeafSums> of_leaves;
    for (std::size_t i = 0; i < leaves.size(); ++i) of_leaves.push_back({sums.g[i], sums.h[i]});
    return of_leaves;
  }

 private:
  void SetFirstRow(std::uint64_t first_row) override { params_.first_global_row = first_row; }
  absl::Status SetMargins(std::vector<float> margins) override {
    return device_->SetMargins(margins);
  }
  absl::StatusOr<std::vector<float>> Margins() override { return device_->Margins(); }
  // In the place of the rows' own margins, which wait in the host's memory.
  absl::Status Walk(std::size_t trees, std::vector<float>* margins) override {
    PS_ASSIGN_OR_RETURN(const std::vector<float> own, device_->Margins());
    PS_RETURN_IF_ERROR(device_->SetMargins(*margins));
    for (std::size_t t = 0; t < trees; ++t)
      PS_RETURN_IF_ERROR(AddGrownElsewhere(grown()[t], t % params_.classes));
    PS_ASSIGN_OR_RETURN(*margins, device_->Margins());
    return device_->SetMargins(own);
  }
  void ForgetNodes() override { device_->ForgetNodes(); }

  absl::Status AddToMargins(const Tree& tree, const std::vector<std::uint32_t>& leaves) override {
    PS_RETURN_IF_ERROR(BeginRound());
    if (!leaves.empty() && device_->AreLeaves(leaves))
      return device_->AddLeafValues(leaves, tree.leaf_value, output_of_next());
    return AddGrownElsewhere(tree, output_of_next());
  }
  absl::Status AddGrownElsewhere(const Tree& tree, std::size_t output) {
    DeviceNodesOf(tree, rows(), &nodes_);
    return device_->AddTree(nodes_, tree.leaf_value, output);
  }
  // Where the next tree is the first of one; margins are those of the round's begin until it is added,
  // however often that tree is begun.
  absl::Status BeginRound() {
    return output_of_next() == 0 ? device_->BeginRound() : absl::OkStatus();
  }

  const std::unique_ptr<DevicePartRows> device_;
  BoostParams params_;
  std::vector<DeviceTreeNode> nodes_;  // kept for their memory
};

}  // namespace

std::unique_ptr<PartGrower> MakeDevicePartGrower(PartGrower::Part part,
                                                 std::unique_ptr<DevicePartRows> rows) {
  return std::make_unique<DevicePartGrower>(std::move(part), std::move(rows));
}

}  // namespace ps
