// Whether binned rows that come from a file are what a reading of text could have made: kernels
// look up cells, bins and classes without asking. Pure; any thread.
#pragma once

#include "trainer/gbdt/row_loader.h"

namespace ps {

// `rows` are EmptyRows of these bins to which as many labels, weights (or none), bins or beginnings
// of rows have been added as it has rows, and this many `cells`; what they say may be anything.
bool AreSoundRows(const BinnedRows& rows, std::uint64_t cells, const BinPlan& bins,
                  LabelRule labels);

}  // namespace ps
