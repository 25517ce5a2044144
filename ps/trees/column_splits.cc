// The splits of a step: where their rows go, as far as it is decided here, and what follows for the
// columns here.
#include <set>
#include <string_view>
#include <utility>

#include "ps/trees/column_worker.h"
#include "ps/trees/placement_codec.h"

namespace ps {
namespace {

constexpr std::uint64_t kFrameHeader = 64;

}  // namespace

bool ColumnWorker::StartSplits(const wire::TreeStep& step, const StepName& name, Outbox& outbox) {
  if (!tree_ || *tree_ != StepName{name.attempt, name.tree, 0}) return false;
  std::set<std::uint32_t> named;  // each node once, as parent or as child
  std::vector<Pending> pending;
  for (const wire::TreeStep::Split& split : step.splits()) {
    const std::optional<SplitChoice> choice = ChoiceOf(split.choice(), columns_);
    const bool sums = step.kind() == wire::TreeStep::SPLIT;
    if (!choice || choice->score < 0 || grower_->Has(split.left()) ||
        grower_->Has(split.left() + 1) || !grower_->Has(split.node()) ||
        (sums && !grower_->HasHistogram(split.node()))) {
      return false;
    }
    for (const std::uint32_t node : {split.node(), split.left(), split.left() + 1}) {
      if (!named.insert(node).second) return false;
    }
    pending.push_back({{split.node(), split.left(), *choice, split.left_is_small()},
                       owner_[choice->column],
                       std::nullopt,
                       false});
  }
  for (const std::uint32_t leaf : step.leaves()) {
    if (!grower_->Has(leaf) && named.count(leaf) == 0) return false;
  }
  pending_ = std::move(pending);
  PlaceOwn(name, outbox);
  return true;
}

// The others are told at once, and what comes of it here is found out while they read it.
void ColumnWorker::PlaceOwn(const StepName& name, Outbox& outbox) {
  std::string packed;
  for (Pending& pending : pending_) {
    if (pending.owner != trees_plan_.part()) continue;
    pending.placed = grower_->Place(pending.split.node, pending.split.choice);
    if (peers_.size() > 1)
      PackPlacement(*pending.placed, grower_->RowsOf(pending.split.node), &packed);
  }
  if (packed.empty()) return;
  placements_.emplace();
  wire::TreePlacements& placements = *placements_->body.mutable_tree_placements();
  SetName(name, placements.mutable_name());
  placements.set_part(trees_plan_.part());
  placements_->sections.emplace_back(std::move(packed));
  const std::uint64_t bytes =
      kFrameHeader + placements_->body.ByteSizeLong() + placements_->sections[0].size();
  report().set_bytes(bytes * (peers_.size() - 1));
  for (std::uint32_t part = 0; part < peers_.size(); ++part) {
    if (part != trees_plan_.part()) outbox.Send(peers_[part], *placements_);
  }
}

bool ColumnWorker::OnPlacements(Message& message) {
  const wire::TreePlacements& placements = message.body.tree_placements();
  const StepName name = NameOf(placements.name());
  const std::uint32_t part = placements.part();
  if (part >= trees_plan_.parts() || part == trees_plan_.part()) return false;
  if (!name_ || name > *name_) {
    // The step itself is still on its way.
    std::erase_if(early_, [&](const Message& other) {
      const wire::TreePlacements& of = other.body.tree_placements();
      return of.part() == part && NameOf(of.name()) <= name;
    });
    if (early_.size() < trees_plan_.parts()) early_.push_back(std::move(message));
    return true;
  }
  if (name < *name_ || received_[part]) return true;
  if (!TakePlacements(message)) return false;
  received_[part] = true;
  return true;
}

// All of them, or none.
bool ColumnWorker::TakePlacements(const Message& message) {
  if (message.sections.size() != 1) return false;
  const std::uint32_t part = message.body.tree_placements().part();
  std::vector<PlacedRows> taken;
  std::string_view rest = message.sections[0];
  for (const Pending& pending : pending_) {
    if (pending.owner != part) continue;
    const std::size_t size =
        UnpackPlacement(rest, grower_->RowsOf(pending.split.node), &taken.emplace_back());
    if (size == std::string_view::npos) return false;
    rest.remove_prefix(size);
  }
  if (taken.empty() || !rest.empty()) return false;
  auto next = taken.begin();
  for (Pending& pending : pending_) {
    if (pending.owner == part) pending.placed = std::move(*next++);
  }
  return true;
}

ColumnWorker::Pending* ColumnWorker::NextReady() {
  for (Pending& pending : pending_) {
    if (pending.placed && !pending.done) return &pending;
  }
  return nullptr;
}

void ColumnWorker::Apply(Pending* pending) {
  pending->done = true;
  const ColumnGrower::Split& split = pending->split;
  if (step_.kind() == wire::TreeStep::LEAVES) {
    grower_->PartNode(split, *pending->placed);
  } else {
    const std::array<ColumnGrower::Found, 2> found = grower_->SplitNode(split, *pending->placed);
    AddChoice(split.left, found[0]);
    AddChoice(split.left + 1, found[1]);
  }
  *pending->placed = PlacedRows();
}

void ColumnWorker::FinishSplits() {
  if (step_.kind() != wire::TreeStep::LEAVES) return;
  const std::vector<std::uint32_t> leaves(step_.leaves().begin(), step_.leaves().end());
  for (const LeafSums& sum : grower_->SumLeaves(leaves, stretch_)) {
    report().add_leaf_sums(sum.g);
    report().add_leaf_sums(sum.h);
  }
}

}  // namespace ps
