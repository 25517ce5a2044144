// The two kinds of PartGrower, which chooses between them.
#pragma once

#include <memory>

#include "kernels/cuda/part_rows.h"
#include "ps/trees/part_grower.h"

namespace ps {

std::unique_ptr<PartGrower> MakeCpuPartGrower(PartGrower::Part part);
// `rows` has those of the part.
std::unique_ptr<PartGrower> MakeDevicePartGrower(PartGrower::Part part,
                                                 std::unique_ptr<DevicePartRows> rows);

}  // namespace ps
