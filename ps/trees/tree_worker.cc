#include "ps/trees/tree_worker.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "ps/trees/histogram_codec.h"
#include "ps/trees/row_reports.h"

namespace ps {

absl::StatusOr<std::unique_ptr<TreeWorker>> TreeWorker::Make(Options options,
                                                             const wire::Welcome& welcome,
                                                             const OpenPart& open, int threads,
                                                             MonotonicTime now) {
  const wire::TreePlan& plan = welcome.plan().trees();
  std::optional<std::vector<BinColumn>> columns = ColumnsOf(plan);
  if (!columns || plan.part() >= plan.parts() || !HasValidClasses(plan) ||
      plan.first_tree() % static_cast<unsigned>(std::max(1, plan.classes_size())) != 0)
    return absl::InvalidArgumentError("the scheduler's plan of trees is none");
  absl::StatusOr<std::unique_ptr<PartLoader>> loader = open(welcome.plan(), {plan.part(), plan.parts()});
  if (!loader.ok()) return loader.status();
  return std::unique_ptr<TreeWorker>(new TreeWorker(
      std::move(options), welcome, *std::move(columns), *std::move(loader), threads, now));
}

TreeWorker::TreeWorker(Options options, const wire::Welcome& welcome,
                       std::vector<BinColumn> columns, std::unique_ptr<PartLoader> loader,
                       int threads, MonotonicTime now)
    : TreeMember(std::move(options), welcome, now),
      plan_(welcome.plan().trees()),
      columns_(std::move(columns)),
      threads_(threads),
      loader_(std::move(loader)) {}

void TreeWorker::Work(MonotonicTime, Outbox& outbox) {
  if (loader_ == nullptr) return;
  std::optional<absl::StatusOr<LoadedPart>> part = loader_->Poll();
  if (!part) return;
  loader_.reset();
  if (!part->ok()) return Fail(part->status(), outbox);
  TakeRows(**std::move(part));
  Beat(outbox);
}

void TreeWorker::TakeRows(LoadedPart part) {
  const BoostParams params = ParamsOf(plan_);
  ReportLoaded(part, part.rows, {0, part.rows.rows}, params.classes, &loaded_);
  grower_ = std::make_unique<PartGrower>(std::move(part.rows), std::move(columns_), params, threads_);
}

void TreeWorker::Beat(Outbox& outbox) {
  if (grower_ == nullptr || told_) return;
  Message message;
  message.body.mutable_tree_report()->set_part(plan_.part());
  *message.body.mutable_tree_report()->mutable_loaded() = loaded_;
  outbox.Send(scheduler(), std::move(message));
}

bool TreeWorker::Handle(const Address& from, Message& message, MonotonicTime, Outbox& outbox) {
  if (from != scheduler() || grower_ == nullptr) return false;
  if (message.body.has_grown_trees()) return OnTrees(message.body.grown_trees());
  return message.body.has_tree_step() && OnStep(message.body.tree_step(), outbox);
}

bool TreeWorker::OnTrees(const wire::GrownTrees& trees) {
  if (!started_) return true;  // the first step says where to start from
  for (int i = 0; i < trees.trees_size(); ++i) {
    const std::size_t number = std::size_t{trees.first()} + static_cast<std::size_t>(i);
    if (number < grower_->trees()) continue;
    if (number > grower_->trees()) return true;
    const wire::GrownTrees::Tree& from = trees.trees(i);
    std::optional<Tree> tree = TreeOf(from, grower_->columns());
    if (!tree) return false;
    std::vector<std::uint32_t> leaves(from.leaves().begin(), from.leaves().end());
    // The rows of its leaves are at hand where this was the last tree that was grown here.
    const StepName name{from.attempt(), static_cast<std::uint32_t>(number), 0};
    bool here = tree_ && *tree_ == name && leaves.size() == tree->leaf_value.size();
    for (const std::uint32_t leaf : leaves) here = here && grower_->Has(leaf);
    if (!here) leaves.clear();
    grower_->AddTree(*std::move(tree), leaves);
  }
  return true;
}

bool TreeWorker::OnStep(const wire::TreeStep& step, Outbox& outbox) {
  const StepName name = NameOf(step.name());
  if (name_ && name <= *name_) {
    if (name < *name_) return true;
    for (const std::uint32_t server : step.again()) {
      if (server < pushes_.size()) outbox.Send(servers_[server], pushes_[server]);
    }
    outbox.Send(scheduler(), report_);
    return true;
  }
  told_ = true;
  if (!started_ && !Start(step)) return false;
  const bool of_trees = step.kind() == wire::TreeStep::METRICS;
  const std::size_t needed = of_trees ? step.trees() : name.tree;
  // A scheduler that came back may lack the last trees: they are grown again.
  if (name.tree < grower_->trees()) {
    grower_->Rewind(name.tree);
    tree_.reset();
  }
  if (needed > grower_->trees()) {
    Message message;
    wire::TreeReport& report = *message.body.mutable_tree_report();
    report.set_part(plan_.part());
    SetName(name, report.mutable_name());
    report.set_needs_trees(true);
    report.set_trees(static_cast<std::uint32_t>(grower_->trees()));
    outbox.Send(scheduler(), std::move(message));
    return true;
  }
  report_ = Message();
  wire::TreeReport& report = *report_.body.mutable_tree_report();
  report.set_part(plan_.part());
  SetName(name, report.mutable_name());
  if (!Carry(step, name, outbox)) return false;
  name_ = name;
  outbox.Send(scheduler(), report_);
  return true;
}

bool TreeWorker::Carry(const wire::TreeStep& step, const StepName& name, Outbox& outbox) {
  switch (step.kind()) {
    case wire::TreeStep::LARGEST:
      report_.body.mutable_tree_report()->set_largest(grower_->LargestGradient());
      return true;
    case wire::TreeStep::BEGIN:
      return Begin(step, name, outbox);
    case wire::TreeStep::SPLIT:
      return Splits(step, name, outbox);
    case wire::TreeStep::LEAVES:
      return Leaves(step);
    case wire::TreeStep::METRICS:
      ReportMetrics(grower_->rows(), {0, grower_->rows().rows}, grower_->MarginsWith(step.trees()),
                    plan_, report_.body.mutable_tree_report());
      return true;
    default:
      return false;
  }
}

bool TreeWorker::Begin(const wire::TreeStep& step, const StepName& name, Outbox& outbox) {
  const wire::TreeStep::Begin& begin = step.begin();
  if (begin.servers_size() < 1) return false;
  const GradientScale scale{begin.gradient(), begin.hessian(), begin.gradient_fixed(),
                            begin.hessian_fixed()};
  for (const double unit :
       {scale.gradient, scale.hessian, scale.gradient_fixed, scale.hessian_fixed}) {
    if (!(unit > 0)) return false;
  }
  servers_.assign(begin.servers().begin(), begin.servers().end());
  if (groups_.size() != servers_.size()) GroupForServers();
  tree_ = StepName{name.attempt, name.tree, 0};
  NewPushes(name, grower_->Begin(scale));
  AppendToPushes();
  SendPushes(outbox);
  return true;
}

bool TreeWorker::Splits(const wire::TreeStep& step, const StepName& name, Outbox& outbox) {
  if (!tree_ || *tree_ != StepName{name.attempt, name.tree, 0}) return false;
  NewPushes(name, 0);
  if (!SplitAll(step, true)) return false;
  SendPushes(outbox);
  return true;
}

bool TreeWorker::SplitAll(const wire::TreeStep& step, bool collect) {
  for (const wire::TreeStep::Split& split : step.splits()) {
    const std::optional<SplitChoice> choice = ChoiceOf(split.choice(), grower_->columns());
    if (!choice || choice->score < 0 || !grower_->Has(split.node()) || grower_->Has(split.left()))
      return false;
    using Sum = PartGrower::Sum;
    const Sum sum = !collect ? Sum::kNone : split.left_is_small() ? Sum::kLeft : Sum::kRight;
    grower_->Split(split.node(), split.left(), *choice, sum);
    if (collect) AppendToPushes();
  }
  return true;
}

bool TreeWorker::Leaves(const wire::TreeStep& step) {
  if (!tree_ || !SplitAll(step, false)) return false;
  const std::vector<std::uint32_t> leaves(step.leaves().begin(), step.leaves().end());
  for (const std::uint32_t leaf : leaves) {
    if (!grower_->Has(leaf)) return false;
  }
  for (const LeafSums& sum : grower_->SumLeaves(leaves)) {
    report_.body.mutable_tree_report()->add_leaf_sums(sum.g);
    report_.body.mutable_tree_report()->add_leaf_sums(sum.h);
  }
  return true;
}

bool TreeWorker::Start(const wire::TreeStep& step) {
  std::vector<double> scores{step.base_score()};
  if (plan_.classes_size() > 0) {
    if (step.class_scores_size() != plan_.classes_size()) return false;
    scores.assign(step.class_scores().begin(), step.class_scores().end());
  }
  for (const double score : scores) {
    if (!std::isfinite(score)) return false;
  }
  grower_->Start(std::move(scores), step.first_row());
  started_ = true;
  return true;
}

void TreeWorker::NewPushes(const StepName& name, WideSum total) {
  pushes_.assign(servers_.size(), Message());
  for (Message& push : pushes_) {
    wire::TreeHistograms& histograms = *push.body.mutable_tree_histograms();
    SetName(name, histograms.mutable_name());
    histograms.set_part(plan_.part());
    histograms.set_total(total);
    push.sections.resize(1);
  }
}

void TreeWorker::GroupForServers() {
  const std::vector<std::uint64_t>& offsets = grower_->offsets();
  groups_.clear();
  for (const std::vector<std::uint32_t>& columns :
       ShareColumns(offsets, static_cast<std::uint32_t>(servers_.size()))) {
    groups_.push_back(GroupCells(columns, offsets, plan_.sparse(),
                                 [&](std::uint32_t column) { return grower_->first_cell(column); }));
  }
}

void TreeWorker::AppendToPushes() {
  const WideSum* const cells = grower_->Collect();
  for (std::size_t s = 0; s < pushes_.size(); ++s)
    PackHistogram(cells, groups_[s], &pushes_[s].sections[0]);
}

void TreeWorker::SendPushes(Outbox& outbox) {
  constexpr std::uint64_t kFrameHeader = 64;
  std::uint64_t bytes = 0;
  for (std::size_t s = 0; s < pushes_.size(); ++s) {
    bytes += kFrameHeader + pushes_[s].body.ByteSizeLong() + pushes_[s].sections[0].size();
    outbox.Send(servers_[s], pushes_[s]);
  }
  report_.body.mutable_tree_report()->set_bytes(bytes);
}

}  // namespace ps
