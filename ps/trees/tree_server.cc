#include "ps/trees/tree_server.h"

#include <algorithm>
#include <set>
#include <utility>

#include "ps/trees/histogram_codec.h"

namespace ps {
namespace {

constexpr std::uint32_t kMostParts = 1u << 16;

}  // namespace

absl::StatusOr<std::unique_ptr<TreeServer>> TreeServer::Make(Options options,
                                                             const wire::Welcome& welcome,
                                                             MonotonicTime now) {
  const wire::TreePlan& plan = welcome.plan().trees();
  std::optional<std::vector<BinColumn>> columns = ColumnsOf(plan);
  if (!columns || plan.parts() < 1 || plan.parts() > kMostParts)
    return absl::InvalidArgumentError("the scheduler's plan of trees is none");
  return std::unique_ptr<TreeServer>(
      new TreeServer(std::move(options), welcome, *std::move(columns), now));
}

TreeServer::TreeServer(Options options, const wire::Welcome& welcome,
                       std::vector<BinColumn> columns, MonotonicTime now)
    : TreeMember(std::move(options), welcome, now),
      columns_(std::move(columns)),
      sparse_(welcome.plan().trees().sparse()),
      parts_(welcome.plan().trees().parts()),
      params_(ParamsOf(welcome.plan().trees())),
      offset_(CellOffsets(columns_, sparse_)) {}

bool TreeServer::Handle(const Address& from, Message& message, MonotonicTime, Outbox& outbox) {
  if (message.body.has_tree_step() && from == scheduler())
    return OnStep(message.body.tree_step(), outbox);
  return message.body.has_tree_histograms() && OnPush(message, outbox);
}

bool TreeServer::OnStep(const wire::TreeStep& step, Outbox& outbox) {
  const StepName name = NameOf(step.name());
  if (name_ && name <= *name_) {
    if (name == *name_ && answer_) outbox.Send(scheduler(), *answer_);
    return true;
  }
  if (step.kind() == wire::TreeStep::BEGIN) {
    if (!BeginTree(step.begin())) return false;
  } else if (step.kind() == wire::TreeStep::SPLIT) {
    if (!name_ || name_->attempt != name.attempt || name_->tree != name.tree || !BeginSplits(step))
      return false;
  } else {
    return false;
  }
  name_ = name;
  received_.assign(parts_, false);
  answer_.reset();
  std::vector<Push> early = std::move(early_);
  early_.clear();
  for (Push& push : early) {
    if (push.name >= name) OnPush(push.message, outbox);
  }
  return true;
}

bool TreeServer::BeginTree(const wire::TreeStep::Begin& begin) {
  const auto servers = static_cast<std::uint32_t>(begin.servers_size());
  if (begin.server() >= servers || !(begin.gradient() > 0) || !(begin.hessian() > 0)) return false;
  TakeShare(begin.server(), servers);
  rules_ = RulesOf(params_.grow, {begin.gradient(), begin.hessian(), 1, 1}, sparse_);
  chosen_ = SampleColumns(columns_.size(), params_.grow.column_sample, begin.key());
  for (auto& [node, histogram] : open_) spare_.push_back(std::move(histogram.cells));
  for (Histogram& histogram : sums_) spare_.push_back(std::move(histogram.cells));
  open_.clear();
  splits_.clear();
  sums_.clear();
  root_ = true;
  sums_.push_back(TakeHistogram());
  return true;
}

void TreeServer::TakeShare(std::uint32_t server, std::uint32_t servers) {
  if (server == number_ && servers == servers_) return;
  number_ = server;
  servers_ = servers;
  share_ = ShareColumns(offset_, servers)[server];
  std::vector<std::uint64_t> place(columns_.size());
  first_cell_ = {0};
  for (const std::uint32_t column : share_) {
    place[column] = first_cell_.back();
    first_cell_.push_back(first_cell_.back() + offset_[column + 1] - offset_[column]);
  }
  groups_ =
      GroupCells(share_, offset_, sparse_, [&](std::uint32_t column) { return place[column]; });
  spare_.clear();
}

TreeServer::Histogram TreeServer::TakeHistogram() {
  Histogram histogram;
  if (!spare_.empty()) {
    histogram.cells = std::move(spare_.back());
    spare_.pop_back();
  }
  histogram.cells.assign(cells(), 0);
  return histogram;
}

bool TreeServer::BeginSplits(const wire::TreeStep& step) {
  std::set<std::uint32_t> named;  // each node once, as parent or as child
  for (const wire::TreeStep::Split& split : step.splits()) {
    if (open_.count(split.node()) == 0 || !ChoiceOf(split.choice(), columns_)) return false;
    if (open_.count(split.left()) > 0 || open_.count(split.left() + 1) > 0) return false;
    for (const std::uint32_t node : {split.node(), split.left(), split.left() + 1}) {
      if (!named.insert(node).second) return false;
    }
  }
  root_ = false;
  splits_.assign(step.splits().begin(), step.splits().end());
  for (Histogram& histogram : sums_) spare_.push_back(std::move(histogram.cells));  // of a step that was given up
  sums_.clear();
  for (const wire::TreeStep::Split& split : splits_) {
    const WideSum left = split.choice().left(), right = LessSum(split.total(), left);
    sums_.push_back(TakeHistogram());
    sums_.back().total = split.left_is_small() ? left : right;
  }
  return true;
}

bool TreeServer::OnPush(Message& message, Outbox& outbox) {
  const wire::TreeHistograms& push = message.body.tree_histograms();
  const StepName name = NameOf(push.name());
  if (push.part() >= parts_) return false;
  if (!name_ || name > *name_) {
    // The step itself is still on its way.
    std::erase_if(early_, [&](const Push& other) {
      return other.message.body.tree_histograms().part() == push.part() && other.name <= name;
    });
    if (early_.size() < parts_) early_.push_back({name, std::move(message)});
    return true;
  }
  if (name < *name_ || received_[push.part()]) return true;
  if (!AddPush(message)) return false;
  received_[push.part()] = true;
  if (std::find(received_.begin(), received_.end(), false) == received_.end()) FinishStep(outbox);
  return true;
}

bool TreeServer::AddPush(const Message& message) {
  if (message.sections.size() != 1) return false;
  // All of it, or nothing.
  std::vector<std::string_view> taken;
  std::string_view rest = message.sections[0];
  bool whole = true;
  for (std::size_t i = 0; whole && i < sums_.size(); ++i) {
    const std::size_t size = AddPackedHistogram(rest, groups_, sums_[i].cells.data());
    whole = size != std::string_view::npos;
    if (!whole) break;
    taken.push_back(rest.substr(0, size));
    rest.remove_prefix(size);
  }
  if (!whole || !rest.empty()) {
    for (std::size_t i = 0; i < taken.size(); ++i)
      SubtractPackedHistogram(taken[i], groups_, sums_[i].cells.data());
    return false;
  }
  if (root_) sums_[0].total = LessSum(sums_[0].total, LessSum(0, message.body.tree_histograms().total()));
  return true;
}

void TreeServer::FinishStep(Outbox& outbox) {
  answer_.emplace();
  wire::TreeChoices& choices = *answer_->body.mutable_tree_choices();
  SetName(*name_, choices.mutable_name());
  choices.set_server(number_);
  if (root_) {
    choices.set_total(sums_[0].total);
    SplitChoice best;
    for (std::size_t i = 0; i < share_.size(); ++i) Examine(sums_[0], i, &best);
    AddChoice(0, best);
    open_[0] = std::move(sums_[0]);
  }
  for (std::size_t i = 0; i < splits_.size(); ++i) FinishSplit(splits_[i], std::move(sums_[i]));
  sums_.clear();
  outbox.Send(scheduler(), *answer_);
}

// A column at a time: its cells are subtracted and scanned while they are at hand.
void TreeServer::FinishSplit(const wire::TreeStep::Split& split, Histogram small) {
  const auto at = open_.find(split.node());
  Histogram rest = std::move(at->second);
  open_.erase(at);
  rest.total = LessSum(split.total(), small.total);
  const SplitChoice choice = *ChoiceOf(split.choice(), columns_);  // checked when it came
  const std::array<ValueBounds, 2> bounds = BoundsOfChildren(
      choice, split.total(), rest.bounds, columns_[choice.column].direction, rules_.scan);
  small.bounds = bounds[split.left_is_small() ? 0 : 1];
  rest.bounds = bounds[split.left_is_small() ? 1 : 0];
  SplitChoice best_small, best_rest;
  for (std::size_t i = 0; i < share_.size(); ++i) {
    for (std::uint64_t c = first_cell_[i]; c < first_cell_[i + 1]; ++c)
      rest.cells[c] = LessSum(rest.cells[c], small.cells[c]);
    Examine(small, i, &best_small);
    Examine(rest, i, &best_rest);
  }
  const std::uint32_t small_node = split.left() + (split.left_is_small() ? 0 : 1);
  const std::uint32_t rest_node = split.left() + (split.left_is_small() ? 1 : 0);
  AddChoice(small_node, best_small);
  AddChoice(rest_node, best_rest);
  open_[small_node] = std::move(small);
  open_[rest_node] = std::move(rest);
}

void TreeServer::AddChoice(std::uint32_t node, const SplitChoice& choice) {
  wire::TreeChoices::Node* const to = answer_->body.mutable_tree_choices()->add_nodes();
  to->set_node(node);
  SetChoice(choice, to->mutable_choice());
}

void TreeServer::Examine(const Histogram& histogram, std::size_t i, SplitChoice* best) const {
  const std::uint32_t number = share_[i];
  if (!chosen_.empty() && chosen_[number] == 0) return;
  const WideSum* const cells = histogram.cells.data() + first_cell_[i];
  const int bins = columns_[number].bins();
  ColumnHistogram column;
  if (sparse_) {
    WideSum present = 0;
    for (int b = 0; b < bins; ++b) present = LessSum(present, LessSum(0, cells[b]));
    column = {{cells, bins, LessSum(histogram.total, present), histogram.total}, nullptr};
  } else {
    column = {{cells + 1, bins, cells[0], histogram.total}, cells};
  }
  ImproveSplit(column, number, columns_[number], rules_, histogram.bounds, best);
}

}  // namespace ps
