// A worker of a cluster of trees: has a part of the rows, and sends the histograms of their nodes
// to the servers.
//
// A step that comes again is not done again: what was answered is answered once more. One thread,
// beside those that load the rows and those that sum them.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
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
  // InvalidArgument: this node has no use for the message. Anything else: it cannot go on.
  absl::Status TakeRows(LoadedPart part);
  absl::Status OnTrees(const wire::GrownTrees& trees);
  absl::Status OnStep(const wire::TreeStep& step, Outbox& outbox);
  absl::Status Carry(const wire::TreeStep& step, const StepName& name, Outbox& outbox);
  absl::Status Judge(const wire::TreeStep& step);
  absl::Status Begin(const wire::TreeStep& step, const StepName& name, Outbox& outbox);
  absl::Status Splits(const wire::TreeStep& step, const StepName& name, Outbox& outbox);
  absl::Status SplitAll(const wire::TreeStep& step, bool collect);
  absl::Status Leaves(const wire::TreeStep& step);
  absl::Status Start(const wire::TreeStep& step);
  void SendAgain(const wire::TreeStep& step, Outbox& outbox) const;
  void GroupForServers();
  void NewPushes(const StepName& name, WideSum total);
  absl::Status AppendToPushes();
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
