// Who holds which slot, as it is decided: the configuration that servers are told and that must be
// durable before they are. Changes gather under the next version until Seal.
//
// What is placed where: every slot has as many copies as the job asks for and the servers' failure
// domains allow, never two in one domain; copies and primaries are even over the servers, which
// makes their bytes even too, because keys are spread evenly over slots. All that is not so yet is
// mended a few slots at a time (Improve). One thread.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ps/wire/routing_table.h"
#include "ps/wire/slot_config.h"

namespace ps {

class SlotMap {
 public:
  // One that may hold slots: alive.
  struct Server {
    std::string domain;    // what fails together: a process
    bool leaving = false;  // is to be rid of its slots
  };
  using Servers = std::map<NodeId, Server>;

  SlotMap(int slot_bits, int replicas) : replicas_(replicas), slots_(std::size_t{1} << slot_bits) {}

  // The first configuration: primaries in contiguous runs, copies spread over the others. Slots that
  // begin from a checkpoint have no copies yet: one that is promoted before it has the slot would
  // begin from nothing.
  void Start(const Servers& servers, bool from_checkpoint = false);
  bool started() const { return epoch_ > 0; }

  // These hold nothing any more. A member becomes primary where one of them was.
  void Remove(const std::set<NodeId>& dead);
  // Slots that nobody has.
  std::vector<SlotIndex> Lost() const;
  // The lost ones, or all, begin anew from the last checkpoint.
  void Rollback(const Servers& servers, bool all);
  // A sync target has everything. False for news of an earlier session.
  bool Insync(SlotIndex slot, std::uint32_t term, NodeId node, std::uint64_t sync_id,
              const Servers& servers);
  // Takes the next steps towards the right placement; without moves only missing copies are begun.
  void Improve(const Servers& servers, bool moves = true);

  bool changed() const { return changed_; }
  // The changes are a version of their own from now on.
  void Seal();
  std::uint64_t epoch() const { return epoch_; }
  std::uint64_t gen() const { return gen_; }
  const SlotConfig& config(SlotIndex slot) const { return slots_[slot]; }
  std::uint32_t slots() const { return static_cast<std::uint32_t>(slots_.size()); }
  // Slots that changed after a version.
  std::vector<NumberedSlotConfig> Since(std::uint64_t version) const;
  std::set<NodeId> Holders() const;  // members and sync targets
  std::uint32_t Syncing() const;
  std::uint32_t UnderReplicated(const Servers& servers) const;
  double CopiesOfASlot() const;  // the mean, primaries included

  // For the scheduler's store.
  std::string Encode() const;
  absl::Status Decode(std::string_view bytes);

 private:
  struct Load {
    int copies = 0;
    int primaries = 0;
  };
  using Loads = std::map<NodeId, Load>;

  Loads LoadsOf(const Servers& servers) const;
  int Wanted(const Servers& servers) const;  // copies of a slot
  SlotConfig& Change(SlotIndex slot);
  void MakePrimary(SlotConfig& config, NodeId node);
  void CancelSync(SlotConfig& config);
  // The best server for another copy; kNobody where there is none. `instead_of` may be in its domain.
  NodeId Target(const SlotConfig& config, const Servers& servers, const Loads& loads,
                NodeId instead_of) const;
  NodeId LeastPrimaries(const SlotConfig& config, const Loads& loads) const;
  bool NeedsCopy(const SlotConfig& config, const Servers& servers, int wanted) const;
  void DropLeaving(const Servers& servers, Loads& loads);
  void BeginSyncs(const Servers& servers, Loads& loads);
  void Even(const Servers& servers, Loads& loads);
  void EvenPrimaries(const Servers& servers, Loads& loads);

  const int replicas_;
  std::uint64_t epoch_ = 0;
  std::uint64_t gen_ = 0;
  bool changed_ = false;
  std::vector<SlotConfig> slots_;
};

}  // namespace ps
