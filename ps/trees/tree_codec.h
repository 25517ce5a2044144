// Trees and what is said of them as messages, both ways. What comes in is checked: nothing that is
// returned makes its user read beyond an array. Pure functions.
#pragma once

#include <optional>
#include <tuple>
#include <vector>

#include "models/gbdt/columns.h"
#include "models/gbdt/gradient_rows.h"
#include "models/gbdt/split_choice.h"
#include "models/gbdt/tree.h"
#include "ps/wire/message.h"

namespace ps {

// Steps in the order in which they are asked for.
struct StepName {
  std::uint32_t attempt = 0, tree = 0, step = 0;
  friend auto operator<=>(const StepName&, const StepName&) = default;
};
StepName NameOf(const wire::TreeName& name);
void SetName(const StepName& name, wire::TreeName* to);

void SetChoice(const SplitChoice& choice, wire::TreeChoice* to);
// Nothing where it names no column or no bins of it.
std::optional<SplitChoice> ChoiceOf(const wire::TreeChoice& choice,
                                    const std::vector<BinColumn>& columns);

void SetTree(const Tree& tree, wire::GrownTrees::Tree* to);
// The parts that margins follow from.
std::optional<Tree> TreeOf(const wire::GrownTrees::Tree& tree,
                           const std::vector<BinColumn>& columns);

void SetColumns(const std::vector<BinColumn>& columns, wire::TreePlan* plan);
std::optional<std::vector<BinColumn>> ColumnsOf(const wire::TreePlan& plan);

// That there are none, or as many different ones as softmax takes, and that labels are not numbers then.
bool HasValidClasses(const wire::TreePlan& plan);

// All but the first row, which a worker is told later.
BoostParams ParamsOf(const wire::TreePlan& plan);

// Where the cells of columns are when histograms travel: of a matrix bin 0 and the others, of
// sparse rows those of values. One more than there are columns.
std::vector<std::uint64_t> CellOffsets(const std::vector<BinColumn>& columns, bool sparse);

}  // namespace ps
