// A worker of a cluster of trees by columns: has a share of the columns of all rows, their labels
// and their margins. Where a node is split by a column of its own it tells the other workers where
// the node's rows go, and it tells the scheduler the best splits of its columns.
//
// A step that comes again is not done again: what was answered is answered once more, as is what
// the others were told. One thread, beside those that load the rows and those that sum them.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "ps/trees/column_grower.h"
#include "ps/trees/loaded_part.h"
#include "ps/trees/tree_codec.h"
#include "ps/trees/tree_member.h"

namespace ps {

class ColumnWorker final : public TreeMember {
 public:
  // InvalidArgument: the plan is none; as `open` where the data cannot be opened.
  static absl::StatusOr<std::unique_ptr<ColumnWorker>> Make(Options options,
                                                            const wire::Welcome& welcome,
                                                            OpenPart open, int threads,
                                                            MonotonicTime now);
  bool work_pending() const override;

 private:
  ColumnWorker(Options options, const wire::Welcome& welcome, std::vector<BinColumn> columns,
               OpenPart open, int threads, MonotonicTime now);

  // A node that the step splits.
  struct Pending {
    ColumnGrower::Split split;
    std::uint32_t owner = 0;           // the part that has its column
    std::optional<PlacedRows> placed;  // as soon as it is known
    bool done = false;
  };

  bool Handle(const Address& from, Message& message, MonotonicTime now, Outbox& outbox) override;
  void Work(MonotonicTime now, Outbox& outbox) override;
  void Beat(Outbox& outbox) override;
  absl::Status OpenRows();
  void TakeRows(LoadedPart part);
  bool OnTrees(const wire::GrownTrees& trees, Outbox& outbox);
  bool OnStep(const wire::TreeStep& step, Outbox& outbox);
  bool Carry(const wire::TreeStep& step, const StepName& name, Outbox& outbox);
  bool Start(const wire::TreeStep& step);
  bool Begin(const wire::TreeStep& step, const StepName& name);
  bool StartSplits(const wire::TreeStep& step, const StepName& name, Outbox& outbox);
  absl::Status Judge(std::uint32_t trees);
  void JudgeRows(absl::StatusOr<LoadedPart> part, Outbox& outbox);
  void PlaceOwn(const StepName& name, Outbox& outbox);
  bool OnPlacements(Message& message);
  bool TakePlacements(const Message& message);
  Pending* NextReady();
  void Apply(Pending* pending);
  void FinishSplits();
  void AskForTrees(const StepName& name, std::size_t from, Outbox& outbox) const;
  void AddChoice(std::uint32_t node, const ColumnGrower::Found& found);
  void SendReport(Outbox& outbox);
  wire::TreeReport& report() { return *report_.body.mutable_tree_report(); }

  const wire::Plan plan_;
  const wire::TreePlan& trees_plan_;  // of plan_
  const BoostParams params_;
  const std::vector<BinColumn> columns_;
  std::vector<std::uint32_t> share_;  // columns here
  std::vector<std::uint32_t> owner_;  // of each column
  const int threads_;
  const OpenPart open_;
  std::unique_ptr<PartLoader> loader_;  // of the rows, or of those to be judged
  std::vector<Tree> trees_;             // that are finished
  std::unique_ptr<ColumnGrower> grower_;
  RowStretch stretch_;
  wire::TreeReport::Loaded loaded_;
  bool started_ = false;

  std::optional<StepName> name_;
  std::optional<StepName> tree_;  // the tree whose nodes there are, step 0
  std::vector<Address> peers_;    // workers, by part
  // Of the step under way.
  Message report_;
  bool reported_ = false;
  wire::TreeStep step_;
  std::vector<Pending> pending_;
  std::optional<Message> placements_;  // what the others were told
  std::vector<bool> received_;         // by part
  std::vector<Message> early_;         // of the step to come
};

}  // namespace ps
