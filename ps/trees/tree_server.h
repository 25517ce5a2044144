// A server of a cluster of trees: has the histograms of a range of columns for all open nodes of
// the tree under way, adds up what the workers send, subtracts, and says which split of its range
// is best.
//
// Everything that it adds is an integer, and each part of the rows counts once a step, so its
// answers depend on no order of messages. A repeated step or push gets the same answer again. One
// thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "ps/trees/tree_codec.h"
#include "ps/trees/tree_member.h"

namespace ps {

class TreeServer final : public TreeMember {
 public:
  // InvalidArgument: the plan is none.
  static absl::StatusOr<std::unique_ptr<TreeServer>> Make(Options options,
                                                          const wire::Welcome& welcome,
                                                          MonotonicTime now);

 private:
  TreeServer(Options options, const wire::Welcome& welcome, std::vector<BinColumn> columns,
             MonotonicTime now);

  struct Histogram {
    std::vector<WideSum> cells;
    WideSum total = 0;
    ValueBounds bounds;
  };
  struct Push {
    StepName name;
    Message message;
  };

  bool Handle(const Address& from, Message& message, MonotonicTime now, Outbox& outbox) override;
  bool OnStep(const wire::TreeStep& step, Outbox& outbox);
  bool BeginTree(const wire::TreeStep::Begin& begin);
  bool BeginSplits(const wire::TreeStep& step);
  bool OnPush(Message& message, Outbox& outbox);
  bool AddPush(const Message& message);
  void FinishStep(Outbox& outbox);
  void AddChoice(std::uint32_t node, const Histogram& histogram);
  SplitChoice BestOf(const Histogram& histogram) const;
  std::uint64_t cells() const { return offset_[end_] - offset_[first_]; }

  const std::vector<BinColumn> columns_;
  const bool sparse_;
  const std::uint32_t parts_;
  const BoostParams params_;
  const std::vector<std::uint64_t> offset_;  // of columns' cells

  // Of the tree under way.
  std::optional<StepName> name_;
  std::uint32_t first_ = 0, end_ = 0;  // columns
  std::uint32_t number_ = 0;           // of this server
  SplitRules rules_;
  std::vector<std::uint8_t> chosen_;
  std::map<std::uint32_t, Histogram> open_;  // by node
  // Of the step under way.
  bool root_ = false;
  std::vector<wire::TreeStep::Split> splits_;
  std::vector<Histogram> sums_;
  std::vector<bool> received_;  // by part
  std::optional<Message> answer_;
  std::vector<Push> early_;  // of the step to come
};

}  // namespace ps
