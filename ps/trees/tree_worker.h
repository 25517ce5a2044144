// A worker of a cluster of trees: has a part of the rows, and sends the histograms of their nodes
// to the servers.
//
// A step that comes again is not done again: what was answered is answered once more. One thread,
// beside those that load the rows and those that sum them.
#pragma once

#include <memory>
#include <optional>
#include <string>
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
  // InvalidArgument: the plan is none; ResourceExhausted: it insists on a GPU, and there is none; as
  // `open` where the data cannot be opened.
  static absl::StatusOr<std::unique_ptr<TreeWorker>> Make(Options options,
                                                          const wire::Welcome& welcome,
                                                          const OpenPart& open, int threads,
                                                          MonotonicTime now);

 private:
  // Of the rows, on the loader's thread: putting them on a GPU takes long, too. Whole once the loader is
  // done without an error.
  struct Made {
    wire::TreeReport::Loaded loaded;
    std::unique_ptr<PartGrower> grower;
    absl::Status Make(PartGrower::Part part, const std::string& device);
  };
  TreeWorker(Options options, const wire::Welcome& welcome, std::shared_ptr<Made> made,
             std::unique_ptr<PartLoader> loader, MonotonicTime now);

  bool Handle(const Address& from, Message& message, MonotonicTime now, Outbox& outbox) override;
  void Work(MonotonicTime now, Outbox& outbox) override;
  void Beat(Outbox& outbox) override;
  void WelcomeAgain() override { told_ = false; }
  // InvalidArgument: this node has no use for the message. Anything else: it cannot go on.
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
  const std::shared_ptr<Made> made_;
  std::unique_ptr<PartLoader> loader_;  // null once it is done
  std::unique_ptr<PartGrower> grower_;
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
