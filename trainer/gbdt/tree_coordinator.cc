#include "trainer/gbdt/tree_coordinator.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "glog/logging.h"
#include "models/data/row_block.h"
#include "ps/base/seconds.h"
#include "ps/wire/protocol.h"

namespace ps {
namespace {

// Parts are in the order of the data, and each quotes its first malformed rows, a line each.
void AppendQuoted(std::string_view lines, std::string* all) {
  auto room = static_cast<std::ptrdiff_t>(RowBlock::kMaxQuoted) - std::count(all->begin(), all->end(), '\n');
  for (; room > 0 && !lines.empty(); --room) {
    const std::size_t bytes = std::min(lines.find('\n'), lines.size() - 1) + 1;
    all->append(lines.substr(0, bytes));
    lines.remove_prefix(bytes);
  }
}

}  // namespace

TreeCoordinator::TreeCoordinator(Options options)
    : options_(std::move(options)),
      cells_(std::max<std::uint64_t>(
          1, CellOffsets(options_.columns, options_.plan.trees().sparse()).back())),
      servers_(options_.servers),
      workers_(options_.workers),
      parts_(options_.workers),
      least_gain_(options_.params.classes),
      attempt_(options_.first_attempt),
      builder_(&options_.columns, options_.params.grow),
      reports_(options_.workers),
      answers_(by_columns() ? options_.workers : options_.servers) {
  for (std::uint32_t i = 0; i < options_.servers; ++i) servers_[i].place = i;
  for (std::uint32_t i = 0; i < options_.workers; ++i) workers_[i].place = i;
  for (Node& node : servers_) node.role = wire::SERVER;
  for (Node& node : workers_) node.role = wire::WORKER;
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

void TreeCoordinator::GoOnAfter(std::vector<Tree> trees) {
  trees_.clear();
  for (Tree& tree : trees) {
    trees_.push_back(std::move(tree));
    NoteGains();
  }
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
    AppendQuoted(part->bad_row_text(), &counts.bad_row_text);
    counts.devices.Add(part->grows_on(), part->on_device(), part->rows() > 0);
  }
  return counts;
}

void TreeCoordinator::Stamp(std::size_t first, Outbox& outbox) const {
  for (std::size_t i = first; i < outbox.items().size(); ++i) {
    wire::Body& body = outbox.items()[i].message.body;
    body.set_leader(options_.leader);
    body.set_run(options_.plan.trees().run());
  }
}

void TreeCoordinator::OnMessage(const Address& from, Message message, MonotonicTime now,
                                Outbox& outbox) {
  const std::size_t first = outbox.items().size();
  Take(from, std::move(message), now, outbox);
  Stamp(first, outbox);
}

void TreeCoordinator::OnTick(MonotonicTime now, Outbox& outbox) {
  const std::size_t first = outbox.items().size();
  Step(now, outbox);
  Stamp(first, outbox);
}

void TreeCoordinator::Take(const Address& from, Message message, MonotonicTime now,
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
      reply.body.mutable_heartbeat()->set_unknown(true);
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
  if (options_.returns && places_kept_until_ < MonotonicTime::zero())
    places_kept_until_ = now + options_.dead_after;
  if (began_ < MonotonicTime::zero()) {
    began_ = last_progress_ = now;
    empty_since_ = MonotonicTime(-1);
  }
}

void TreeCoordinator::Step(MonotonicTime now, Outbox& outbox) {
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
  if (std::exchange(check_reach_, false)) {
    if (absl::Status reach = CheckWorkersReachEachOther(); !reach.ok()) return Fail(std::move(reach));
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
  // Workers that fall silent are lost; those that are heard may read for as long as it takes.
  if (now - last_progress_ > options_.stall_limit && !ReadsAgain()) {
    return Fail(absl::UnavailableError(
        absl::StrCat("nothing has come of tree ", name_.tree + 1, ", step ", name_.step, " for ",
                     Seconds(options_.stall_limit), " s; can the workers reach every server?")));
  }
  if (now >= next_ask_) AskAgain(now, outbox);
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

}  // namespace ps
