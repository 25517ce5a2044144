// Nodes of a job of trees on a simulated network, and who asks their coordinator for trees.
#pragma once

#include <memory>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "models/gbdt/booster.h"
#include "ps/base/status_macros.h"
#include "ps/trees/column_worker.h"
#include "ps/trees/tree_server.h"
#include "ps/trees/tree_worker.h"
#include "ps/wire/protocol.h"
#include "tests/gbdt/binned_sample.h"
#include "tests/wire/simulated_network.h"
#include "trainer/gbdt/tree_coordinator.h"

namespace ps {

// Rows [first, end) by themselves.
inline BinnedRows PartOf(const BinnedRows& rows, std::size_t first, std::size_t end) {
  BinnedRows part;
  part.rows = end - first;
  part.columns = rows.columns;
  part.sparse = rows.sparse;
  part.stride = rows.stride;
  part.first_cell = rows.first_cell;
  part.labels.assign(rows.labels.begin() + static_cast<std::ptrdiff_t>(first),
                     rows.labels.begin() + static_cast<std::ptrdiff_t>(end));
  if (!rows.weights.empty()) {
    part.weights.assign(rows.weights.begin() + static_cast<std::ptrdiff_t>(first),
                        rows.weights.begin() + static_cast<std::ptrdiff_t>(end));
  }
  if (rows.sparse) {
    const std::uint64_t from = rows.row_begin[first], to = rows.row_begin[end];
    part.cells = HugeArray<std::uint32_t>(to - from + 1);
    std::copy(rows.cells.data() + from, rows.cells.data() + to, part.cells.data());
    for (std::size_t r = first; r <= end; ++r) part.row_begin.push_back(rows.row_begin[r] - from);
  } else {
    part.bins = HugeArray<std::uint8_t>(part.rows * part.stride + 64);
    std::copy(rows.bins.data() + first * rows.stride, rows.bins.data() + end * rows.stride,
              part.bins.data());
  }
  return part;
}

// Some of the columns by themselves.
inline BinnedRows ColumnsOf(const BinnedRows& rows, const std::vector<std::uint32_t>& columns) {
  BinnedRows cut;
  cut.rows = rows.rows;
  cut.columns = static_cast<int>(columns.size());
  cut.sparse = rows.sparse;
  cut.stride = DenseStride(cut.columns);
  cut.labels = rows.labels;
  cut.weights = rows.weights;
  if (rows.sparse) {
    cut.first_cell = {0};
    for (const std::uint32_t c : columns)
      cut.first_cell.push_back(cut.first_cell.back() + rows.first_cell[c + 1] - rows.first_cell[c]);
    cut.cells = HugeArray<std::uint32_t>(rows.row_begin[rows.rows] + 1);
    cut.row_begin = {0};
  } else {
    cut.bins = HugeArray<std::uint8_t>(rows.rows * cut.stride + 64);
  }
  std::uint64_t made = 0;
  for (std::size_t r = 0; r < rows.rows; ++r) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const std::uint32_t c = columns[i];
      if (!rows.sparse) {
        cut.bins[r * cut.stride + i] = rows.bins[r * rows.stride + c];
        continue;
      }
      for (std::uint64_t v = rows.row_begin[r]; v < rows.row_begin[r + 1]; ++v) {
        if (rows.cells[v] >= rows.first_cell[c] && rows.cells[v] < rows.first_cell[c + 1])
          cut.cells[made++] = cut.first_cell[i] + rows.cells[v] - rows.first_cell[c];
      }
    }
    if (rows.sparse) cut.row_begin.push_back(made);
  }
  return cut;
}

class SampleLoader final : public PartLoader {
 public:
  SampleLoader(const BinnedRows& rows, PartWanted wanted, int polls)
      : rows_(rows), wanted_(std::move(wanted)), polls_(polls) {}
  std::optional<absl::StatusOr<LoadedPart>> Poll() override {
    if (--polls_ > 0) return std::nullopt;
    LoadedPart part;
    part.rows = PartOf(rows_, rows_.rows * wanted_.part / wanted_.parts,
                       rows_.rows * (wanted_.part + 1) / wanted_.parts);
    std::vector<float> margins;
    if (const std::size_t outputs = wanted_.base_scores.size(); outputs > 0) {
      Crew crew(1);
      margins = StartMargins(wanted_.base_scores, part.rows.rows);
      for (std::size_t t = 0; t < wanted_.trees.size(); ++t) {
        if (t == wanted_.trees.size() / outputs * outputs) part.round_margins = margins;
        AddTree(wanted_.trees[t], part.rows, &crew, &margins, t % outputs);
      }
    }
    if (wanted_.columns) part.rows = ColumnsOf(part.rows, *wanted_.columns);
    part.rows.margins = std::move(margins);
    if (wanted_.prepare) PS_RETURN_IF_ERROR(wanted_.prepare(&part));
    return part;
  }

 private:
  const BinnedRows& rows_;
  const PartWanted wanted_;
  int polls_;
};

// A process: says Hello until it is welcome.
class SimulatedNode final : public Machine {
 public:
  struct Options {
    Address address;
    wire::Role role;
    std::uint64_t incarnation;
    const BinnedRows* rows;
    std::string host = "here";
    std::string endpoint;             // as it says
    int judging_polls = 3;            // of rows that are read to be judged
    bool loses_second_welcome = false;
  };
  explicit SimulatedNode(Options options)
      : options_(std::move(options)),
        role_(options_.role),
        incarnation_(options_.incarnation),
        rows_(*options_.rows) {}

