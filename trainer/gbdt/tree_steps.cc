// The steps of a tree: what is asked of workers and servers, and what follows from their answers.
#include <algorithm>
#include <cmath>
#include <utility>

#include "glog/logging.h"
#include "trainer/gbdt/tree_coordinator.h"

namespace ps {
namespace {

constexpr MonotonicTime kFirstWait = std::chrono::seconds(1),
                        kLongestWait = std::chrono::seconds(8);
constexpr std::uint32_t kTreesAtOnce = 100;
// Of a step's histograms, as they lie in the memory of all servers together.
constexpr std::uint64_t kMostStepBytes = 256u << 20;
// Of the splits that are left, how many count as soon to come: at least so many, or one in so many.
// And the least gain that they need, in parts of the least one of the tree before.
constexpr std::size_t kSoon = 4, kSoonShare = 3;
constexpr double kSoonGain = 0.8;

void SetSplit(std::uint32_t node, const TreeBuilder::Leaf& leaf, std::uint32_t left,
              wire::TreeStep::Split* split) {
  split->set_node(node);
  split->set_left(left);
  SetChoice(leaf.best, split->mutable_choice());
  split->set_left_is_small(TreeBuilder::LeftIsSmall(leaf.total, leaf.best.left));
  split->set_total(leaf.total);
}

}  // namespace

void TreeCoordinator::NextStep(wire::TreeStep::Kind kind) {
  ++name_.step;
  ++steps_;
  step_ = wire::TreeStep();
  SetName(name_, step_.mutable_name());
  step_.set_kind(kind);
  if (options_.params.objective == Objective::kSoftmax) {
    step_.mutable_class_scores()->Assign(base_scores_.begin(), base_scores_.end());
  } else {
    step_.set_base_score(base_scores_[0]);
  }
  if (kind == wire::TreeStep::METRICS) step_.set_trees(judge_trees_);
  for (Node& node : workers_) node.done = false;
  const bool for_servers =
      !by_columns() && (kind == wire::TreeStep::BEGIN || kind == wire::TreeStep::SPLIT);
  for (Node& node : servers_) node.done = !for_servers;
  in_step_ = true;
  step_sent_ = false;
}

void TreeCoordinator::SendStep(MonotonicTime now, Outbox& outbox) {
  step_sent_ = true;
  last_progress_ = now;
  ask_wait_ = kFirstWait;
  next_ask_ = now + ask_wait_;
  for (const std::vector<Node>* nodes : {&servers_, &workers_}) {
    for (const Node& node : *nodes) {
      if (!node.done) SendStepTo(node, false, outbox);
    }
  }
}

void TreeCoordinator::SendStepTo(const Node& node, bool again, Outbox& outbox) {
  Message message;
  wire::TreeStep& step = *message.body.mutable_tree_step();
  step = step_;
  if (node.role == wire::WORKER) {
    std::uint64_t first_row = 0;
    for (std::uint32_t p = 0; p < node.place; ++p) first_row += parts_[p]->rows();
    step.set_first_row(first_row);
    if (again) {
      for (const Node& receiver : by_columns() ? workers_ : servers_) {
        if (!receiver.done) step.add_again(receiver.place);
      }
    }
  } else if (step.has_begin()) {
    step.mutable_begin()->set_server(node.place);
  }
  outbox.Send(node.address, std::move(message));
}

// A worker that is done says so, so one that has not is sent the step itself once more; servers
// that have not answered when all workers are done lack the step, or histograms. By columns a worker
// may lack the step, or what another told it.
void TreeCoordinator::AskAgain(MonotonicTime now, Outbox& outbox) {
  ask_wait_ = std::min(2 * ask_wait_, kLongestWait);
  next_ask_ = now + ask_wait_;
  bool workers_done = true;
  for (const Node& node : workers_) {
    workers_done = workers_done && node.done;
    if (!node.done) SendStepTo(node, false, outbox);
  }
  for (const Node& node : servers_) {
    if (!node.done) SendStepTo(node, false, outbox);
  }
  if (!workers_done && !by_columns()) return;
  for (const Node& node : workers_) SendStepTo(node, true, outbox);
}

// Whether workers read rows of the text in this step, as they do by columns for fewer trees than
// there are.
bool TreeCoordinator::ReadsAgain() const {
  return by_columns() && step_.kind() == wire::TreeStep::METRICS && step_.trees() < trees_.size();
}

bool TreeCoordinator::StepDone() const {
  const auto done = [](const Node& node) { return node.done; };
  return in_step_ && std::all_of(servers_.begin(), servers_.end(), done) &&
         std::all_of(workers_.begin(), workers_.end(), done);
}

void TreeCoordinator::OnReport(Node& node, const wire::TreeReport& report, MonotonicTime now,
                               Outbox& outbox) {
  if (report.part() != node.place) return;
  if (report.has_loaded()) return OnLoaded(node, report.loaded(), now);
  if (report.needs_trees() && !node.loaded) return SendTrees(node, report.trees(), outbox);
  if (!in_step_ || restart_ || NameOf(report.name()) != name_ || node.done) return;
  if (report.needs_trees()) {
    SendTrees(node, report.trees(), outbox);
    return SendStepTo(node, false, outbox);
  }
  node.done = true;
  last_progress_ = now;
  reports_[node.place] = report;
  if (by_columns()) answers_[node.place] = report.choices();
  tree_bytes_ += report.bytes();
  if (StepDone()) AfterStep(now, outbox);
}

void TreeCoordinator::OnChoices(Node& node, const wire::TreeChoices& choices, MonotonicTime now,
                                Outbox& outbox) {
  if (!in_step_ || restart_ || NameOf(choices.name()) != name_ || node.done) return;
  if (choices.server() != node.place) return;
  node.done = true;
  last_progress_ = now;
  answers_[node.place] = choices;
  if (StepDone()) AfterStep(now, outbox);
}

void TreeCoordinator::AfterStep(MonotonicTime now, Outbox& outbox) {
  in_step_ = false;
  switch (step_.kind()) {
    case wire::TreeStep::LARGEST:
    case wire::TreeStep::BEGIN:
    case wire::TreeStep::SPLIT:
      AfterChoices(now, outbox);
      break;
    case wire::TreeStep::LEAVES:
      FinishTree(outbox);
      break;
    case wire::TreeStep::METRICS:
      FinishJudging();
      break;
    default:
      break;
  }
  if (in_step_ && status_.ok()) SendStep(now, outbox);
}

void TreeCoordinator::BeginTree() {
  const bool bounded = options_.params.objective != Objective::kSquared;
  if (!bounded &&
      (step_.kind() != wire::TreeStep::LARGEST || in_step_ || NameOf(step_.name()) != name_))
    return NextStep(wire::TreeStep::LARGEST);
  float largest = 0;
  if (!bounded) {
    for (const wire::TreeReport& report : reports_) largest = std::max(largest, report.largest());
  }
  scale_ = ScaleOf(options_.params.objective, sums_, largest);
  NextStep(wire::TreeStep::BEGIN);
  wire::TreeStep::Begin& begin = *step_.mutable_begin();
  begin.set_gradient(scale_.gradient);
  begin.set_hessian(scale_.hessian);
  begin.set_gradient_fixed(scale_.gradient_fixed);
  begin.set_hessian_fixed(scale_.hessian_fixed);
  begin.set_key(TreeKey(options_.params.seed, options_.params.first_tree + name_.tree));
  if (by_columns()) {
    for (const Node& worker : workers_) begin.add_workers(worker.endpoint);
  } else {
    for (const Node& server : servers_) begin.add_servers(server.endpoint);
  }
}

void TreeCoordinator::AfterChoices(MonotonicTime, Outbox&) {
  if (step_.kind() == wire::TreeStep::LARGEST) return BeginTree();
  std::map<std::uint32_t, SplitChoice> best;
  for (const wire::TreeChoices& answer : answers_) {
    for (const wire::TreeChoices::Node& node : answer.nodes()) {
      const std::optional<SplitChoice> choice = ChoiceOf(node.choice(), options_.columns);
      if (!choice) return Fail(absl::InternalError("a server chose a split that there is not"));
      SplitChoice& so_far = best[node.node()];
      if (choice->score >= 0 && choice->BetterThan(so_far)) so_far = *choice;
    }
  }
  if (step_.kind() == wire::TreeStep::BEGIN) {
    builder_.Begin(scale_, answers_[0].total());
    builder_.SetBest(0, best[0]);
    node_of_leaf_ = {0};
    asked_ = 0;
    children_.clear();
    deferred_.clear();
    next_node_ = 1;
  } else {
    for (const wire::TreeStep::Split& split : step_.splits()) {
      KnownChildren& children = children_[split.node()];
      children.left = split.left();
      children.summed = true;
      children.best[0] = best[split.left()];
      children.best[1] = best[split.left() + 1];
    }
  }
  GrowOn();
}

// As far as the answers go, then asks for more.
void TreeCoordinator::GrowOn() {
  while (true) {
    const std::size_t leaf = builder_.NextToSplit();
    if (leaf == TreeBuilder::kNone) return AskForLeaves();
    const std::uint32_t node = node_of_leaf_[leaf];
    if (children_.count(node) == 0) {
      if (!builder_.IsLastSplit() && builder_.ChildrenMayGrow(leaf)) return AskForSplits();
      children_[node].left = next_node_;
      SetSplit(node, builder_.leaves()[leaf], next_node_, &deferred_.emplace_back());
      next_node_ += 2;
    }
    const KnownChildren& children = children_[node];
    builder_.SplitNext();
    node_of_leaf_[leaf] = children.left;
    node_of_leaf_.push_back(children.left + 1);
    if (!children.summed) continue;
    builder_.SetBest(leaf, children.best[0]);
    builder_.SetBest(node_of_leaf_.size() - 1, children.best[1]);
  }
}

// Whether a split will very likely be in the tree: trees resemble the ones before them, so the least
// gain that was worth a split there is a good guess of what it is here. Gains become smaller from
// tree to tree: the next few may be a little below it, else the last splits of a tree would come one
// by one.
bool TreeCoordinator::IsLikely(const WantedSplit& split) const {
  if (split.rank == 0) return true;  // the tree waits for it
  if (asked_ >= MostSplitsAhead(options_.params.grow.max_leaves)) return false;
  if (options_.params.grow.level_wise) return true;
  const auto left = static_cast<std::size_t>(builder_.SplitsLeft());
  const bool soon = split.rank < std::max(kSoon, left / kSoonShare);
  if (trees_.size() < least_gain_.size()) return soon;
  return split.leaf.gain >=
         (soon ? kSoonGain : 1.0) * least_gain_[trees_.size() % least_gain_.size()];
}

void TreeCoordinator::AskForSplits() {
  NextStep(wire::TreeStep::SPLIT);
  const auto most = static_cast<int>(
      std::max<std::uint64_t>(1, kMostStepBytes / (cells_ * sizeof(WideSum))));
  for (const WantedSplit& split : ForecastSplits(builder_, node_of_leaf_, children_)) {
    if (step_.splits_size() >= most) break;
    if (!IsLikely(split)) continue;
    SetSplit(split.node, split.leaf, next_node_, step_.add_splits());
    next_node_ += 2;
    ++asked_;
  }
}

void TreeCoordinator::AskForLeaves() {
  NextStep(wire::TreeStep::LEAVES);
  for (const wire::TreeStep::Split& split : deferred_) *step_.add_splits() = split;
  for (const std::uint32_t node : node_of_leaf_) step_.add_leaves(node);
}

void TreeCoordinator::FinishTree(Outbox& outbox) {
  std::vector<LeafSums> sums(node_of_leaf_.size());
  for (const wire::TreeReport& report : reports_) {
    if (report.leaf_sums_size() != static_cast<int>(2 * sums.size()))
      return Fail(absl::InternalError("a worker's sums of the leaves are not as many as leaves"));
    for (std::size_t i = 0; i < sums.size(); ++i) {
      // Unsigned: sums that no rows can have wrap.
      const auto add = [&](std::int64_t& to, int at) {
        to = static_cast<std::int64_t>(static_cast<std::uint64_t>(to) +
                                       static_cast<std::uint64_t>(report.leaf_sums(at)));
      };
      add(sums[i].g, static_cast<int>(2 * i));
      add(sums[i].h, static_cast<int>(2 * i + 1));
    }
  }
  trees_.push_back(builder_.Finish(sums));
  NoteGains();
  last_leaves_ = node_of_leaf_;
  last_attempt_ = attempt_;
  pushed_bytes_ += tree_bytes_;
  work_ = Work::kNone;
  for (const Node& node : workers_)
    SendTrees(node, static_cast<std::uint32_t>(trees_.size()) - 1, outbox);
}

// Of the last tree.
void TreeCoordinator::NoteGains() {
  const Tree& tree = trees_.back();
  const bool full = static_cast<int>(tree.leaf_value.size()) == options_.params.grow.max_leaves;
  double& least = least_gain_[(trees_.size() - 1) % least_gain_.size()];
  least = full ? INFINITY : 0;
  for (const TreeNode& node : tree.nodes) least = std::min<double>(least, node.gain);
}

void TreeCoordinator::SendTrees(const Node& node, std::uint32_t first, Outbox& outbox) {
  Message message;
  wire::GrownTrees& grown = *message.body.mutable_grown_trees();
  grown.set_first(first);
  const std::size_t end = std::min<std::size_t>(trees_.size(), std::size_t{first} + kTreesAtOnce);
  for (std::size_t t = first; t < end; ++t) {
    wire::GrownTrees::Tree* const tree = grown.add_trees();
    SetTree(trees_[t], tree);
    if (t + 1 < trees_.size()) continue;
    tree->set_attempt(last_attempt_);
    for (const std::uint32_t leaf : last_leaves_) tree->add_leaves(leaf);
  }
  outbox.Send(node.address, std::move(message));
}

void TreeCoordinator::FinishJudging() {
  judged_ = Judged();
  const auto classes = static_cast<std::uint32_t>(options_.plan.trees().classes_size());
  judged_.classes = ClassMetricState(classes);
  for (const wire::TreeReport& report : reports_) {
    MetricState part;
    ClassMetricState of_classes(classes);
    if (!report.metrics().empty() && !(classes > 0 ? of_classes.Parse(report.metrics()) : part.Parse(report.metrics())))
      return Fail(absl::InternalError("a worker's metrics are malformed"));
    judged_.metrics.Merge(part);
    judged_.classes.Merge(of_classes);
    judged_.squared_error += report.squared_error();
    judged_.weight += report.weight();
  }
  work_ = Work::kNone;
}

}  // namespace ps
