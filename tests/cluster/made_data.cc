#include <algorithm>
#include <cstdlib>
#include <random>
#include <sstream>
#include <string>

#include "absl/strings/numbers.h"
#include "glog/logging.h"
#include "tests/cluster/simulated_cluster.h"

namespace ps {

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  std::uint64_t value = otherwise;
  if (text != nullptr && !absl::SimpleAtoi(text, &value)) LOG(FATAL) << name << " is not a number";
  return value;
}

MadeData MadeData::Make(std::uint64_t seed, std::uint32_t chunks, std::size_t most_rows,
                        std::uint64_t keys) {
  std::mt19937_64 random(seed);
  MadeData data;
  data.chunks.resize(chunks);
  for (RowBlock& block : data.chunks) {
    const std::size_t rows = random() % (most_rows + 1);  // sometimes none
    for (std::size_t r = 0; r < rows; ++r) {
      std::vector<std::uint64_t> indices;
      const std::size_t features = random() % 6;
      for (std::size_t f = 0; f < features; ++f) {
        const double u = static_cast<double>(random() >> 11) * 0x1p-53;
        indices.push_back(static_cast<std::uint64_t>(u * u * static_cast<double>(keys)));
      }
      std::sort(indices.begin(), indices.end());
      indices.erase(std::unique(indices.begin(), indices.end()), indices.end());
      bool odd = false;
      for (std::uint64_t index : indices) {
        block.key.push_back(IndexKey(index));
        odd ^= (index & 1) != 0;
      }
      block.label.push_back(odd || random() % 8 == 0 ? 1.0f : 0.0f);
      block.row_offset.push_back(r);
      block.row_begin.push_back(static_cast<std::uint32_t>(block.key.size()));
    }
    block.lines = rows;
    data.rows += rows;
  }
  return data;
}

std::map<Key, double> MadeData::Frequencies() const {
  std::map<Key, double> count;
  for (const RowBlock& block : chunks) {
    for (Key key : block.key) ++count[key];
  }
  if (rows > 0) count[kBiasKey] = static_cast<double>(rows);
  return count;
}

void CountingModel::Compute(Batch* batch, std::vector<float>* margins) const {
  ++*computed_;
  std::fill(batch->gradient.begin(), batch->gradient.end(), 0.0f);
  const auto add = [batch](std::uint32_t id, std::size_t count) {
    for (int k = 0; k < batch->lanes; ++k) batch->gradient[id * batch->lanes + k] += static_cast<float>(count);
  };
  for (std::uint32_t id : batch->feature_id) add(id, 1);
  if (batch->bias) add(batch->bias_id, batch->rows.size());
  margins->assign(batch->rows.size() * batch->lanes, 0.0f);
}

void SimulatedResult::Begin(const SimulatedJob& job, const MadeData& data) {
  stepped = job.staleness == 0;
  lanes = job.lanes;
  if (lanes_seed == 0) lanes_seed = job.seed;
  chunks = static_cast<std::uint32_t>(data.chunks.size());
  round_chunks = stepped ? job.chunks_per_round : 1;
}

bool SimulatedResult::OnPassEnd(const PassReport& report) {
  passes.push_back(report.counts);
  return true;
}

absl::Status SimulatedResult::OnResume(const std::string& state, const PassReport& report) {
  ++resumed;
  std::size_t told = 0, changed = 0;
  std::istringstream(state) >> told >> changed >> rows_told;
  if (changed > changes.size()) broken = "a change of lanes that nobody made";
  changes.resize(std::min(changed, changes.size()));
  changed_at.resize(changes.size());
  if (passes.size() < told || told < report.pass) broken = "a pass that is done was never told";
  passes.resize(told);  // those after it are told again
  return absl::OkStatus();
}

std::vector<OptimizerParams> CountingLanes(int lanes) {
  std::vector<OptimizerParams> settings;
  for (int k = 0; k < lanes; ++k) settings.push_back({Optimizer::kSgd, -static_cast<float>(k + 1), 1});
  return settings;
}

SimulatedResult RunSimulatedJob(const SimulatedJob& job, const MadeData& data) {
  SimulatedResult result;
  RunSimulatedJob(job, data, &result);
  return result;
}

void AddLanes(const std::vector<OptimizerParams>& lanes, wire::Plan* plan) {
  for (const OptimizerParams& setting : lanes) {
    wire::LaneSetting& lane = *plan->add_lanes();
    lane.set_alpha(setting.alpha);
    lane.set_beta(setting.beta);
    lane.set_l1(setting.l1);
    lane.set_l2(setting.l2);
    lane.set_newton(setting.newton);
  }
}

std::vector<OptimizerParams> SimulatedResult::NowLanes() const {
  return changes.empty() ? CountingLanes(lanes) : changes.back().settings;
}

std::uint32_t SimulatedResult::NextLook(std::uint32_t pass, std::uint32_t chunk) {
  if (lanes == 1) return JobEvents::NextLook(pass, chunk);
  const std::uint32_t unit = round_chunks * (1 + (lanes_seed + pass) % 3);
  return std::min((chunk + unit - 1) / unit * unit, std::max(chunks, chunk));
}

std::size_t SimulatedResult::OnLook(std::uint32_t pass, std::uint32_t chunk, std::uint64_t) {
  const std::pair look(pass, chunk);
  const std::vector<OptimizerParams> before = NowLanes();
  if ((changed_at.empty() || changed_at.back() < look) && before.size() > 1) {
    std::mt19937_64 random(lanes_seed * 31 + pass * 1000 + chunk);
    const std::size_t after = random() % 2 == 0 ? before.size() : before.size() / 2;
    LaneChange change;
    for (std::size_t k = 0; k < after; ++k) {
      change.origins.push_back({static_cast<int>(random() % before.size()), false});
      change.settings.push_back(before[change.origins.back().from]);
    }
    changes.push_back(std::move(change));
    changed_at.push_back(look);
  }
  if (!stepped) return changes.size();
  return std::upper_bound(changed_at.begin(), changed_at.end(), look) - changed_at.begin();
}

void SimulatedResult::OnWeights(std::uint32_t, absl::Span<const Key> k, absl::Span<const float> w) {
  keys.insert(keys.end(), k.begin(), k.end());
  weights.insert(weights.end(), w.begin(), w.end());
}

}  // namespace ps