  void OnMessage(const Address& from, Message message, MonotonicTime now, Outbox& outbox) override {
    if (message.body.has_welcome() && inner_ != nullptr &&
        std::exchange(options_.loses_second_welcome, false)) {
      return;
    }
    if (inner_ != nullptr) return inner_->OnMessage(from, std::move(message), now, outbox);
    if (!message.body.has_welcome() || message.body.welcome().incarnation() != incarnation_) return;
    const wire::Welcome& welcome = message.body.welcome();
    const TreeMember::Options options{"scheduler", incarnation_, std::chrono::hours(1), Hello()};
    if (role_ == wire::SERVER) {
      inner_ = *TreeServer::Make(options, welcome, now);
    } else {
      const OpenPart open = [this](const wire::Plan&, PartWanted wanted) {
        const bool judges = wanted.columns && wanted.columns->empty();
        const int polls = judges ? options_.judging_polls : 3;
        return std::make_unique<SampleLoader>(rows_, std::move(wanted), polls);
      };
      if (welcome.plan().trees().by_columns()) {
        inner_ = *ColumnWorker::Make(options, welcome, open, 1, now);
      } else {
        absl::StatusOr<std::unique_ptr<TreeWorker>> made = TreeWorker::Make(options, welcome, open, 1, now);
        if (made.ok()) {
          inner_ = *std::move(made);
        } else {
          inner_ = std::make_unique<FailedMember>(options, welcome, made.status(), now, outbox);
        }
      }
    }
  }
  void OnTick(MonotonicTime now, Outbox& outbox) override {
    if (inner_ != nullptr) return inner_->OnTick(now, outbox);
    if (now < next_hello_) return;
    next_hello_ = now + std::chrono::milliseconds(200);
    Message message;
    *message.body.mutable_hello() = Hello();
    outbox.Send("scheduler", std::move(message));
  }
  bool work_pending() const override { return inner_ != nullptr && inner_->work_pending(); }
  bool finished() const override { return inner_ != nullptr && inner_->finished(); }

 private:
  wire::Hello Hello() const {
    wire::Hello hello;
    hello.set_role(role_);
    hello.set_incarnation(incarnation_);
    hello.set_protocol(ProtocolDigest());
    hello.set_endpoint(options_.endpoint);
    hello.set_host(options_.host);
    return hello;
  }

  Options options_;
  const wire::Role role_;
  const std::uint64_t incarnation_;
  const BinnedRows& rows_;
  MonotonicTime next_hello_{0};
  std::unique_ptr<TreeMember> inner_;
};

// Asks the coordinator for trees, judges the rows after each, and stops. The coordinator may be
// taken over by another, which knows all trees but some of the last.
class Driver final : public Machine {
 public:
  // At the end the first `judged` trees are judged.
  Driver(TreeCoordinator::Options options, std::size_t trees, std::size_t judged)
      : options_(std::move(options)), trees_(trees), judged_at_end_(judged) {
    Begin({});
  }
  void Restart(std::size_t forgotten) {
    if (stopping_) return;  // its nodes have gone
    std::vector<Tree> known = coordinator().trees();
    known.resize(known.size() - std::min(known.size(), forgotten));
    ++options_.leader;
    options_.returns = true;
    options_.first_attempt += 1 << 16;
    attempts_ += coordinator().attempts();
    Begin(std::move(known));
  }
  TreeCoordinator& coordinator() { return *coordinator_; }
  std::uint32_t attempts() const { return attempts_ + coordinator_->attempts(); }
  void OnMessage(const Address& from, Message message, MonotonicTime now, Outbox& outbox) override {
    coordinator_->OnMessage(from, std::move(message), now, outbox);
  }
  void OnTick(MonotonicTime now, Outbox& outbox) override {
    coordinator_->OnTick(now, outbox);
    if (!coordinator_->finished() || over_) return;
    if (stopping_) {
      over_ = true;
    } else if (!coordinator_->status().ok() ||
               (coordinator_->trees().size() == trees_ && judged_)) {
      stopping_ = true;
      coordinator_->Stop(!coordinator_->status().ok());
    } else if (judged_ && coordinator_->trees().size() < trees_) {
      judged_ = false;
      coordinator_->GrowTree();
    } else {
      judged_ = true;
      const std::size_t trees = coordinator_->trees().size();
      coordinator_->Judge(static_cast<std::uint32_t>(trees == trees_ ? judged_at_end_ : trees));
    }
  }
  bool finished() const override { return over_; }

 private:
  void Begin(std::vector<Tree> trees) {
    judged_ = trees.size() < trees_;  // else it is judged once more
    coordinator_ = std::make_unique<TreeCoordinator>(options_);
    coordinator_->GoOnAfter(std::move(trees));
    coordinator_->Gather();
  }

  TreeCoordinator::Options options_;
  const std::size_t trees_, judged_at_end_;
  std::unique_ptr<TreeCoordinator> coordinator_;
  std::uint32_t attempts_ = 0;
  bool judged_ = true, stopping_ = false, over_ = false;
};

}  // namespace ps
