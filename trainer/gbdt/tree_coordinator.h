// The scheduler of a cluster of trees: gives workers their parts of the rows and servers their
// columns, and has one tree grown after the other.
//
// A tree is grown in steps. In each the workers split nodes and send the servers histograms of the
// smaller children; the servers answer with the best splits of their columns; the best of those is
// split next. A step takes several nodes at once, those that will very likely be split: what turns
// out not to be in the tree is left out of it, so that the tree is the one that a single process
// grows.
//
// By columns (the plan says so) the workers have a share of the columns of all rows each, and tell
// each other and the scheduler what servers say otherwise; servers have nothing to do.
//
// Whatever is lost on the way is asked for again, under the same name. When a node is lost its
// place waits for another, and the tree under way begins anew; finished trees are known here. One
// thread; whoever drives it runs it until finished(), then asks for the next piece of work.
//
// A coordinator may take the place of one that died. Nodes of the same run say where they were, and
// are taken back there: workers have their rows still, and forget trees that nobody else knows.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "models/gbdt/columns.h"
#include "models/gbdt/gradient_rows.h"
#include "models/gbdt/tree_builder.h"
#include "models/metrics/class_metrics.h"
#include "models/metrics/metrics.h"
#include "ps/base/worker_devices.h"
#include "ps/trees/tree_codec.h"
#include "ps/wire/machine.h"
#include "trainer/gbdt/split_forecast.h"

namespace ps {

struct PartCounts {
  std::uint64_t dropped = 0, good_rows = 0, bad_rows = 0;
  std::string bad_row_text;
  WorkerDevices devices;  // by rows: what trees grow on; by columns there are no kinds
};

class TreeCoordinator final : public Machine {
 public:
  struct Options {
    wire::Plan plan;           // with trees and their run; parts and part are set here
    std::uint64_t leader = 0;  // leadership term
    // There may be nodes of a coordinator before: their places are kept for them for `dead_after`.
    bool returns = false;
    std::uint32_t first_attempt = 1;  // above all of the coordinators before
    BoostParams params;
    std::vector<BinColumn> columns;
    std::vector<double> base_scores;  // of the model that trees begin with; empty: the labels'
    std::uint32_t servers = 1, workers = 1;
    MonotonicTime heartbeat = std::chrono::milliseconds(500);
    MonotonicTime dead_after = std::chrono::seconds(10);
    // How long a place may stay empty, before the first tree and in place of a node that was lost.
    MonotonicTime gather_limit = std::chrono::minutes(2);
    MonotonicTime replace_limit = std::chrono::minutes(2);
    MonotonicTime stall_limit = std::chrono::minutes(10);
    MonotonicTime stop_limit = std::chrono::seconds(5);
    std::function<bool()> stop_requested;  // polled; may be empty
  };
  explicit TreeCoordinator(Options options);

  // One piece of work; finished() says when it is done, or the job has failed.
  void Gather();                    // all nodes are there, with their rows
  void GrowTree();                  // then trees().back() is new
  void Judge(std::uint32_t trees);  // then judged()
  void Stop(bool failed);           // the nodes leave
  bool finished() const override {
    return work_ == Work::kNone || (!status_.ok() && work_ != Work::kStopping);
  }
  const absl::Status& status() const { return status_; }
  // Before Gather: trees that are finished.
  void GoOnAfter(std::vector<Tree> trees);

  // After Gather.
  const LabelSums& sums() const { return sums_; }
  const std::vector<double>& base_scores() const { return base_scores_; }
  PartCounts counts() const;
  const std::vector<Tree>& trees() const { return trees_; }
  struct Judged {
    MetricState metrics;
    ClassMetricState classes;  // softmax
    double squared_error = 0, weight = 0;
  };
  const Judged& judged() const { return judged_; }
  // Between workers and servers, or workers and workers, for finished trees.
  std::uint64_t pushed_bytes() const { return pushed_bytes_; }
  std::uint32_t attempts() const { return attempt_ - options_.first_attempt + 1; }
  std::uint64_t steps() const { return steps_; }

  void OnMessage(const Address& from, Message message, MonotonicTime now, Outbox& outbox) override;
  void OnTick(MonotonicTime now, Outbox& outbox) override;

  // Of processes on this machine, by whoever looks after them.
  struct Wanted {
    std::uint32_t servers = 0, workers = 0;
  };
  Wanted wanted() const { return {options_.servers, options_.workers}; }
  bool running() const { return gathered_ && work_ != Work::kStopping && status_.ok(); }
  void OnProcessEnded(std::uint32_t pid, const std::string& what);

