// A job as Kubernetes objects (1.32, no custom resources): YAML for `kubectl apply -f -`.
//
//   Job          the scheduler: ps_train --listen. The owner of all others
//   Deployment   servers; workers. Their pods are alike: a server gets its slots from its peers
//   Service      headless; where nodes find the scheduler
//   ConfigMap    the job file
//   PodDisruptionBudget
//   ServiceAccount  of the nodes, without any right, and of the scheduler
//   ConfigMap, Lease, Role, RoleBinding  what the scheduler keeps there, and its right to do so
//
// Pure. docs/kubernetes.md says why each object is what it is.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "models/config/job_config.h"

namespace ps {

struct KubernetesRendering {
  std::string job_yaml;   // goes into the ConfigMap as it is
  std::string owner_uid;  // of the Job, once it exists: all others then go with it. Empty: no owner
};
// InvalidArgument names the setting that is missing or that Kubernetes would refuse.
absl::StatusOr<std::string> RenderKubernetes(const JobConfig& job,
                                             const KubernetesRendering& rendering);

}  // namespace ps
