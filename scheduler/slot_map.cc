#include "scheduler/slot_map.h"

#include <algorithm>
#include <cstring>

namespace ps {

SlotConfig& SlotMap::Change(SlotIndex slot) {
  changed_ = true;
  slots_[slot].ver = epoch_ + 1;
  return slots_[slot];
}

void SlotMap::Seal() {
  ++epoch_;
  changed_ = false;
}

void SlotMap::MakePrimary(SlotConfig& config, NodeId node) {
  const auto at = std::find(config.members.begin(), config.members.end(), node);
  std::rotate(config.members.begin(), at, at + 1);
  ++config.term;
}

// The session is one with the primary that was.
void SlotMap::CancelSync(SlotConfig& config) {
  config.sync_target = kNobody;
  config.sync_id = 0;
}

int SlotMap::Wanted(const Servers& servers) const {
  std::set<std::string> domains;
  for (const auto& [node, server] : servers) {
    if (!server.leaving) domains.insert(server.domain);
  }
  return std::clamp(static_cast<int>(domains.size()), 1, replicas_);
}

SlotMap::Loads SlotMap::LoadsOf(const Servers& servers) const {
  Loads loads;
  for (const auto& [node, server] : servers) loads[node];
  for (const SlotConfig& config : slots_) {
    for (const NodeId node : config.members) {
      if (const auto at = loads.find(node); at != loads.end()) ++at->second.copies;
    }
    if (const auto at = loads.find(config.sync_target); at != loads.end()) ++at->second.copies;
    if (const auto at = loads.find(config.primary()); at != loads.end()) ++at->second.primaries;
  }
  return loads;
}

void SlotMap::Start(const Servers& servers, bool from_checkpoint) {
  std::vector<NodeId> nodes;
  for (const auto& [node, server] : servers) nodes.push_back(node);
  const std::size_t count = slots_.size();
  Loads loads = LoadsOf(servers);
  const int wanted = from_checkpoint ? 1 : Wanted(servers);
  for (std::size_t slot = 0; slot < count; ++slot) {
    SlotConfig& config = Change(static_cast<SlotIndex>(slot));
    config.term = 1;
    config.restore_term = 1;
    config.members = {nodes[slot * nodes.size() / count]};
    ++loads[config.primary()].copies;
    while (static_cast<int>(config.members.size()) < wanted) {
      const NodeId node = Target(config, servers, loads, kNobody);
      if (node == kNobody) break;
      config.members.push_back(node);
      ++loads[node].copies;
    }
  }
}

void SlotMap::Remove(const std::set<NodeId>& dead) {
  Loads loads;
  for (const SlotConfig& config : slots_) ++loads[config.primary()].primaries;
  for (SlotIndex slot = 0; slot < slots_.size(); ++slot) {
    const SlotConfig& config = slots_[slot];
    const bool touched =
        dead.contains(config.sync_target) ||
        std::any_of(config.members.begin(), config.members.end(),
                    [&](NodeId node) { return dead.contains(node); });
    if (!touched) continue;
    SlotConfig& changed = Change(slot);
    const NodeId before = changed.primary();
    changed.members.erase(std::remove_if(changed.members.begin(), changed.members.end(),
                                         [&](NodeId node) { return dead.contains(node); }),
                          changed.members.end());
    if (dead.contains(changed.sync_target)) CancelSync(changed);
    if (changed.primary() == before) continue;
    CancelSync(changed);
    if (changed.members.empty()) continue;
    MakePrimary(changed, LeastPrimaries(changed, loads));
    ++loads[changed.primary()].primaries;
  }
}

std::vector<SlotIndex> SlotMap::Lost() const {
  std::vector<SlotIndex> lost;
  for (SlotIndex slot = 0; slot < slots_.size() && started(); ++slot) {
    if (slots_[slot].members.empty()) lost.push_back(slot);
  }
  return lost;
}

void SlotMap::Rollback(const Servers& servers, bool all) {
  ++gen_;
  Loads loads = LoadsOf(servers);
  for (SlotIndex slot = 0; slot < slots_.size(); ++slot) {
    SlotConfig& config = Change(slot);
    if (!all && !config.members.empty()) continue;
    CancelSync(config);
    config.members.clear();
    const NodeId node = Target(config, servers, loads, kNobody);
    if (node == kNobody) continue;
    config.members = {node};
    ++loads[node].copies;
    config.restore_term = ++config.term;
  }
}

bool SlotMap::Insync(SlotIndex slot, std::uint32_t term, NodeId node, std::uint64_t sync_id,
                     const Servers& servers) {
  if (slot >= slots_.size()) return false;
  const SlotConfig& now = slots_[slot];
  if (now.term != term || now.sync_target != node || now.sync_id != sync_id) return false;
  SlotConfig& config = Change(slot);
  CancelSync(config);
  const NodeId primary = config.primary();
  config.members.push_back(node);
  const Loads loads = LoadsOf(servers);
  // One too many, or one that is to go: it goes now that another has what it has.
  const auto weight = [&](NodeId member) {
    const auto server = servers.find(member);
    if (member == node || server == servers.end()) return -1;
    return loads.at(member).copies + (server->second.leaving ? 1 << 20 : 0);
  };
  const auto worst = std::max_element(
      config.members.begin(), config.members.end(),
      [&](NodeId a, NodeId b) { return weight(a) < weight(b); });
  const bool leaves = weight(*worst) >= 1 << 20;
  if (leaves || static_cast<int>(config.members.size()) > Wanted(servers)) {
    config.members.erase(worst);
  }
  if (config.primary() != primary) MakePrimary(config, LeastPrimaries(config, loads));
  return true;
}

std::vector<NumberedSlotConfig> SlotMap::Since(std::uint64_t version) const {
  std::vector<NumberedSlotConfig> changed;
  for (SlotIndex slot = 0; slot < slots_.size(); ++slot) {
    if (slots_[slot].ver > version) changed.push_back({slot, slots_[slot]});
  }
  return changed;
}

std::set<NodeId> SlotMap::Holders() const {
  std::set<NodeId> holders;
  for (const SlotConfig& config : slots_) {
    holders.insert(config.members.begin(), config.members.end());
    if (config.sync_target != kNobody) holders.insert(config.sync_target);
  }
  return holders;
}

std::uint32_t SlotMap::Syncing() const {
  return static_cast<std::uint32_t>(
      std::count_if(slots_.begin(), slots_.end(),
                    [](const SlotConfig& config) { return config.sync_target != kNobody; }));
}

std::uint32_t SlotMap::UnderReplicated(const Servers& servers) const {
  const int wanted = std::max(Wanted(servers), replicas_);
  return static_cast<std::uint32_t>(
      std::count_if(slots_.begin(), slots_.end(), [&](const SlotConfig& config) {
        return static_cast<int>(config.members.size()) < wanted;
      }));
}

double SlotMap::CopiesOfASlot() const {
  std::size_t copies = 0;
  for (const SlotConfig& config : slots_) copies += config.members.size();
  return static_cast<double>(copies) / static_cast<double>(slots_.size());
}

std::string SlotMap::Encode() const {
  std::string bytes;
  for (const std::uint64_t number : {epoch_, gen_}) {
    bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
  }
  for (SlotIndex slot = 0; slot < slots_.size(); ++slot) {
    AppendSlotConfig(slot, slots_[slot], &bytes);
  }
  return bytes;
}

absl::Status SlotMap::Decode(std::string_view bytes) {
  if (bytes.size() < 16) return absl::InvalidArgumentError("stored slots: too short");
  std::uint64_t head[2];
  std::memcpy(head, bytes.data(), sizeof head);
  absl::StatusOr<std::vector<NumberedSlotConfig>> entries =
      DecodeSlotConfigs(bytes.substr(sizeof head), slots());
  if (!entries.ok()) return entries.status();
  if (entries->size() != slots_.size()) {
    return absl::InvalidArgumentError("stored slots: of another number of slots");
  }
  epoch_ = head[0];
  gen_ = head[1];
  for (NumberedSlotConfig& entry : *entries) slots_[entry.slot] = std::move(entry.config);
  return absl::OkStatus();
}

}  // namespace ps
