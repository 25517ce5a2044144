// A worker of a cluster of trees: has a part of the rows, and sends the histograms of their nodes
// to the servers.
//
// A step that comes again is not done again: what was answered is answered once more. One thread,
// beside those that load the rows and those that sum them.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "ps/trees/column_shares.h"
#include "ps/trees/loaded_part.h"
#include "ps/trees/part_grower.h"
#include "ps/trees/tree_codec.h"
#include "ps/trees/tree_member.h"

namespace ps {

class TreeWorker final : public TreeMember {
 public:
  // InvalidArgument: the plan is none; as `open` where the data cannot be opened.
  static absl::StatusOr<std::unique_ptr<TreeWorker>> Make(Options options,
                                                          const wire::Welcome& welcome,
                                                          const OpenPart& open, int threads,
                                                          MonotonicTime now);

 private:
  TreeWorker(Options options, const wire::Welcome& welcome, std::vector<BinColumn> columns,
             std::unique_ptr<PartLoader> loader, int threads, MonotonicTime now);

  bool Handle(const Address& from, Message& message, MonotonicTime now, Outbox& outbox) override;
  void Work(MonotonicTime now, Outbox& outbox) override;
  void Beat(Outbox& outbox) override;
  void WelcomeAgain() override { told_ = false; }
  void TakeRows(LoadedPart part);
  bool OnTrees(const wire::GrownTrees& trees);
  bool OnStep(const wire::TreeStep& step, Outbox& outbox);
  bool Carry(const wire::TreeStep& step, const StepName& name, Outbox& outbox);
  bool Begin(const wire::TreeStep& step, const StepName& name, Outbox& outbox);
  bool Splits(const wire::TreeStep& step, const StepName& name, Outbox& outbox);
  bool SplitAll(const wire::TreeStep& step, bool collect);
  bool Leaves(const wire::TreeStep& step);
  bool Start(const wire::TreeStep& step);
  void GroupForServers();
  void NewPushes(const StepName& name, WideSum total);
  void AppendToPushes();
  void SendPushes(Outbox& outbox);

  const wire::TreePlan plan_;
  std::vector<BinColumn> columns_;
  const int threads_;
  std::unique_ptr<PartLoader> loader_;
  std::unique_ptr<PartGrower> grower_;
  wire::TreeReport::Loaded loaded_;
  bool started_ = false;
  bool told_ = false;  // the scheduler knows of the rows

  std::optional<StepName> name_;
  std::optional<StepName> tree_;  // the tree whose nodes there are, step 0
  Message report_;                // of the step
  std::vector<Address> servers_;
  std::vector<std::vector<CellGroup>> groups_;  // of the histogram, by server
  std::vector<Message> pushes_;                 // of the step, by server
};

}  // namespace ps
