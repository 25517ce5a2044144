#include "trainer/cluster/cluster_plan.h"

#include <xxhash.h>

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kernels/optimizer.h"
#include "ps/base/status_macros.h"
#include "trainer/batch_rows.h"
#include "trainer/planned_split.h"

namespace ps {
namespace {

constexpr std::uint64_t kSampleBytes = 256 << 10;
// A chunk is read and parsed as a whole: this bounds a worker's memory.
constexpr double kMostChunkBytes = 8 << 20;
constexpr double kBatchesPerChunkWanted = 16;

Optimizer OptimizerOf(OptimizerType type) {
  switch (type) {
    case OptimizerType::kAdaGrad:
      return Optimizer::kAdaGrad;
    case OptimizerType::kSgd:
      return Optimizer::kSgd;
    case OptimizerType::kFtrl:
    case OptimizerType::kNewtonCg:  // in one process only
      break;
  }
  return Optimizer::kFtrl;
}

absl::StatusOr<wire::ValueFormat> ValueFormatOf(const std::string& name) {
  if (name == "f32") return wire::F32;
  if (name == "bf16") return wire::BF16;
  if (name == "int8") return wire::INT8;
  return absl::InvalidArgumentError(absl::StrCat("cluster.values: unknown format '", name, "'"));
}

ScalePolicy PolicyOf(const ScaleConfig& config) {
  ScalePolicy policy;
  policy.memory_per_server = config.memory_per_server_gib * (1 << 30);
  policy.rows_per_second = config.rows_per_s;
  policy.min_servers = static_cast<std::uint32_t>(config.min_servers);
  policy.max_servers = static_cast<std::uint32_t>(config.max_servers);
  policy.min_workers = static_cast<std::uint32_t>(config.min_workers);
  policy.max_workers = static_cast<std::uint32_t>(config.max_workers);
  policy.every =
      std::chrono::duration_cast<MonotonicTime>(std::chrono::duration<double>(config.every));
  return policy;
}

// One setting is a plan of one lane like any other.
void SetLanes(const std::vector<OptimizerParams>& lanes, wire::Plan* plan) {
  if (lanes.empty()) return;
  plan->set_optimizer(static_cast<std::uint32_t>(lanes[0].type));
  plan->set_alpha(lanes[0].alpha);
  plan->set_beta(lanes[0].beta);
  plan->set_l1(lanes[0].l1);
  plan->set_l2(lanes[0].l2);
  plan->set_newton(lanes[0].newton);
  if (lanes.size() == 1) return;
  for (const OptimizerParams& lane : lanes) {
    wire::LaneSetting& setting = *plan->add_lanes();
    setting.set_alpha(lane.alpha);
    setting.set_beta(lane.beta);
    setting.set_l1(lane.l1);
    setting.set_l2(lane.l2);
    setting.set_newton(lane.newton);
  }
}

// Of all that decides what the rows of a chunk are and what learning them does. A device does the same.
std::string DigestOf(const SchedulerMachine::Options& options) {
  wire::Plan plan = options.plan;
  plan.clear_device();
  std::string bytes = plan.SerializeAsString();
  for (const FileRange& chunk : options.chunks) {
    absl::StrAppend(&bytes, " ", chunk.file, ":", chunk.begin, "-", chunk.end);
  }
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return absl::StrFormat("%016x%016x", hash.high64, hash.low64);
}

}  // namespace

absl::StatusOr<DataEstimate> EstimateData(const DataFiles& files) {
  const std::unique_ptr<RangeReader> reader = RangeReader::Create(files);
  DataEstimate estimate;
  double bytes = 0;
  bool sampled = false;
  for (std::uint32_t file = 0; file < files.files().size(); ++file) {
    PS_ASSIGN_OR_RETURN(const std::uint64_t length, files.DecompressedBytes(file));
    bytes += static_cast<double>(length);
    if (sampled || length == 0) continue;
    std::string text;
    std::uint64_t offset = 0;
    PS_RETURN_IF_ERROR(reader->Read({file, 0, kSampleBytes}, &text, &offset));
    const auto lines = std::max<std::ptrdiff_t>(1, std::count(text.begin(), text.end(), '\n'));
    estimate.row_bytes =
        std::max(1.0, static_cast<double>(text.size()) / static_cast<double>(lines));
    sampled = true;
  }
  estimate.rows = bytes / estimate.row_bytes;
  return estimate;
}

std::uint32_t BatchRows(const TrainConfig& train, double rows) {
  if (train.batch_rows > 0) return static_cast<std::uint32_t>(train.batch_rows);
  const bool stepped = train.staleness.value_or(4) == 0;
  if (!stepped) return static_cast<std::uint32_t>(UsualBatchRows(rows));
  const double step = std::clamp(rows / 2000, 64.0, 2048.0 * train.chunks_per_round);
  return static_cast<std::uint32_t>(std::max(8.0, step / train.chunks_per_round));
}

bool LanesGoOn(const JobConfig& config) {
  const bool has_valid = config.data.valid.set() || config.data.split.valid > 0;
  return config.model.tune && config.train.passes > 1 && has_valid;
}

absl::StatusOr<SchedulerMachine::Options> PlanCluster(const ClusterJob& job) {
  const JobConfig& config = job.config;
  // A scale is shared by 256 neighbours of a shard's part, so it depends on the number of shards.
  if (config.train.staleness == 0 && config.cluster.values == "int8") {
    return absl::InvalidArgumentError(
        "cluster.values: int8 does not go with train.staleness: 0, whose result may not depend on "
        "the number of servers; use bf16 or f32");
  }
  PS_ASSIGN_OR_RETURN(const DataEstimate data, EstimateData(job.train));
  SchedulerMachine::Options options;
  wire::Plan& plan = options.plan;
  const OptimizerConfig& optimizer = config.model.optimizer;
  plan.set_slot_bits(config.cluster.slot_bits);
  plan.set_optimizer(static_cast<std::uint32_t>(OptimizerOf(optimizer.type)));
  plan.set_alpha(static_cast<float>(optimizer.alpha));
  plan.set_beta(static_cast<float>(optimizer.beta));
  plan.set_l1(static_cast<float>(optimizer.l1));
  plan.set_l2(static_cast<float>(optimizer.l2.value_or(0)));
  plan.set_newton(static_cast<float>(optimizer.newton));
  SetLanes(job.lanes, &plan);
  plan.set_min_count(config.model.min_count);
  plan.set_extractor(job.extractor);
  for (const DataFile& file : job.train.files()) plan.add_files(file.path);
  plan.set_batch_rows(BatchRows(config.train, data.rows));
  plan.set_staleness(config.train.staleness.value_or(4));
  plan.set_chunks_per_round(config.train.chunks_per_round);
  plan.set_bias(config.model.bias);
  PS_ASSIGN_OR_RETURN(const wire::ValueFormat values, ValueFormatOf(config.cluster.values));
  plan.set_values(values);
  plan.set_ack_primary(config.cluster.ack_primary);
  plan.set_device(config.device);
  PlanSplit(config, &plan);

  const double batch_bytes = plan.batch_rows() * data.row_bytes;
  const double chunk_bytes =
      std::min(batch_bytes * kBatchesPerChunkWanted, std::max(kMostChunkBytes, batch_bytes));
  PS_ASSIGN_OR_RETURN(options.chunks, job.train.PlanRanges(std::max<std::uint64_t>(
                                          1, static_cast<std::uint64_t>(chunk_bytes))));
  options.passes = static_cast<std::uint32_t>(config.train.passes);
  options.export_every_pass = config.train.early_stopping.has_value() || LanesGoOn(config);
  options.max_bad_rows = config.data.max_bad_rows;
  options.replicas = config.cluster.replicas;
  const double otherwise = config.cluster.replicas > 1 ? 1.0 : 10.0;
  const double dead_after =
      config.cluster.failure_timeout > 0 ? config.cluster.failure_timeout : otherwise;
  options.dead_after =
      std::chrono::duration_cast<MonotonicTime>(std::chrono::duration<double>(dead_after));
  if (config.cluster.scale) options.scale_policy = PolicyOf(*config.cluster.scale);
  options.job_name = config.job;
  options.plan_digest = DigestOf(options);
  // Several beats may be late or lost.
  options.heartbeat = std::min(options.heartbeat, options.dead_after / 8);
  return options;
}

}  // namespace ps
