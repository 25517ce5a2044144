// The settings of the scaling policy, apart from the others for their number.
#include "models/config/schema.h"

namespace ps {
namespace {

constexpr double kMostNodes = 4096;

ScaleConfig& Scale(JobConfig* config) {
  if (!config->cluster.scale) config->cluster.scale.emplace();
  return *config->cluster.scale;
}

}  // namespace

std::vector<SchemaRow> ScaleRows() {
  return {
      {"cluster.scale", ValueType::kSection, nullptr,
       "Change the number of processes while the job trains, by what is observed; for those that "
       "ps_train starts itself.",
       [](JobConfig* c, const Value&) { Scale(c); }},
      {"cluster.scale.memory_per_server_gib", ValueType::kReal, nullptr,
       "Servers are added when their tables need more, and taken away when they need less than "
       "0.7 of it with fewer servers. Left out: their number stays.",
       [](JobConfig* c, const Value& v) { Scale(c).memory_per_server_gib = v.real; }, Above(0)},
      {"cluster.scale.rows_per_s", ValueType::kReal, nullptr,
       "Workers are added when the job learns 10 % fewer rows a second, as long as that makes it "
       "faster, and taken away when it learns 10 % more. Left out: their number stays.",
       [](JobConfig* c, const Value& v) { Scale(c).rows_per_s = v.real; }, Above(0)},
      {"cluster.scale.min_servers", ValueType::kInteger, "1", "No fewer servers than this.",
       [](JobConfig* c, const Value& v) { Scale(c).min_servers = static_cast<int>(v.integer); },
       Between(1, kMostNodes)},
      {"cluster.scale.max_servers", ValueType::kInteger, nullptr,
       "No more servers than this; required with memory_per_server_gib.",
       [](JobConfig* c, const Value& v) { Scale(c).max_servers = static_cast<int>(v.integer); },
       Between(1, kMostNodes)},
      {"cluster.scale.min_workers", ValueType::kInteger, "1", "No fewer workers than this.",
       [](JobConfig* c, const Value& v) { Scale(c).min_workers = static_cast<int>(v.integer); },
       Between(1, kMostNodes)},
      {"cluster.scale.max_workers", ValueType::kInteger, nullptr,
       "No more workers than this; required with rows_per_s.",
       [](JobConfig* c, const Value& v) { Scale(c).max_workers = static_cast<int>(v.integer); },
       Between(1, kMostNodes)},
      {"cluster.scale.every", ValueType::kReal, "10",
       "Seconds between two observations; a change needs two that agree.",
       [](JobConfig* c, const Value& v) { Scale(c).every = v.real; }, Between(0.5, 3600)},
  };
}

}  // namespace ps
