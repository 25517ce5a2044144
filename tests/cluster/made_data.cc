#include <algorithm>
#include <random>
#include <string>

#include "tests/cluster/simulated_cluster.h"

namespace ps {

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
  for (std::uint32_t id : batch->feature_id) batch->gradient[id] += 1;
  if (batch->bias) batch->gradient[batch->bias_id] += static_cast<float>(batch->rows.size());
  margins->assign(batch->rows.size(), 0.0f);
}

bool SimulatedResult::OnPassEnd(const PassReport& report) {
  passes.push_back(report.counts);
  return true;
}

absl::Status SimulatedResult::OnResume(const std::string& state, const PassReport& report) {
  ++resumed;
  const std::size_t told = std::stoul(state);
  if (passes.size() < told || told < report.pass) broken = "a pass that is done was never told";
  passes.resize(told);  // those after it are told again
  return absl::OkStatus();
}

void SimulatedResult::OnWeights(absl::Span<const Key> k, absl::Span<const float> w) {
  keys.insert(keys.end(), k.begin(), k.end());
  weights.insert(weights.end(), w.begin(), w.end());
}

}  // namespace ps
