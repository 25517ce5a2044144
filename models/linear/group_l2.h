// The L2 penalty of each group of features (of a field, say) by what the data says of it: the
// penalty is the precision of a Gaussian prior of the group's weights, and is chosen so that the
// rows are most likely under it (type II maximum likelihood; MacKay, Neural Computation 1992), with
// the Hessian's diagonal in place of the Hessian. No row is held out for it.
//
// Weights count in units of their features' scale (root mean square), so that nothing depends on
// the unit of a number. One thread at a time, which uses the solver's.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "models/linear/newton.h"

namespace ps {

inline constexpr std::uint16_t kNoGroup = 0xffff;  // the bias, which is not penalised

// Penalties of the groups. `group` and `mean_squares` (RowMatrix) have an element a column; weights
// begin at *weights, and those of the penalties that were looked at last are left there.
std::vector<double> FitGroupL2(absl::Span<const std::uint16_t> group, int groups,
                               absl::Span<const double> mean_squares, NewtonSolver* solver,
                               std::vector<double>* weights);

// A penalty for each column: that of its group, times `factor`, in units of its scale.
std::vector<double> ColumnL2(absl::Span<const std::uint16_t> group, absl::Span<const double> group_l2,
                             double factor, absl::Span<const double> mean_squares);

}  // namespace ps
