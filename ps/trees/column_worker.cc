#include "ps/trees/column_worker.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "ps/base/status_macros.h"
#include "ps/trees/column_shares.h"

namespace ps {
namespace {

constexpr std::uint32_t kMostParts = 1u << 16;

}  // namespace

absl::StatusOr<std::unique_ptr<ColumnWorker>> ColumnWorker::Make(Options options,
                                                                 const wire::Welcome& welcome,
                                                                 OpenPart open, int threads,
                                                                 MonotonicTime now) {
  const wire::TreePlan& plan = welcome.plan().trees();
  std::optional<std::vector<BinColumn>> columns = ColumnsOf(plan);
  const BoostParams params = ParamsOf(plan);
  const auto scores = static_cast<std::uint32_t>(plan.base_scores_size());
  if (!columns || plan.part() >= plan.parts() || plan.parts() > kMostParts ||
      !HasValidClasses(plan) || (plan.grown_trees() > 0 && scores != params.classes)) {
    return absl::InvalidArgumentError("the scheduler's plan of trees is none");
  }
  for (const double score : plan.base_scores()) {
    if (!std::isfinite(score))
      return absl::InvalidArgumentError("the scheduler's plan of trees is none");
  }
  auto worker = std::unique_ptr<ColumnWorker>(new ColumnWorker(
      std::move(options), welcome, *std::move(columns), std::move(open), threads, now));
  if (plan.grown_trees() == 0) PS_RETURN_IF_ERROR(worker->OpenRows());
  return worker;
}

ColumnWorker::ColumnWorker(Options options, const wire::Welcome& welcome,
                           std::vector<BinColumn> columns, OpenPart open, int threads,
                           MonotonicTime now)
    : TreeMember(std::move(options), welcome, now),
      plan_(welcome.plan()),
      trees_plan_(plan_.trees()),
      params_(ParamsOf(trees_plan_)),
      columns_(std::move(columns)),
      owner_(columns_.size()),
      threads_(threads),
      open_(std::move(open)) {
  std::vector<std::vector<std::uint32_t>> shares =
      DealColumns(CellOffsets(columns_, trees_plan_.sparse()), trees_plan_.parts());
  for (std::uint32_t part = 0; part < shares.size(); ++part) {
    for (const std::uint32_t column : shares[part]) owner_[column] = part;
  }
  share_ = std::move(shares[trees_plan_.part()]);
}

absl::Status ColumnWorker::OpenRows() {
  PartWanted wanted;
  wanted.columns = share_;
  wanted.trees = trees_;
  if (!trees_.empty())
    wanted.base_scores.assign(trees_plan_.base_scores().begin(), trees_plan_.base_scores().end());
  PS_ASSIGN_OR_RETURN(loader_, open_(plan_, std::move(wanted)));
  return absl::OkStatus();
}

void ColumnWorker::TakeRows(LoadedPart part) {
  LabelSums all = LabelSums::Of(part.rows, 1);
  loaded_.set_all_rows(all.rows);
  loaded_.set_all_labels(all.labels.Serialize());
  // Every worker has read all of the text: the first one says what was in it.
  LoadedPart counts;
  if (trees_plan_.part() == 0) {
    counts.dropped = part.dropped;
    counts.good_rows = part.good_rows;
    counts.bad_rows = part.bad_rows;
    counts.bad_row_text = part.bad_row_text;
  }
  grower_ = std::make_unique<ColumnGrower>(std::move(part), columns_, share_, params_,
                                           trees_.size(), threads_);
  stretch_ = grower_->StretchOf(trees_plan_.part(), trees_plan_.parts());
  ReportLoaded(counts, grower_->rows(), stretch_, params_.classes, &loaded_);
}

// Until the rows are there, and then until the first step comes.
void ColumnWorker::Beat(Outbox& outbox) {
  if (name_) return;
  if (grower_ == nullptr) {
    if (loader_ == nullptr) AskForTrees(StepName(), trees_.size(), outbox);
    return;
  }
  Message message;
  message.body.mutable_tree_report()->set_part(trees_plan_.part());
  *message.body.mutable_tree_report()->mutable_loaded() = loaded_;
  outbox.Send(scheduler(), std::move(message));
}

void ColumnWorker::AskForTrees(const StepName& name, std::size_t from, Outbox& outbox) const {
  Message message;
  wire::TreeReport& asked = *message.body.mutable_tree_report();
  asked.set_part(trees_plan_.part());
  SetName(name, asked.mutable_name());
  asked.set_needs_trees(true);
  asked.set_trees(static_cast<std::uint32_t>(from));
  outbox.Send(scheduler(), std::move(message));
}

bool ColumnWorker::work_pending() const {
  return loader_ == nullptr && std::any_of(pending_.begin(), pending_.end(),
                                           [](const Pending& p) { return p.placed && !p.done; });
}

void ColumnWorker::Work(MonotonicTime, Outbox& outbox) {
  if (loader_ != nullptr) {
    std::optional<absl::StatusOr<LoadedPart>> part = loader_->Poll();
    if (!part) return;
    loader_.reset();
    if (grower_ != nullptr) return JudgeRows(*std::move(part), outbox);
    if (!part->ok()) return Fail(part->status(), outbox);
    TakeRows(**std::move(part));
    return Beat(outbox);
  }
  // One at a time: what comes from others meanwhile is taken between two.
  Pending* const ready = NextReady();
  if (ready == nullptr) return;
  Apply(ready);
  for (const Pending& pending : pending_) {
    if (!pending.done) return;
  }
  FinishSplits();
  SendReport(outbox);
}

bool ColumnWorker::Handle(const Address& from, Message& message, MonotonicTime, Outbox& outbox) {
  if (message.body.has_tree_placements()) return grower_ != nullptr && OnPlacements(message);
  if (from != scheduler()) return false;
  if (message.body.has_grown_trees()) return OnTrees(message.body.grown_trees(), outbox);
  return grower_ != nullptr && message.body.has_tree_step() &&
         OnStep(message.body.tree_step(), outbox);
}

bool ColumnWorker::OnTrees(const wire::GrownTrees& grown, Outbox& outbox) {
  const bool reads_later = grower_ == nullptr && loader_ == nullptr;
  for (int i = 0; i < grown.trees_size(); ++i) {
    const std::size_t number = std::size_t{grown.first()} + static_cast<std::size_t>(i);
    if (number < trees_.size()) continue;
    if (number > trees_.size()) return true;
    const wire::GrownTrees::Tree& from = grown.trees(i);
    std::optional<Tree> tree = TreeOf(from, columns_);
    if (!tree) return false;
    if (reads_later) {
      if (trees_.size() == trees_plan_.grown_trees()) break;
    } else {
      // Others than those that were grown here came with the rows.
      const StepName name{from.attempt(), static_cast<std::uint32_t>(number), 0};
      const std::vector<std::uint32_t> leaves(from.leaves().begin(), from.leaves().end());
      if (grower_ == nullptr || !tree_ || *tree_ != name ||
          leaves.size() != tree->leaf_value.size())
        return true;
      for (const std::uint32_t leaf : leaves) {
        if (!grower_->Has(leaf)) return false;
      }
      grower_->AddTree(tree->leaf_value, leaves);
    }
    trees_.push_back(*std::move(tree));
  }
  if (!reads_later) return true;
  if (trees_.size() < trees_plan_.grown_trees()) {
    AskForTrees(StepName(), trees_.size(), outbox);
  } else if (absl::Status opened = OpenRows(); !opened.ok()) {
    Fail(std::move(opened), outbox);
  }
  return true;
}

bool ColumnWorker::OnStep(const wire::TreeStep& step, Outbox& outbox) {
  const StepName name = NameOf(step.name());
  if (name_ && name <= *name_) {
    if (name < *name_) return true;
    for (const std::uint32_t part : step.again()) {
      if (placements_ && part < peers_.size() && part != trees_plan_.part())
        outbox.Send(peers_[part], *placements_);
    }
    if (reported_) outbox.Send(scheduler(), report_);
    return true;
  }
  if (!started_ && !Start(step)) return false;
  const bool of_trees = step.kind() == wire::TreeStep::METRICS;
  const std::size_t needed = of_trees ? step.trees() : name.tree;
  if (of_trees ? needed > trees_.size() : needed != trees_.size()) {
    if (needed < trees_.size()) return false;
    AskForTrees(name, trees_.size(), outbox);
    return true;
  }
  if (!Carry(step, name, outbox)) return false;
  name_ = name;
  std::vector<Message> early = std::move(early_);
  early_.clear();
  for (Message& message : early) OnPlacements(message);
  return true;
}

bool ColumnWorker::Carry(const wire::TreeStep& step, const StepName& name, Outbox& outbox) {
  report_ = Message();
  report().set_part(trees_plan_.part());
  SetName(name, report().mutable_name());
  reported_ = false;
  loader_.reset();
  pending_.clear();
  placements_.reset();
  received_.assign(trees_plan_.parts(), false);
  step_ = step;
  switch (step.kind()) {
    case wire::TreeStep::LARGEST:
      report().set_largest(grower_->LargestGradient());
      break;
    case wire::TreeStep::BEGIN:
      if (!Begin(step, name)) return false;
      break;
    case wire::TreeStep::SPLIT:
    case wire::TreeStep::LEAVES:
      if (!StartSplits(step, name, outbox)) return false;
      if (!pending_.empty()) return true;
      FinishSplits();
      break;
    case wire::TreeStep::METRICS:
      if (absl::Status judged = Judge(step.trees()); !judged.ok()) {
        Fail(std::move(judged), outbox);
        return true;
      }
      if (loader_ != nullptr) return true;
      break;
    default:
      return false;
  }
  SendReport(outbox);
  return true;
}

void ColumnWorker::SendReport(Outbox& outbox) {
  reported_ = true;
  outbox.Send(scheduler(), report_);
}

bool ColumnWorker::Start(const wire::TreeStep& step) {
  std::vector<double> scores{step.base_score()};
  if (trees_plan_.classes_size() > 0) {
    if (step.class_scores_size() != trees_plan_.classes_size()) return false;
    scores.assign(step.class_scores().begin(), step.class_scores().end());
  }
  for (const double score : scores) {
    if (!std::isfinite(score)) return false;
  }
  if (!grower_->has_margins()) grower_->Start(scores);
  started_ = true;
  return true;
}

bool ColumnWorker::Begin(const wire::TreeStep& step, const StepName& name) {
  const wire::TreeStep::Begin& begin = step.begin();
  const GradientScale scale{begin.gradient(), begin.hessian(), begin.gradient_fixed(),
                            begin.hessian_fixed()};
  for (const double unit :
       {scale.gradient, scale.hessian, scale.gradient_fixed, scale.hessian_fixed}) {
    if (!(unit > 0)) return false;
  }
  if (begin.workers_size() != static_cast<int>(trees_plan_.parts())) return false;
  peers_.assign(begin.workers().begin(), begin.workers().end());
  tree_ = StepName{name.attempt, name.tree, 0};
  const ColumnGrower::Found root = grower_->Begin(scale, begin.key());
  report().mutable_choices()->set_total(root.total);
  AddChoice(0, root);
  return true;
}

void ColumnWorker::AddChoice(std::uint32_t node, const ColumnGrower::Found& found) {
  wire::TreeChoices::Node* const to = report().mutable_choices()->add_nodes();
  to->set_node(node);
  SetChoice(found.best, to->mutable_choice());
}

// Of fewer trees than there are the margins are gone, and other workers have columns that those ask
// for: then rows of a stretch of the text are read once more.
absl::Status ColumnWorker::Judge(std::uint32_t trees) {
  if (trees == trees_.size()) {
    ReportMetrics(grower_->rows(), stretch_, grower_->Margins(), trees_plan_, &report());
    return absl::OkStatus();
  }
  PartWanted wanted;
  wanted.part = trees_plan_.part();
  wanted.parts = trees_plan_.parts();
  wanted.columns.emplace();
  wanted.trees.assign(trees_.begin(), trees_.begin() + trees);
  if (trees_plan_.classes_size() > 0) {
    wanted.base_scores.assign(step_.class_scores().begin(), step_.class_scores().end());
  } else {
    wanted.base_scores = {step_.base_score()};
  }
  PS_ASSIGN_OR_RETURN(loader_, open_(plan_, std::move(wanted)));
  return absl::OkStatus();
}

void ColumnWorker::JudgeRows(absl::StatusOr<LoadedPart> part, Outbox& outbox) {
  if (!part.ok()) return Fail(part.status(), outbox);
  ReportMetrics(part->rows, {0, part->rows.rows}, part->rows.margins, trees_plan_, &report());
  SendReport(outbox);
}

}  // namespace ps
