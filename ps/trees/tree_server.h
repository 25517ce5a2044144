// A server of a cluster of trees: has the histograms of its share of the columns for all open nodes
// of the tree under way, adds up what the workers send, subtracts, and says which split of its columns
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
#include "ps/trees/column_shares.h"
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
  void FinishSplit(const wire::TreeStep::Split& split, Histogram small);
  void AddChoice(std::uint32_t node, const SplitChoice& choice);
  // Takes the split of the i-th of its columns if it is better.
  void Examine(const Histogram& histogram, std::size_t i, SplitChoice* best) const;
  void TakeShare(std::uint32_t server, std::uint32_t servers);
  Histogram TakeHistogram();  // of zeros
  std::uint64_t cells() const { return first_cell_.back(); }

  const std::vector<BinColumn> columns_;
  const bool sparse_;
  const std::uint32_t parts_;
  const BoostParams params_;
  const std::vector<std::uint64_t> offset_;  // of columns' cells

  // Of the tree under way.
  std::optional<StepName> name_;
  std::uint32_t number_ = 0, servers_ = 0;  // of this server, and how many there are
  std::vector<std::uint32_t> share_;        // its columns
  std::vector<std::uint64_t> first_cell_;   // of each of those, and the end
  std::vector<CellGroup> groups_;
  SplitRules rules_;
  std::vector<std::uint8_t> chosen_;
  std::map<std::uint32_t, Histogram> open_;  // by node
  std::vector<std::vector<WideSum>> spare_;  // room for histograms, whose pages are there
  // Of the step under way.
  bool root_ = false;
  std::vector<wire::TreeStep::Split> splits_;
  std::vector<Histogram> sums_;
  std::vector<bool> received_;  // by part
  std::optional<Message> answer_;
  std::vector<Push> early_;  // of the step to come
};

}  // namespace ps