 private:
  enum class Work { kNone, kGathering, kTree, kJudging, kStopping };
  struct Node {
    wire::Role role = wire::NONE;
    std::uint64_t incarnation = 0;
    Address address;
    std::string endpoint, host;
    std::uint32_t pid = 0;
    std::uint32_t place = 0;  // part of the rows, or share of the columns
    MonotonicTime last_heard{0};
    // Of its Welcome, which may have tens of megabytes: not with every Hello.
    MonotonicTime welcome_wait{0}, next_welcome{0};
    bool loaded = false;
    bool done = false;  // with the step
    bool stopped = false;
    std::string Name() const;
  };
  bool by_columns() const { return options_.plan.trees().by_columns(); }
  std::vector<Node>& places(wire::Role role);
  Node* Find(const Address& from);
  Node* FindIncarnation(std::uint64_t incarnation);
  void Take(const Address& from, Message message, MonotonicTime now, Outbox& outbox);
  void Step(MonotonicTime now, Outbox& outbox);
  void Stamp(std::size_t first, Outbox& outbox) const;
  void OnHello(const wire::Hello& hello, const Address& from, MonotonicTime now, Outbox& outbox);
  // The place that a node had, or one for a new node; null: none.
  Node* PlaceFor(const wire::Hello& hello, const Address& from, MonotonicTime now);
  void Welcome(Node& node, MonotonicTime now, Outbox& outbox);
  void OnReport(Node& node, const wire::TreeReport& report, MonotonicTime now, Outbox& outbox);
  void OnLoaded(Node& node, const wire::TreeReport::Loaded& loaded, MonotonicTime now);
  void OnChoices(Node& node, const wire::TreeChoices& choices, MonotonicTime now, Outbox& outbox);
  void CheckNodes(MonotonicTime now);
  void Lose(Node& node, const std::string& why);
  bool Complete() const;  // every place is taken, by a node that has what it needs
  void Restart(MonotonicTime now, Outbox& outbox);
  void AllLoaded();
  absl::Status CheckWorkersReachEachOther() const;
  void NextStep(wire::TreeStep::Kind kind);
  void SendStep(MonotonicTime now, Outbox& outbox);
  void SendStepTo(const Node& node, bool again, Outbox& outbox);
  void SendTrees(const Node& node, std::uint32_t first, Outbox& outbox);
  void AskAgain(MonotonicTime now, Outbox& outbox);
  bool StepDone() const;
  bool ReadsAgain() const;
  void AfterStep(MonotonicTime now, Outbox& outbox);
  void AfterChoices(MonotonicTime now, Outbox& outbox);
  void BeginTree();
  void GrowOn();
  bool IsLikely(const WantedSplit& split) const;
  void AskForSplits();
  void AskForLeaves();
  void FinishTree(Outbox& outbox);
  void FinishJudging();
  void NoteGains();
  void Advance(MonotonicTime now);
  void Fail(absl::Status status);

  const Options options_;
  const std::uint64_t cells_;            // of a histogram, at least 1
  std::vector<Node> servers_, workers_;  // by place; incarnation 0: empty
  std::set<std::uint64_t> lost_;         // incarnations whose places others may have
  std::vector<std::optional<wire::TreeReport::Loaded>> parts_;
  MonotonicTime empty_since_{-1};
  Work work_ = Work::kNone;
  bool gathered_ = false;
  bool restart_ = false;  // a node was lost: the work begins anew once all are there
  bool check_reach_ = false;  // there are new workers
  absl::Status status_;
  MonotonicTime last_now_{-1}, began_{-1};
  MonotonicTime places_kept_until_{-1};  // of nodes of a coordinator before

  LabelSums sums_;
  std::vector<double> base_scores_;
  std::vector<Tree> trees_;
  std::vector<std::uint32_t>
      last_leaves_;  // nodes of the last tree's leaves, as its attempt named them
  std::uint32_t last_attempt_ = 0;
  // Of the splits of the last tree of each class, where it has as many leaves as it may.
  std::vector<double> least_gain_;
  Judged judged_;
  std::uint32_t judge_trees_ = 0;
  std::uint64_t pushed_bytes_ = 0, tree_bytes_ = 0, steps_ = 0;

  // The tree under way.
  std::uint32_t attempt_;
  GradientScale scale_;
  TreeBuilder builder_;
  std::vector<std::uint32_t> node_of_leaf_;     // beside the builder's leaves
  std::map<std::uint32_t, KnownChildren> children_;  // by node
  std::uint32_t next_node_ = 1;
  std::size_t asked_ = 0;  // splits
  std::vector<wire::TreeStep::Split> deferred_;

  // The step under way.
  bool in_step_ = false, step_sent_ = false;
  StepName name_;
  wire::TreeStep step_;
  std::vector<wire::TreeReport> reports_;   // by worker
  std::vector<wire::TreeChoices> answers_;  // by server; by columns, by worker
  MonotonicTime next_ask_{0}, ask_wait_{0}, last_progress_{0}, next_stop_{0};
  bool stop_failed_ = false;
};

}  // namespace ps
