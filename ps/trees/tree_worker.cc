#include "ps/trees/tree_worker.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "kernels/cuda/device.h"
#include "ps/base/status_macros.h"
#include "ps/trees/histogram_codec.h"
#include "ps/trees/row_reports.h"

namespace ps {
namespace {

absl::Status Useless() { return absl::InvalidArgumentError("no use for the message"); }

bool IsDevice(const std::string& word) {
  return word.empty() || word == "auto" || word == "cpu" || word == "cuda";
}

}  // namespace

absl::StatusOr<std::unique_ptr<TreeWorker>> TreeWorker::Make(Options options,
                                                             const wire::Welcome& welcome,
                                                             const OpenPart& open, int threads,
                                                             MonotonicTime now) {
  const wire::TreePlan& plan = welcome.plan().trees();
  std::optional<std::vector<BinColumn>> columns = ColumnsOf(plan);
  if (!columns || plan.part() >= plan.parts() || !HasValidClasses(plan) || !IsDevice(plan.device()) ||
      plan.first_tree() % static_cast<unsigned>(std::max(1, plan.classes_size())) != 0)
    return absl::InvalidArgumentError("the scheduler's plan of trees is none");
  PS_RETURN_IF_ERROR(CheckDevice(plan.device(), DeviceChoice::kFirst));  // else it is told after all rows were read
  auto made = std::make_shared<Made>();
  PartWanted wanted{plan.part(), plan.parts()};
  const std::string device = plan.device().empty() ? "cpu" : plan.device();
  wanted.prepare = [made, device, threads, params = ParamsOf(plan),
                    columns = *std::move(columns)](LoadedPart* part) mutable {
    ReportLoaded(*part, part->rows, {0, part->rows.rows}, params.classes, &made->loaded);
    return made->Make({std::move(part->rows), std::move(columns), params, threads}, device);
  };
  PS_ASSIGN_OR_RETURN(std::unique_ptr<PartLoader> loader, open(welcome.plan(), std::move(wanted)));
  return std::unique_ptr<TreeWorker>(
      new TreeWorker(std::move(options), welcome, std::move(made), std::move(loader), now));
}

TreeWorker::TreeWorker(Options options, const wire::Welcome& welcome,
                       std::shared_ptr<Made> made, std::unique_ptr<PartLoader> loader,
                       MonotonicTime now)
    : TreeMember(std::move(options), welcome, now),
      plan_(welcome.plan().trees()),
      made_(std::move(made)),
      loader_(std::move(loader)) {}

void TreeWorker::Work(MonotonicTime, Outbox& outbox) {
  if (loader_ == nullptr) return;
  std::optional<absl::StatusOr<LoadedPart>> part = loader_->Poll();
  if (!part) return;
  loader_.reset();
  if (!part->ok()) return Fail(part->status(), outbox);
  grower_ = std::move(made_->grower);
  Beat(outbox);
}

absl::Status TreeWorker::Made::Make(PartGrower::Part part, const std::string& device) {
  PS_ASSIGN_OR_RETURN(grower, PartGrower::Make(std::move(part), device));
  const std::uint64_t bytes = grower->device_bytes();
  loaded.set_on_device(bytes > 0);
  loaded.set_grows_on(grower->grows_on());
  LOG(INFO) << "trees grow on " << grower->grows_on()
            << (bytes > 0 ? absl::StrCat(", ", bytes >> 20, " MiB of its memory") : "");
  return absl::OkStatus();
}

void TreeWorker::Beat(Outbox& outbox) {
  if (grower_ == nullptr || told_) return;
  Message message;
  message.body.mutable_tree_report()->set_part(plan_.part());
  *message.body.mutable_tree_report()->mutable_loaded() = made_->loaded;
  outbox.Send(scheduler(), std::move(message));
}

bool TreeWorker::Handle(const Address& from, Message& message, MonotonicTime, Outbox& outbox) {
  if (from != scheduler() || grower_ == nullptr) return false;
  absl::Status status = Useless();
  if (message.body.has_grown_trees()) status = OnTrees(message.body.grown_trees());
  if (message.body.has_tree_step()) status = OnStep(message.body.tree_step(), outbox);
  if (absl::IsInvalidArgument(status)) return false;
  if (!status.ok()) Fail(std::move(status), outbox);
  return true;
}

absl::Status TreeWorker::OnTrees(const wire::GrownTrees& trees) {
  if (!started_) return absl::OkStatus();  // the first step says where to start from
  for (int i = 0; i < trees.trees_size(); ++i) {
    const std::size_t number = std::size_t{trees.first()} + static_cast<std::size_t>(i);
    if (number < grower_->trees()) continue;
    if (number > grower_->trees()) return absl::OkStatus();
    const wire::GrownTrees::Tree& from = trees.trees(i);
    std::optional<Tree> tree = TreeOf(from, grower_->columns());
    if (!tree) return Useless();
    std::vector<std::uint32_t> leaves(from.leaves().begin(), from.leaves().end());
    // The rows of its leaves are at hand where this was the last tree that was grown here.
    const StepName name{from.attempt(), static_cast<std::uint32_t>(number), 0};
    bool here = tree_ && *tree_ == name && leaves.size() == tree->leaf_value.size();
    for (const std::uint32_t leaf : leaves) here = here && grower_->Has(leaf);
    if (!here) leaves.clear();
    PS_RETURN_IF_ERROR(grower_->AddTree(*std::move(tree), leaves));
  }
  return absl::OkStatus();
}

void TreeWorker::SendAgain(const wire::TreeStep& step, Outbox& outbox) const {
  for (const std::uint32_t server : step.again()) {
    if (server < pushes_.size()) outbox.Send(servers_[server], pushes_[server]);
  }
  outbox.Send(scheduler(), report_);
}

absl::Status TreeWorker::OnStep(const wire::TreeStep& step, Outbox& outbox) {
  const StepName name = NameOf(step.name());
  if (name_ && name <= *name_) {
    if (!(name < *name_)) SendAgain(step, outbox);
    return absl::OkStatus();
  }
  told_ = true;
  if (!started_) PS_RETURN_IF_ERROR(Start(step));
  const bool of_trees = step.kind() == wire::TreeStep::METRICS;
  const std::size_t needed = of_trees ? step.trees() : name.tree;
  // A scheduler that came back may lack the last trees: they are grown again.
  if (name.tree < grower_->trees()) {
    PS_RETURN_IF_ERROR(grower_->Rewind(name.tree));
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
    return absl::OkStatus();
  }
  report_ = Message();
  wire::TreeReport& report = *report_.body.mutable_tree_report();
  report.set_part(plan_.part());
  SetName(name, report.mutable_name());
  PS_RETURN_IF_ERROR(Carry(step, name, outbox));
  name_ = name;
  outbox.Send(scheduler(), report_);
  return absl::OkStatus();
}

absl::Status TreeWorker::Carry(const wire::TreeStep& step, const StepName& name, Outbox& outbox) {
  switch (step.kind()) {
    case wire::TreeStep::LARGEST: {
      PS_ASSIGN_OR_RETURN(const float largest, grower_->LargestGradient());
      report_.body.mutable_tree_report()->set_largest(largest);
      return absl::OkStatus();
    }
    case wire::TreeStep::BEGIN:
      return Begin(step, name, outbox);
    case wire::TreeStep::SPLIT:
      return Splits(step, name, outbox);
    case wire::TreeStep::LEAVES:
      return Leaves(step);
    case wire::TreeStep::METRICS:
      return Judge(step);
    default:
      return Useless();
  }
}

absl::Status TreeWorker::Judge(const wire::TreeStep& step) {
  PS_ASSIGN_OR_RETURN(const std::vector<float> margins, grower_->MarginsWith(step.trees()));
  ReportMetrics(grower_->rows(), {0, grower_->rows().rows}, margins, plan_,
                report_.body.mutable_tree_report());
  return absl::OkStatus();
}

absl::Status TreeWorker::Begin(const wire::TreeStep& step, const StepName& name, Outbox& outbox) {
  const wire::TreeStep::Begin& begin = step.begin();
  if (begin.servers_size() < 1) return Useless();
  const GradientScale scale{begin.gradient(), begin.hessian(), begin.gradient_fixed(),
                            begin.hessian_fixed()};
  for (const double unit :
       {scale.gradient, scale.hessian, scale.gradient_fixed, scale.hessian_fixed}) {
    if (!(unit > 0)) return Useless();
  }
  servers_.assign(begin.servers().begin(), begin.servers().end());
  if (groups_.size() != servers_.size()) GroupForServers();
  tree_ = StepName{name.attempt, name.tree, 0};
  PS_ASSIGN_OR_RETURN(const WideSum total, grower_->Begin(scale));
  NewPushes(name, total);
  PS_RETURN_IF_ERROR(AppendToPushes());
  SendPushes(outbox);
  return absl::OkStatus();
}

absl::Status TreeWorker::Splits(const wire::TreeStep& step, const StepName& name, Outbox& outbox) {
  if (!tree_ || *tree_ != StepName{name.attempt, name.tree, 0}) return Useless();
  NewPushes(name, 0);
  PS_RETURN_IF_ERROR(SplitAll(step, true));
  SendPushes(outbox);
  return absl::OkStatus();
}

absl::Status TreeWorker::SplitAll(const wire::TreeStep& step, bool collect) {
  for (const wire::TreeStep::Split& split : step.splits()) {
    const std::optional<SplitChoice> choice = ChoiceOf(split.choice(), grower_->columns());
    if (!choice || choice->score < 0 || !grower_->Has(split.node()) || grower_->Has(split.left()))
      return Useless();
    using Sum = PartGrower::Sum;
    const Sum sum = !collect ? Sum::kNone : split.left_is_small() ? Sum::kLeft : Sum::kRight;
    PS_RETURN_IF_ERROR(grower_->Split(split.node(), split.left(), *choice, sum));
    if (collect) PS_RETURN_IF_ERROR(AppendToPushes());
  }
  return absl::OkStatus();
}

absl::Status TreeWorker::Leaves(const wire::TreeStep& step) {
  if (!tree_) return Useless();
  PS_RETURN_IF_ERROR(SplitAll(step, false));
  const std::vector<std::uint32_t> leaves(step.leaves().begin(), step.leaves().end());
  for (const std::uint32_t leaf : leaves) {
    if (!grower_->Has(leaf)) return Useless();
  }
  PS_ASSIGN_OR_RETURN(const std::vector<LeafSums> sums, grower_->SumLeaves(leaves));
  for (const LeafSums& sum : sums) {
    report_.body.mutable_tree_report()->add_leaf_sums(sum.g);
    report_.body.mutable_tree_report()->add_leaf_sums(sum.h);
  }
  return absl::OkStatus();
}

absl::Status TreeWorker::Start(const wire::TreeStep& step) {
  std::vector<double> scores{step.base_score()};
  if (plan_.classes_size() > 0) {
    if (step.class_scores_size() != plan_.classes_size()) return Useless();
    scores.assign(step.class_scores().begin(), step.class_scores().end());
  }
  for (const double score : scores) {
    if (!std::isfinite(score)) return Useless();
  }
  PS_RETURN_IF_ERROR(grower_->Start(std::move(scores), step.first_row()));
  started_ = true;
  return absl::OkStatus();
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

absl::Status TreeWorker::AppendToPushes() {
  PS_ASSIGN_OR_RETURN(const WideSum* const cells, grower_->Collect());
  for (std::size_t s = 0; s < pushes_.size(); ++s)
    PackHistogram(cells, groups_[s], &pushes_[s].sections[0]);
  return absl::OkStatus();
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
