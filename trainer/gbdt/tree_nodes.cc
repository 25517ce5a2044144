// The coordinator's nodes: who gets which place, who is lost, and what workers say of the rows they have read.
#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "ps/base/seconds.h"
#include "ps/wire/protocol.h"
#include "trainer/gbdt/tree_coordinator.h"

namespace ps {
namespace {

// Busy nodes are silent for longer.
constexpr int kBusyPatience = 6;

// Between two Welcomes of a node.
constexpr MonotonicTime kFirstWelcomeWait = std::chrono::seconds(2),
                        kLongestWelcomeWait = std::chrono::seconds(8);

}  // namespace

std::string TreeCoordinator::Node::Name() const {
  return absl::StrCat(role == wire::SERVER ? "server " : "worker ", place, " (", host, ", pid ",
                      pid, ")");
}

void TreeCoordinator::OnHello(const wire::Hello& hello, const Address& from, MonotonicTime now,
                              Outbox& outbox) {
  if (std::optional<Message> refusal = RefuseOtherProtocol(hello)) {
    LOG_FIRST_N(WARNING, 10) << from << " is not taken: " << refusal->body.error().message();
    return outbox.Send(from, *std::move(refusal));
  }
  if (hello.incarnation() == 0 || lost_.contains(hello.incarnation())) return;
  if (hello.role() != wire::SERVER && hello.role() != wire::WORKER) return;
  Node* node = FindIncarnation(hello.incarnation());
  if (node == nullptr && work_ != Work::kStopping) {
    node = PlaceFor(hello, from, now);
    if (node != nullptr) {
      node->incarnation = hello.incarnation();
      node->endpoint = hello.endpoint();
      node->host = hello.host();
      node->pid = hello.pid();
      node->loaded = hello.role() == wire::SERVER;
      node->stopped = false;
      check_reach_ = true;
    } else if (hello.has_tree_place()) {  // it can be nothing else any more
      Message reply;
      reply.body.mutable_stop()->set_reason(
          "it is of another run of the job, or another node has its place");
      return outbox.Send(from, std::move(reply));
    }
  }
  if (node == nullptr) {  // it may be needed later
    Message reply;
    reply.body.mutable_heartbeat();
    return outbox.Send(from, std::move(reply));
  }
  node->address = from;
  node->last_heard = now;
  Welcome(*node, now, outbox);
}

TreeCoordinator::Node* TreeCoordinator::PlaceFor(const wire::Hello& hello, const Address& from,
                                                 MonotonicTime now) {
  std::vector<Node>& all = places(hello.role());
  if (hello.has_tree_place()) {
    const wire::TreePlace& had = hello.tree_place();
    const bool here = had.run() == options_.plan.trees().run() && had.parts() == options_.workers &&
                      had.place() < all.size() && all[had.place()].incarnation == 0;
    return here ? &all[had.place()] : nullptr;
  }
  if (now < places_kept_until_) return nullptr;
  if (Node* const forerunner = Find(from); forerunner != nullptr)
    Lose(*forerunner, "was restarted");
  for (Node& place : all) {
    if (place.incarnation == 0) return &place;
  }
  return nullptr;
}

void TreeCoordinator::Welcome(Node& node, MonotonicTime now, Outbox& outbox) {
  if (now < node.next_welcome) return;
  node.welcome_wait = std::clamp(2 * node.welcome_wait, kFirstWelcomeWait, kLongestWelcomeWait);
  node.next_welcome = now + node.welcome_wait;
  Message message;
  wire::Welcome& welcome = *message.body.mutable_welcome();
  welcome.set_node(node.place + 1 + (node.role == wire::WORKER ? options_.servers : 0));
  welcome.set_incarnation(node.incarnation);
  welcome.set_heartbeat_ms(static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(options_.heartbeat).count()));
  *welcome.mutable_plan() = options_.plan;
  welcome.mutable_plan()->mutable_trees()->set_parts(options_.workers);
  welcome.mutable_plan()->mutable_trees()->set_part(node.role == wire::WORKER ? node.place : 0);
  if (by_columns()) {
    wire::TreePlan& trees = *welcome.mutable_plan()->mutable_trees();
    trees.set_grown_trees(static_cast<std::uint32_t>(trees_.size()));
    trees.mutable_base_scores()->Assign(base_scores_.begin(), base_scores_.end());
  }
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

void TreeCoordinator::CheckNodes(MonotonicTime now) {
  bool empty = false;
  for (std::vector<Node>* nodes : {&servers_, &workers_}) {
    for (Node& node : *nodes) {
      // Rows that have been read are put in another order, too, before a worker speaks again.
      const bool busy = (in_step_ && !node.done) || !node.loaded;
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

// Workers of several machines that listen on the inside of theirs only.
absl::Status TreeCoordinator::CheckWorkersReachEachOther() const {
  for (const Node& worker : workers_) {
    if (worker.host == workers_[0].host || !by_columns()) continue;
    for (const Node& other : {worker, workers_[0]}) {
      if (!absl::StartsWith(other.endpoint, "tcp://127.")) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          other.Name(), " listens at ", other.endpoint, ", where workers of other machines do not "
          "reach it: start ps_worker with --bind and --advertised_host, or set "
          "model.gbdt.distribution: rows"));
    }
  }
  return absl::OkStatus();
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
    bool whole = sums.labels.Parse(part->label_sum()) && sums.weights.Parse(part->weight_sum());
    whole = whole && part->class_weights_size() == options_.plan.trees().classes_size();
    for (const std::string& weights : part->class_weights())
      whole = whole && sums.of_class.emplace_back().Parse(weights);
    if (!whole)
      return Fail(absl::InternalError("a worker's sums are malformed"));
    if (part->all_rows() != parts_[0]->all_rows() || part->all_labels() != parts_[0]->all_labels()) {
      return Fail(absl::DataLossError(
          absl::StrCat("workers have read different rows, ", parts_[0]->all_rows(), " and ",
                       part->all_rows(), ": have the data changed?")));
    }
    sums_.Merge(sums);
    first_row += part->rows();
  }
  base_scores_ = options_.base_scores.empty() ? sums_.BaseScores(options_.params.objective)
                                              : options_.base_scores;
}

void TreeCoordinator::OnLoaded(Node& node, const wire::TreeReport::Loaded& loaded,
                               MonotonicTime now) {
  if (node.loaded) return;
  std::optional<wire::TreeReport::Loaded>& part = parts_[node.place];
  if (part && (part->rows() != loaded.rows() || part->label_sum() != loaded.label_sum() ||
               part->all_labels() != loaded.all_labels())) {
    return Fail(absl::DataLossError(
        absl::StrCat("the data have changed while the job ran: part ", node.place, " had ",
                     part->rows(), " rows, and has ", loaded.rows(), " now, or others")));
  }
  part = loaded;
  node.loaded = true;
  last_progress_ = now;
}

}  // namespace ps
