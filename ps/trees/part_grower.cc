#include "ps/trees/part_grower.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/cuda/device.h"
#include "models/gbdt/booster.h"
#include "models/gbdt/device_input.h"
#include "ps/base/status_macros.h"
#include "ps/trees/part_growers.h"
#include "ps/trees/tree_codec.h"

namespace ps {
namespace {

absl::StatusOr<std::unique_ptr<DevicePartRows>> LoadOnDevice(const PartGrower::Part& part) {
  PS_RETURN_IF_ERROR(CheckForDevice(part.rows, part.columns));
  return DevicePartRows::Load(DeviceInputOf(part.rows, part.columns, part.params).input);
}

}  // namespace

PartGrower::PartGrower(Part part)
    : part_(std::move(part)),
      offset_(CellOffsets(part_.columns, part_.rows.sparse)),
      crew_(part_.threads) {}

absl::StatusOr<std::unique_ptr<PartGrower>> PartGrower::Make(Part part, const std::string& device) {
  std::string reason = "device: cpu";
  if (part.rows.rows == 0) {
    reason = "there are no rows";  // and nothing that a GPU could do
  } else if (device != "cpu") {
    absl::StatusOr<std::unique_ptr<DevicePartRows>> loaded = LoadOnDevice(part);
    if (loaded.ok()) {
      const std::string name = (*loaded)->device_name();
      auto grower = MakeDevicePartGrower(std::move(part), *std::move(loaded));
      grower->grows_on_ = name;
      return grower;
    }
    if (device == "cuda" || !IsWithoutDevice(loaded.status())) return NoDeviceError(loaded.status());
    reason = std::string(loaded.status().message());
  }
  auto grower = MakeCpuPartGrower(std::move(part));
  const int threads = grower->part_.threads;
  grower->grows_on_ = absl::StrCat(threads, threads == 1 ? " thread" : " threads",
                                   " of the processor: ", reason);
  return grower;
}

std::vector<float> PartGrower::FirstMargins() const {
  return part_.rows.margins.empty() ? StartMargins(base_scores_, part_.rows.rows)
                                    : part_.rows.margins;
}

absl::Status PartGrower::Start(std::vector<double> base_scores, std::uint64_t first_row) {
  base_scores_ = std::move(base_scores);
  SetFirstRow(first_row);
  return SetMargins(FirstMargins());
}

absl::Status PartGrower::AddTree(Tree tree, const std::vector<std::uint32_t>& leaves) {
  PS_RETURN_IF_ERROR(AddToMargins(tree, leaves));
  trees_.push_back(std::move(tree));
  return absl::OkStatus();
}

absl::Status PartGrower::Rewind(std::size_t trees) {
  const std::size_t classes = part_.params.classes, rounds = trees / classes * classes;
  PS_ASSIGN_OR_RETURN(std::vector<float> margins, MarginsWith(rounds));
  PS_RETURN_IF_ERROR(SetMargins(std::move(margins)));
  const std::vector<Tree> begun(trees_.begin() + static_cast<std::ptrdiff_t>(rounds),
                                trees_.begin() + static_cast<std::ptrdiff_t>(trees));
  trees_.resize(rounds);
  ForgetNodes();
  for (const Tree& tree : begun) PS_RETURN_IF_ERROR(AddTree(tree, {}));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<float>> PartGrower::MarginsWith(std::size_t trees) {
  if (trees == trees_.size()) return Margins();
  std::vector<float> margins = FirstMargins();
  PS_RETURN_IF_ERROR(Walk(trees, &margins));
  return margins;
}

}  // namespace ps
