// Where copies of slots should be, and the next steps there.
#include <algorithm>

#include "scheduler/slot_map.h"

namespace ps {
namespace {

constexpr std::uint32_t kSyncsAServer = 16;  // at a time
constexpr int kSwapsAStep = 4;               // of primaries

}  // namespace

NodeId SlotMap::LeastPrimaries(const SlotConfig& config, const Loads& loads) const {
  const auto primaries = [&](NodeId node) {
    const auto at = loads.find(node);
    return at == loads.end() ? 0 : at->second.primaries;
  };
  return *std::min_element(config.members.begin(), config.members.end(), [&](NodeId a, NodeId b) {
    return primaries(a) < primaries(b);
  });
}

NodeId SlotMap::Target(const SlotConfig& config, const Servers& servers, const Loads& loads,
                       NodeId instead_of) const {
  std::set<std::string> taken;
  for (const NodeId node : config.members) {
    const auto at = servers.find(node);
    if (node != instead_of && at != servers.end()) taken.insert(at->second.domain);
  }
  NodeId best = kNobody;
  for (const auto& [node, server] : servers) {
    if (server.leaving || config.HasMember(node) || taken.contains(server.domain)) continue;
    if (best == kNobody || loads.at(node).copies < loads.at(best).copies) best = node;
  }
  return best;
}

bool SlotMap::NeedsCopy(const SlotConfig& config, const Servers& servers, int wanted) const {
  if (config.members.empty() || config.sync_target != kNobody) return false;
  const auto staying = std::count_if(
      config.members.begin(), config.members.end(), [&](NodeId node) {
        const auto at = servers.find(node);
        return at != servers.end() && !at->second.leaving;
      });
  return staying < wanted;
}

// Where the others are enough, one that is leaving goes at once.
void SlotMap::DropLeaving(const Servers& servers, Loads& loads) {
  const int wanted = Wanted(servers);
  for (SlotIndex slot = 0; slot < slots_.size(); ++slot) {
    const SlotConfig& config = slots_[slot];
    if (config.members.size() < 2 || config.sync_target != kNobody) continue;
    const auto leaving = std::find_if(config.members.begin(), config.members.end(), [&](NodeId node) {
      const auto at = servers.find(node);
      return at != servers.end() && at->second.leaving;
    });
    if (leaving == config.members.end() || NeedsCopy(config, servers, wanted)) continue;
    SlotConfig& changed = Change(slot);
    const NodeId primary = changed.primary();
    --loads[*leaving].copies;
    changed.members.erase(leaving);
    if (changed.primary() != primary) MakePrimary(changed, LeastPrimaries(changed, loads));
  }
}

void SlotMap::BeginSyncs(const Servers& servers, Loads& loads) {
  const int wanted = Wanted(servers);
  std::uint32_t room = kSyncsAServer * static_cast<std::uint32_t>(servers.size());
  room -= std::min(room, Syncing());
  for (SlotIndex slot = 0; slot < slots_.size() && room > 0; ++slot) {
    if (!NeedsCopy(slots_[slot], servers, wanted)) continue;
    NodeId leaving = kNobody;
    for (const NodeId node : slots_[slot].members) {
      const auto at = servers.find(node);
      if (at != servers.end() && at->second.leaving) leaving = node;
    }
    const NodeId target = Target(slots_[slot], servers, loads, leaving);
    if (target == kNobody) continue;
    SlotConfig& config = Change(slot);
    config.sync_target = target;
    config.sync_id = config.ver;
    ++loads[target].copies;
    --room;
  }
}

void SlotMap::Even(const Servers& servers, Loads& loads) {
  std::uint32_t room = kSyncsAServer * static_cast<std::uint32_t>(servers.size());
  room -= std::min(room, Syncing());
  for (SlotIndex slot = 0; slot < slots_.size() && room > 0; ++slot) {
    const SlotConfig& config = slots_[slot];
    if (config.members.empty() || config.sync_target != kNobody) continue;
    NodeId fullest = kNobody;
    for (const NodeId node : config.members) {
      if (!loads.contains(node)) continue;
      if (fullest == kNobody || loads.at(node).copies > loads.at(fullest).copies) fullest = node;
    }
    if (fullest == kNobody) continue;
    const NodeId target = Target(config, servers, loads, fullest);
    if (target == kNobody || loads.at(target).copies + 1 >= loads.at(fullest).copies) continue;
    SlotConfig& changed = Change(slot);
    changed.sync_target = target;
    changed.sync_id = changed.ver;
    ++loads[target].copies;
    --loads[fullest].copies;  // by then
    --room;
  }
}

void SlotMap::EvenPrimaries(const Servers& servers, Loads& loads) {
  int swaps = 0;
  for (SlotIndex slot = 0; slot < slots_.size() && swaps < kSwapsAStep; ++slot) {
    const SlotConfig& config = slots_[slot];
    if (config.members.size() < 2 || config.sync_target != kNobody) continue;
    const NodeId least = LeastPrimaries(config, loads);
    const auto least_server = servers.find(least);
    if (least_server == servers.end() || least_server->second.leaving) continue;
    if (loads[least].primaries + 1 >= loads[config.primary()].primaries) continue;
    --loads[config.primary()].primaries;
    ++loads[least].primaries;
    MakePrimary(Change(slot), least);
    ++swaps;
  }
}

void SlotMap::Improve(const Servers& servers, bool moves) {
  if (!started() || servers.empty() || (!moves && replicas_ == 1)) return;
  Loads loads = LoadsOf(servers);
  if (moves) DropLeaving(servers, loads);
  BeginSyncs(servers, loads);
  if (!moves) return;
  if (Syncing() > 0) return;
  Even(servers, loads);
  if (Syncing() == 0) EvenPrimaries(servers, loads);
}

}  // namespace ps
