// The settings of --render kubernetes, apart from the others for their number.
#include "models/config/schema.h"

namespace ps {

std::vector<SchemaRow> KubernetesRows() {
  return {
      {"kubernetes.image", ValueType::kText, "''",
       "--render kubernetes: the image of all containers, as deploy/Dockerfile builds it.",
       [](JobConfig* c, const Value& v) { c->kubernetes.image = v.text; }},
      {"kubernetes.namespace", ValueType::kText, "default",
       "--render kubernetes: the namespace of all objects.",
       [](JobConfig* c, const Value& v) { c->kubernetes.name_space = v.text; }},
      {"kubernetes.server_cpu", ValueType::kText, "'1'",
       "--render kubernetes: processors requested for a server.",
       [](JobConfig* c, const Value& v) { c->kubernetes.server_cpu = v.text; }},
      {"kubernetes.server_memory", ValueType::kText, "4Gi",
       "--render kubernetes: memory of a server, requested and its limit.",
       [](JobConfig* c, const Value& v) { c->kubernetes.server_memory = v.text; }},
      {"kubernetes.worker_cpu", ValueType::kText, "'1'",
       "--render kubernetes: processors requested for a worker.",
       [](JobConfig* c, const Value& v) { c->kubernetes.worker_cpu = v.text; }},
      {"kubernetes.worker_memory", ValueType::kText, "2Gi",
       "--render kubernetes: memory of a worker, requested and its limit.",
       [](JobConfig* c, const Value& v) { c->kubernetes.worker_memory = v.text; }},
      {"kubernetes.scheduler_cpu", ValueType::kText, "'1'",
       "--render kubernetes: processors requested for the scheduler.",
       [](JobConfig* c, const Value& v) { c->kubernetes.scheduler_cpu = v.text; }},
      {"kubernetes.scheduler_memory", ValueType::kText, "2Gi",
       "--render kubernetes: memory of the scheduler, requested and its limit.",
       [](JobConfig* c, const Value& v) { c->kubernetes.scheduler_memory = v.text; }},
      {"kubernetes.data_claim", ValueType::kText, "''",
       "--render kubernetes: the PersistentVolumeClaim that holds the data; mounted read-only.",
       [](JobConfig* c, const Value& v) { c->kubernetes.data_claim = v.text; }},
      {"kubernetes.data_path", ValueType::kText, "/data",
       "--render kubernetes: where it is mounted.",
       [](JobConfig* c, const Value& v) { c->kubernetes.data_path = v.text; }},
      {"kubernetes.output_claim", ValueType::kText, "''",
       "--render kubernetes: the PersistentVolumeClaim that takes the model; mounted at the "
       "directory that holds output.dir.",
       [](JobConfig* c, const Value& v) { c->kubernetes.output_claim = v.text; }},
      {"kubernetes.worker_gpus",
       ValueType::kInteger,
       "0",
       "--render kubernetes: GPUs (nvidia.com/gpu) of a worker; 1 at least with device: cuda.",
       [](JobConfig* c, const Value& v) {
         c->kubernetes.worker_gpus = static_cast<int>(v.integer);
       },
       {.min = 0, .max = 64}},
  };
}

}  // namespace ps
