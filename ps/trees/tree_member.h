// What servers and workers of a cluster of trees have in common: they are welcome already, beat,
// and leave when the scheduler says so or falls silent. To a scheduler that was started again and
// does not know them they say where they were, until they are welcome again; then they go on there.
// A scheduler of another run of the job can only ask who they are and send them away. One thread.
#pragma once

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "ps/wire/machine.h"

namespace ps {

class TreeMember : public Machine {
 public:
  struct Options {
    Address scheduler;
    std::uint64_t incarnation = 0;
    MonotonicTime scheduler_timeout = std::chrono::minutes(5);
    wire::Hello hello;  // as it was said first
  };
  TreeMember(Options options, const wire::Welcome& welcome, MonotonicTime now);

  void OnMessage(const Address& from, Message message, MonotonicTime now, Outbox& outbox) final;
  void OnTick(MonotonicTime now, Outbox& outbox) final;
  bool finished() const final { return finished_; }
  // Asks the scheduler to do without this node from now on.
  void Leave() { leaving_ = true; }
  const absl::Status& status() const { return status_; }

 protected:
  // A message of the job's own; false: this node has no use for it.
  virtual bool Handle(const Address& from, Message& message, MonotonicTime now, Outbox& outbox) = 0;
  virtual void Work(MonotonicTime, Outbox&) {}
  virtual void Beat(Outbox&) {}   // with every heartbeat
  virtual void WelcomeAgain() {}  // by a scheduler that may know nothing of what this one has said

  const Address& scheduler() const { return options_.scheduler; }
  // This node cannot go on, and the job cannot either.
  void Fail(absl::Status status, Outbox& outbox);

 private:
  void SayHello(Outbox& outbox) const;
  void End(Outbox& outbox);  // it was told to stop

  const Options options_;
  const MonotonicTime heartbeat_;
  MonotonicTime last_heard_, next_heartbeat_{0};
  std::uint64_t leader_ = 0;  // the latest leadership term of the scheduler, in this run
  wire::TreePlace place_;
  bool asked_ = false;  // who it is, and not welcome again yet
  bool finished_ = false, leaving_ = false;
  absl::Status status_;
};

// Cannot do what it was welcomed for: says so until it is told to stop.
class FailedMember final : public TreeMember {
 public:
  FailedMember(Options options, const wire::Welcome& welcome, absl::Status why, MonotonicTime now,
               Outbox& outbox)
      : TreeMember(std::move(options), welcome, now) {
    Fail(std::move(why), outbox);
  }

 private:
  bool Handle(const Address&, Message&, MonotonicTime, Outbox&) override { return false; }
};

}  // namespace ps
