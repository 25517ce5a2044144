// On a GPU. Trees that were grown elsewhere are added to the margins by the processor: there are few.
#include <utility>

#include "models/gbdt/booster.h"
#include "models/gbdt/device_input.h"
#include "models/gbdt/huge_array.h"
#include "ps/base/status_macros.h"
#include "ps/trees/part_growers.h"

namespace ps {
namespace {

class DevicePartGrower final : public PartGrower {
 public:
  DevicePartGrower(Part of, std::unique_ptr<DevicePartRows> device)
      : PartGrower(std::move(of)),
        device_(std::move(device)),
        params_(part().params),
        histogram_(rows().sparse ? rows().first_cell.back() : columns().size() * kBinsPerColumn) {}

  std::uint64_t device_bytes() const override { return device_->memory_bytes(); }
  absl::StatusOr<float> LargestGradient() override { return device_->LargestGradient(); }

  absl::StatusOr<WideSum> Begin(const GradientScale& scale) override {
    pending_ = 0;
    return device_->Begin(DeviceGradientsOf(params_, scale, next_tree()));
  }

  bool Has(std::uint32_t node) const override { return device_->Has(node); }

  absl::Status Split(std::uint32_t node, std::uint32_t left, const SplitChoice& choice,
                     Sum sum) override {
    if (sum != Sum::kNone) pending_ = sum == Sum::kLeft ? left : left + 1;
    return device_->Split(node, left, DeviceSplitOf(choice));
  }

  absl::StatusOr<const WideSum*> Collect() override {
    PS_RETURN_IF_ERROR(device_->Sum(pending_, histogram_.data()));
    return histogram_.data();
  }

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
  void ForgetNodes() override { device_->ForgetNodes(); }

  absl::Status AddToMargins(const Tree& tree, const std::vector<std::uint32_t>& leaves) override {
    if (!leaves.empty() && device_->AreLeaves(leaves))
      return device_->AddLeafValues(leaves, tree.leaf_value);
    PS_ASSIGN_OR_RETURN(std::vector<float> margins, device_->Margins());
    ps::AddTree(tree, rows(), &crew(), &margins);
    return device_->SetMargins(margins);
  }

  const std::unique_ptr<DevicePartRows> device_;
  BoostParams params_;
  HugeArray<WideSum> histogram_;
  std::uint32_t pending_ = 0;  // the node that Collect sums
};

}  // namespace

std::unique_ptr<PartGrower> MakeDevicePartGrower(PartGrower::Part part,
                                                 std::unique_ptr<DevicePartRows> rows) {
  return std::make_unique<DevicePartGrower>(std::move(part), std::move(rows));
}

}  // namespace ps
