#include "trainer/gbdt/tree_coordinator.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "glog/logging.h"

namespace ps {
namespace {

constexpr MonotonicTime kFirstWait = std::chrono::seconds(1),
                        kLongestWait = std::chrono::seconds(8);
constexpr std::uint32_t kTreesAtOnce = 100;
// Of a step's histograms, as they lie in the memory of all servers together.
constexpr std::uint64_t kMostStepBytes = 256u << 20;
// Of gains against the least one of the tree before.
constexpr double kSafeGain = 1.0;
// Busy nodes are silent for longer.
constexpr int kBusyPatience = 6;

double Seconds(MonotonicTime time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

std::string TreeCoordinator::Node::Name() const {
  return absl::StrCat(role == wire::SERVER ? "server " : "worker ", place, " (", host, ", pid ",
                      pid, ")");
}

TreeCoordinator::TreeCoordinator(Options options)
    : options_(std::move(options)),
      servers_(options_.servers),
      workers_(options_.workers),
      parts_(options_.workers),
      builder_(&options_.columns, options_.params.grow),
      reports_(options_.workers),
      answers_(options_.servers) {
  for (std::uint32_t i = 0; i < options_.servers; ++i) servers_[i].place = i;
  for (std::uint32_t i = 0; i < options_.workers; ++i) workers_[i].place = i;
  for (Node& node : servers_) node.role = wire::SERVER;
  for (Node& node : workers_) node.role = wire::WORKER;
  // Ranges of about equal numbers of cells.
  const std::vector<std::uint64_t> offsets =
      CellOffsets(options_.columns, options_.plan.trees().sparse());
  for (std::uint32_t s = 0; s < options_.servers; ++s) {
    const std::uint64_t cell = offsets.back() / options_.servers * s;
    first_column_.push_back(static_cast<std::uint32_t>(
        std::lower_bound(offsets.begin(), offsets.end(), cell) - offsets.begin()));
  }
  first_column_.push_back(static_cast<std::uint32_t>(options_.columns.size()));
}

std::vector<TreeCoordinator::Node>& TreeCoordinator::places(wire::Role role) {
  return role == wire::SERVER ? servers_ : workers_;
}

TreeCoordinator::Node* TreeCoordinator::Find(const Address& from) {
  for (std::vector<Node>* nodes : {&servers_, &workers_}) {
    for (Node& node : *nodes) {
      if (node.incarnation != 0 && node.address == from) return &node;
    }
  }
  return nullptr;
}

TreeCoordinator::Node* TreeCoordinator::FindIncarnation(std::uint64_t incarnation) {
  for (std::vector<Node>* nodes : {&servers_, &workers_}) {
    for (Node& node : *nodes) {
      if (node.incarnation != 0 && node.incarnation == incarnation) return &node;
    }
  }
  return nullptr;
}

void TreeCoordinator::Fail(absl::Status status) {
  if (status_.ok()) status_ = std::move(status);
}

void TreeCoordinator::Gather() {
  work_ = Work::kGathering;
  began_ = MonotonicTime(-1);
}

void TreeCoordinator::GrowTree() {
  work_ = Work::kTree;
  tree_bytes_ = 0;
  began_ = MonotonicTime(-1);
  name_ = {attempt_, static_cast<std::uint32_t>(trees_.size()), name_.step};
  restart_ = restart_ || !Complete();  // the step must name the nodes that come
  BeginTree();
}

void TreeCoordinator::Judge(std::uint32_t trees) {
  work_ = Work::kJudging;
  began_ = MonotonicTime(-1);
  judge_trees_ = trees;
  name_ = {attempt_, static_cast<std::uint32_t>(trees_.size()), name_.step};
  NextStep(wire::TreeStep::METRICS);
}

void TreeCoordinator::Stop(bool failed) {
  work_ = Work::kStopping;
  stop_failed_ = failed;
  began_ = MonotonicTime(-1);
  in_step_ = false;
}

PartCounts TreeCoordinator::counts() const {
  PartCounts counts;
  for (const auto& part : parts_) {
    if (!part) continue;
    counts.dropped += part->dropped();
    counts.good_rows += part->good_rows();
    counts.bad_rows += part->bad_rows();
    if (counts.bad_row_text.empty()) counts.bad_row_text = part->bad_row_text();
  }
  return counts;
}

void TreeCoordinator::OnMessage(const Address& from, Message message, MonotonicTime now,
                                Outbox& outbox) {
  Advance(now);
  const wire::Body& body = message.body;
  if (body.has_hello()) return OnHello(body.hello(), from, now, outbox);
  if (body.has_heartbeat()) {
    Message reply;
    if (Node* const node = FindIncarnation(body.heartbeat().incarnation()); node != nullptr) {
      node->last_heard = now;
      node->address = from;
      reply.body.mutable_heartbeat();
    } else if (lost_.contains(body.heartbeat().incarnation())) {
      reply.body.mutable_stop()->set_reason("another node has its place");
    } else {
      return;
    }
    return outbox.Send(from, std::move(reply));
  }
  Node* const node = Find(from);
  if (node == nullptr) return;
  node->last_heard = now;
  if (body.has_stopped()) {
    node->stopped = true;
  } else if (body.has_failure()) {
    const auto code = static_cast<absl::StatusCode>(body.failure().status_code());
    Fail(absl::Status(code == absl::StatusCode::kOk ? absl::StatusCode::kInternal : code,
                      absl::StrCat(node->Name(), ": ", body.failure().message())));
  } else if (body.has_leave()) {
    Message reply;
    reply.body.mutable_stop()->set_reason("it asked to leave");
    outbox.Send(from, std::move(reply));
    Lose(*node, "has left");
  } else if (body.has_tree_report() && node->role == wire::WORKER) {
    OnReport(*node, body.tree_report(), now, outbox);
  } else if (body.has_tree_choices() && node->role == wire::SERVER) {
    OnChoices(*node, body.tree_choices(), now, outbox);
  }
}

void TreeCoordinator::OnHello(const wire::Hello& hello, const Address& from, MonotonicTime now,
                              Outbox& outbox) {
  if (hello.incarnation() == 0 || lost_.contains(hello.incarnation())) return;
  if (hello.role() != wire::SERVER && hello.role() != wire::WORKER) return;
  Node* node = FindIncarnation(hello.incarnation());
  if (node == nullptr && work_ != Work::kStopping) {
    if (Node* const forerunner = Find(from); forerunner != nullptr)
      Lose(*forerunner, "was restarted");
    for (Node& place : places(hello.role())) {
      if (place.incarnation != 0) continue;
      node = &place;
      node->incarnation = hello.incarnation();
      node->endpoint = hello.endpoint();
      node->host = hello.host();
      node->pid = hello.pid();
      node->loaded = hello.role() == wire::SERVER;
      node->stopped = false;
      break;
    }
  }
  if (node == nullptr) {  // it may be needed later
    Message reply;
    reply.body.mutable_heartbeat();
    return outbox.Send(from, std::move(reply));
  }
  node->address = from;
  node->last_heard = now;
  Welcome(*node, outbox);
}

void TreeCoordinator::Welcome(const Node& node, Outbox& outbox) {
  Message message;
  wire::Welcome& welcome = *message.body.mutable_welcome();
  welcome.set_node(node.place + 1 + (node.role == wire::WORKER ? options_.servers : 0));
  welcome.set_incarnation(node.incarnation);
  welcome.set_heartbeat_ms(static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(options_.heartbeat).count()));
  *welcome.mutable_plan() = options_.plan;
  welcome.mutable_plan()->mutable_trees()->set_parts(options_.workers);
  welcome.mutable_plan()->mutable_trees()->set_part(node.role == wire::WORKER ? node.place : 0);
  outbox.Send(node.address, std::move(message));
}

void TreeCoordinator::Lose(Node& node, const std::string& why) {
  LOG(WARNING) << node.Name() << " " << why;
  lost_.insert(node.incarnation);
  const wire::Role role = node.role;
  const std::uint32_t place = node.place;
  node = Node();
  node.role = role;
  node.place = place;
  restart_ = restart_ || in_step_;
}

void TreeCoordinator::OnProcessEnded(std::uint32_t pid, const std::string& what) {
  for (std::vector<Node>* nodes : {&servers_, &workers_}) {
    for (Node& node : *nodes) {
      if (node.incarnation == 0 || node.pid != pid) continue;
      if (work_ == Work::kStopping) {
        node.stopped = true;
      } else {
        Lose(node, "is gone");
      }
    }
  }
  // It ended before it was of use, and so would another.
  if (!gathered_ && work_ != Work::kStopping) Fail(absl::UnavailableError(what));
}

void TreeCoordinator::Advance(MonotonicTime now) {
  // Whoever drives this was away: what nodes said meanwhile is still to be read.
  if (last_now_ >= MonotonicTime::zero() && now - last_now_ > std::chrono::seconds(1)) {
    const MonotonicTime gap = now - last_now_;
    for (std::vector<Node>* nodes : {&servers_, &workers_}) {
      for (Node& node : *nodes) node.last_heard += gap;
    }
    last_progress_ += gap;
    if (empty_since_ >= MonotonicTime::zero()) empty_since_ += gap;
  }
  last_now_ = now;
  if (began_ < MonotonicTime::zero()) {
    began_ = last_progress_ = now;
    empty_since_ = MonotonicTime(-1);
  }
}

void TreeCoordinator::CheckNodes(MonotonicTime now) {
  bool empty = false;
  for (std::vector<Node>* nodes : {&servers_, &workers_}) {
    for (Node& node : *nodes) {
      const bool busy = in_step_ && !node.done;
      if (node.incarnation != 0 &&
          now - node.last_heard > options_.dead_after * (busy ? kBusyPatience : 1)) {
        Lose(node, "is silent");
      }
      empty = empty || node.incarnation == 0;
    }
  }
  if (!empty) {
    empty_since_ = MonotonicTime(-1);
    return;
  }
  if (empty_since_ < MonotonicTime::zero()) empty_since_ = now;
  const MonotonicTime limit = gathered_ ? options_.replace_limit : options_.gather_limit;
  if (now - empty_since_ <= limit) return;
  const auto there = [](const std::vector<Node>& nodes) {
    return std::count_if(nodes.begin(), nodes.end(),
                         [](const Node& n) { return n.incarnation != 0; });
  };
  Fail(absl::UnavailableError(absl::StrCat(
      "after ", Seconds(limit), " s only ", there(servers_), " of ", options_.servers,
      " servers and ", there(workers_), " of ", options_.workers, " workers are there")));
}

bool TreeCoordinator::Complete() const {
  for (const std::vector<Node>* nodes : {&servers_, &workers_}) {
    for (const Node& node : *nodes) {
      if (node.incarnation == 0 || !node.loaded) return false;
    }
  }
  return true;
}

void TreeCoordinator::OnTick(MonotonicTime now, Outbox& outbox) {
  Advance(now);
  if (finished()) return;
  if (work_ == Work::kStopping) {
    bool all = true;
    for (std::vector<Node>* nodes : {&servers_, &workers_}) {
      for (const Node& node : *nodes) all = all && (node.incarnation == 0 || node.stopped);
    }
    if (all || now - began_ > options_.stop_limit) {
      work_ = Work::kNone;
      return;
    }
    if (now < next_stop_) return;
    next_stop_ = now + std::chrono::milliseconds(200);
    for (std::vector<Node>* nodes : {&servers_, &workers_}) {
      for (const Node& node : *nodes) {
        if (node.incarnation == 0 || node.stopped) continue;
        Message message;
        message.body.mutable_stop()->set_failed(stop_failed_);
        outbox.Send(node.address, std::move(message));
      }
    }
    return;
  }
  if (work_ == Work::kGathering && options_.stop_requested && options_.stop_requested())
    return Fail(absl::CancelledError("stopped before training began"));
  CheckNodes(now);
  if (!status_.ok()) return;
  if (!Complete()) {
    last_progress_ = std::max(last_progress_, empty_since_);
    return;
  }
  if (work_ == Work::kGathering) {
    gathered_ = true;
    AllLoaded();
    work_ = Work::kNone;
    return;
  }
  if (std::exchange(restart_, false)) Restart(now, outbox);
  if (!in_step_) return;
  if (!step_sent_) return SendStep(now, outbox);
  if (now - last_progress_ > options_.stall_limit) {
    return Fail(absl::UnavailableError(
        absl::StrCat("nothing has come of tree ", name_.tree + 1, ", step ", name_.step, " for ",
                     Seconds(options_.stall_limit), " s; can the workers reach every server?")));
  }
  if (now >= next_ask_) AskAgain(now, outbox);
}

void TreeCoordinator::AllLoaded() {
  sums_ = LabelSums();
  std::uint64_t first_row = 0;
  for (const auto& part : parts_) {
    LabelSums sums;
    sums.rows = part->rows();
    sums.heaviest = part->heaviest();
    sums.lowest = part->lowest_label();
    sums.highest = part->highest_label();
    if (!sums.labels.Parse(part->label_sum()) || !sums.weights.Parse(part->weight_sum()))
      return Fail(absl::InternalError("a worker's sums are malformed"));
    sums_.Merge(sums);
    first_row += part->rows();
  }
  base_score_ = sums_.BaseScore(options_.params.objective);
}

void TreeCoordinator::OnLoaded(Node& node, const wire::TreeReport::Loaded& loaded,
                               MonotonicTime now) {
  if (node.loaded) return;
  std::optional<wire::TreeReport::Loaded>& part = parts_[node.place];
  if (part && (part->rows() != loaded.rows() || part->label_sum() != loaded.label_sum())) {
    return Fail(absl::DataLossError(
        absl::StrCat("the data have changed while the job ran: part ", node.place, " had ",
                     part->rows(), " rows, and has ", loaded.rows(), " now, or others")));
  }
  part = loaded;
  node.loaded = true;
  last_progress_ = now;
}

void TreeCoordinator::Restart(MonotonicTime, Outbox&) {
  ++attempt_;
  name_ = {attempt_, static_cast<std::uint32_t>(trees_.size()), 0};
  if (work_ == Work::kTree) {
    BeginTree();
  } else if (work_ == Work::kJudging) {
    NextStep(wire::TreeStep::METRICS);
  }
}

void TreeCoordinator::NextStep(wire::TreeStep::Kind kind) {
  ++name_.step;
  ++steps_;
  step_ = wire::TreeStep();
  SetName(name_, step_.mutable_name());
  step_.set_kind(kind);
  step_.set_base_score(base_score_);
  if (kind == wire::TreeStep::METRICS) step_.set_trees(judge_trees_);
  for (Node& node : workers_) node.done = false;
  const bool for_servers = kind == wire::TreeStep::BEGIN || kind == wire::TreeStep::SPLIT;
  for (Node& node : servers_) node.done = !for_servers;
  in_step_ = true;
  step_sent_ = false;
}

void TreeCoordinator::SendStep(MonotonicTime now, Outbox& outbox) {
  step_sent_ = true;
  last_progress_ = now;
  ask_wait_ = kFirstWait;
  next_ask_ = now + ask_wait_;
  for (const std::vector<Node>* nodes : {&servers_, &workers_}) {
    for (const Node& node : *nodes) {
      if (!node.done) SendStepTo(node, false, outbox);
    }
  }
}

void TreeCoordinator::SendStepTo(const Node& node, bool again, Outbox& outbox) {
  Message message;
  wire::TreeStep& step = *message.body.mutable_tree_step();
  step = step_;
  if (node.role == wire::WORKER) {
    std::uint64_t first_row = 0;
    for (std::uint32_t p = 0; p < node.place; ++p) first_row += parts_[p]->rows();
    step.set_first_row(first_row);
    if (again) {
      for (const Node& server : servers_) {
        if (!server.done) step.add_again(server.place);
      }
    }
  } else if (step.has_begin()) {
    step.mutable_begin()->set_server(node.place);
  }
  outbox.Send(node.address, std::move(message));
}

// A worker that is done says so, so one that has not is sent the step itself once more; servers
// that have not answered when all workers are done lack the step, or histograms.
void TreeCoordinator::AskAgain(MonotonicTime now, Outbox& outbox) {
  ask_wait_ = std::min(2 * ask_wait_, kLongestWait);
  next_ask_ = now + ask_wait_;
  bool workers_done = true;
  for (const Node& node : workers_) {
    workers_done = workers_done && node.done;
    if (!node.done) SendStepTo(node, false, outbox);
  }
  for (const Node& node : servers_) {
    if (!node.done) SendStepTo(node, false, outbox);
  }
  if (!workers_done) return;
  for (const Node& node : workers_) SendStepTo(node, true, outbox);
}

bool TreeCoordinator::StepDone() const {
  const auto done = [](const Node& node) { return node.done; };
  return in_step_ && std::all_of(servers_.begin(), servers_.end(), done) &&
         std::all_of(workers_.begin(), workers_.end(), done);
}

void TreeCoordinator::OnReport(Node& node, const wire::TreeReport& report, MonotonicTime now,
                               Outbox& outbox) {
  if (report.part() != node.place) return;
  if (report.has_loaded()) return OnLoaded(node, report.loaded(), now);
  if (!in_step_ || restart_ || NameOf(report.name()) != name_ || node.done) return;
  if (report.needs_trees()) {
    SendTrees(node, report.trees(), outbox);
    return SendStepTo(node, false, outbox);
  }
  node.done = true;
  last_progress_ = now;
  reports_[node.place] = report;
  tree_bytes_ += report.bytes();
  if (StepDone()) AfterStep(now, outbox);
}

void TreeCoordinator::OnChoices(Node& node, const wire::TreeChoices& choices, MonotonicTime now,
                                Outbox& outbox) {
  if (!in_step_ || restart_ || NameOf(choices.name()) != name_ || node.done) return;
  if (choices.server() != node.place) return;
  node.done = true;
  last_progress_ = now;
  answers_[node.place] = choices;
  if (StepDone()) AfterStep(now, outbox);
}

void TreeCoordinator::AfterStep(MonotonicTime now, Outbox& outbox) {
  in_step_ = false;
  switch (step_.kind()) {
    case wire::TreeStep::LARGEST:
    case wire::TreeStep::BEGIN:
    case wire::TreeStep::SPLIT:
      AfterChoices(now, outbox);
      break;
    case wire::TreeStep::LEAVES:
      FinishTree(outbox);
      break;
    case wire::TreeStep::METRICS:
      FinishJudging();
      break;
    default:
      break;
  }
  if (in_step_ && status_.ok()) SendStep(now, outbox);
}

void TreeCoordinator::BeginTree() {
  const bool bounded = options_.params.objective == Objective::kLogistic;
  if (!bounded &&
      (step_.kind() != wire::TreeStep::LARGEST || in_step_ || NameOf(step_.name()) != name_))
    return NextStep(wire::TreeStep::LARGEST);
  float largest = 0;
  if (!bounded) {
    for (const wire::TreeReport& report : reports_) largest = std::max(largest, report.largest());
  }
  scale_ = ScaleOf(options_.params.objective, sums_, largest);
  NextStep(wire::TreeStep::BEGIN);
  wire::TreeStep::Begin& begin = *step_.mutable_begin();
  begin.set_gradient(scale_.gradient);
  begin.set_hessian(scale_.hessian);
  begin.set_gradient_fixed(scale_.gradient_fixed);
  begin.set_hessian_fixed(scale_.hessian_fixed);
  begin.set_key(TreeKey(options_.params.seed, name_.tree));
  for (const Node& server : servers_) begin.add_servers(server.endpoint);
  for (const std::uint32_t first : first_column_) begin.add_first_column(first);
}

void TreeCoordinator::AfterChoices(MonotonicTime, Outbox&) {
  if (step_.kind() == wire::TreeStep::LARGEST) return BeginTree();
  std::map<std::uint32_t, SplitChoice> best;
  for (const wire::TreeChoices& answer : answers_) {
    for (const wire::TreeChoices::Node& node : answer.nodes()) {
      const std::optional<SplitChoice> choice = ChoiceOf(node.choice(), options_.columns);
      if (!choice) return Fail(absl::InternalError("a server chose a split that there is not"));
      SplitChoice& so_far = best[node.node()];
      if (choice->score >= 0 && choice->BetterThan(so_far)) so_far = *choice;
    }
  }
  if (step_.kind() == wire::TreeStep::BEGIN) {
    builder_.Begin(scale_, answers_[0].total());
    builder_.SetBest(0, best[0]);
    node_of_leaf_ = {0};
    children_.clear();
    deferred_.clear();
    next_node_ = 1;
  } else {
    for (const wire::TreeStep::Split& split : step_.splits()) {
      Children& children = children_[split.node()];
      children.left = split.left();
      children.summed = true;
      children.best[0] = best[split.left()];
      children.best[1] = best[split.left() + 1];
    }
  }
  GrowOn();
}

void TreeCoordinator::SetSplit(std::size_t leaf, std::uint32_t left,
                               wire::TreeStep::Split* split) const {
  const TreeBuilder::Leaf& at = builder_.leaves()[leaf];
  split->set_node(node_of_leaf_[leaf]);
  split->set_left(left);
  SetChoice(at.best, split->mutable_choice());
  split->set_left_is_small(TreeBuilder::LeftIsSmall(at.total, at.best.left));
  split->set_total(at.total);
}

// As far as the answers go, then asks for more.
void TreeCoordinator::GrowOn() {
  while (true) {
    const std::size_t leaf = builder_.NextToSplit();
    if (leaf == TreeBuilder::kNone) return AskForLeaves();
    const std::uint32_t node = node_of_leaf_[leaf];
    if (children_.count(node) == 0) {
      if (!builder_.IsLastSplit() && builder_.ChildrenMayGrow(leaf)) return AskForSplits();
      children_[node].left = next_node_;
      SetSplit(leaf, next_node_, &deferred_.emplace_back());
      next_node_ += 2;
    }
    const Children& children = children_[node];
    builder_.Split(leaf);
    node_of_leaf_[leaf] = children.left;
    node_of_leaf_.push_back(children.left + 1);
    if (!children.summed) continue;
    builder_.SetBest(leaf, children.best[0]);
    builder_.SetBest(node_of_leaf_.size() - 1, children.best[1]);
  }
}

// The leaf that is next, and others that will very likely be split later: trees resemble the ones
// before them, so the least gain that was worth a split there is a good guess of what it is here.
bool TreeCoordinator::IsLikely(std::size_t leaf) const {
  if (options_.params.grow.level_wise) return true;
  if (trees_.empty()) return step_.splits_size() < builder_.SplitsLeft() / 4;
  return builder_.leaves()[leaf].gain >= kSafeGain * least_gain_;
}

void TreeCoordinator::AskForSplits() {
  const std::vector<std::size_t> candidates = builder_.Candidates();
  NextStep(wire::TreeStep::SPLIT);
  const std::uint64_t cells = std::max<std::uint64_t>(
      1, CellOffsets(options_.columns, options_.plan.trees().sparse()).back());
  const auto most = static_cast<int>(
      std::clamp<std::uint64_t>(kMostStepBytes / (cells * sizeof(WideSum)), 1,
                                static_cast<std::uint64_t>(builder_.SplitsLeft())));
  for (const std::size_t leaf : candidates) {
    if (step_.splits_size() >= most) break;
    if (children_.count(node_of_leaf_[leaf]) > 0 || !builder_.ChildrenMayGrow(leaf)) continue;
    if (step_.splits_size() > 0 && !IsLikely(leaf)) continue;
    SetSplit(leaf, next_node_, step_.add_splits());
    next_node_ += 2;
  }
}

void TreeCoordinator::AskForLeaves() {
  NextStep(wire::TreeStep::LEAVES);
  for (const wire::TreeStep::Split& split : deferred_) *step_.add_splits() = split;
  for (const std::uint32_t node : node_of_leaf_) step_.add_leaves(node);
}

void TreeCoordinator::FinishTree(Outbox& outbox) {
  std::vector<LeafSums> sums(node_of_leaf_.size());
  for (const wire::TreeReport& report : reports_) {
    if (report.leaf_sums_size() != static_cast<int>(2 * sums.size()))
      return Fail(absl::InternalError("a worker's sums of the leaves are not as many as leaves"));
    for (std::size_t i = 0; i < sums.size(); ++i) {
      sums[i].g += report.leaf_sums(static_cast<int>(2 * i));
      sums[i].h += report.leaf_sums(static_cast<int>(2 * i + 1));
    }
  }
  const bool full = builder_.SplitsLeft() == 0;
  trees_.push_back(builder_.Finish(sums));
  least_gain_ = full ? INFINITY : 0;
  for (const TreeNode& node : trees_.back().nodes)
    least_gain_ = std::min<double>(least_gain_, node.gain);
  last_leaves_ = node_of_leaf_;
  last_attempt_ = attempt_;
  pushed_bytes_ += tree_bytes_;
  work_ = Work::kNone;
  for (const Node& node : workers_)
    SendTrees(node, static_cast<std::uint32_t>(trees_.size()) - 1, outbox);
}

void TreeCoordinator::SendTrees(const Node& node, std::uint32_t first, Outbox& outbox) {
  Message message;
  wire::GrownTrees& grown = *message.body.mutable_grown_trees();
  grown.set_first(first);
  const std::size_t end = std::min<std::size_t>(trees_.size(), std::size_t{first} + kTreesAtOnce);
  for (std::size_t t = first; t < end; ++t) {
    wire::GrownTrees::Tree* const tree = grown.add_trees();
    SetTree(trees_[t], tree);
    if (t + 1 < trees_.size()) continue;
    tree->set_attempt(last_attempt_);
    for (const std::uint32_t leaf : last_leaves_) tree->add_leaves(leaf);
  }
  outbox.Send(node.address, std::move(message));
}

void TreeCoordinator::FinishJudging() {
  judged_ = Judged();
  for (const wire::TreeReport& report : reports_) {
    MetricState part;
    if (!report.metrics().empty() && !part.Parse(report.metrics()))
      return Fail(absl::InternalError("a worker's metrics are malformed"));
    judged_.metrics.Merge(part);
    judged_.squared_error += report.squared_error();
    judged_.weight += report.weight();
  }
  work_ = Work::kNone;
}

}  // namespace ps
