// The scheduler's machine, with the coordinator looking at it after every tick
// (ClusterCallbacks::on_tick). One thread.
#pragma once

#include <utility>

#include "trainer/cluster/cluster_run.h"

namespace ps {

class ObservedScheduler : public Machine {
 public:
  // Both must outlive it.
  ObservedScheduler(SchedulerMachine& scheduler, const ClusterCallbacks& callbacks)
      : scheduler_(scheduler), callbacks_(callbacks) {}

  void OnMessage(const Address& from, Message message, MonotonicTime now, Outbox& outbox) override {
    scheduler_.OnMessage(from, std::move(message), now, outbox);
  }
  void OnTick(MonotonicTime now, Outbox& outbox) override {
    scheduler_.OnTick(now, outbox);
    if (callbacks_.on_tick) callbacks_.on_tick(scheduler_, now);
  }
  MonotonicTime tick_interval() const override { return scheduler_.tick_interval(); }
  bool work_pending() const override { return scheduler_.work_pending(); }
  bool finished() const override { return scheduler_.finished(); }

 private:
  SchedulerMachine& scheduler_;
  const ClusterCallbacks& callbacks_;
};

}  // namespace ps
