#include "trainer/render/kubernetes.h"

#include <regex>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "ps/base/status_macros.h"
#include "trainer/progress/json_log.h"
#include "trainer/render/kubernetes_templates.h"

namespace ps {
namespace {

bool Matches(const std::string& text, const char* pattern) {
  return std::regex_match(text, std::regex(pattern));
}

absl::Status Wrong(const std::string& key, const std::string& value, const std::string& expected) {
  return absl::InvalidArgumentError(
      absl::StrCat(key, value.empty() ? " is missing" : absl::StrCat(": \"", value, "\""),
                   "; --render kubernetes needs ", expected));
}

// An RFC 1123 label. The job's has room for "-scheduler" and a pod's own ending.
absl::Status CheckName(const std::string& key, const std::string& name, std::size_t longest) {
  if (name.size() <= longest && Matches(name, "[a-z0-9]([-a-z0-9]*[a-z0-9])?")) {
    return absl::OkStatus();
  }
  return Wrong(key, name,
               absl::StrCat("at most ", longest, " lower-case letters, digits and '-'"));
}

// Of a PersistentVolumeClaim.
absl::Status CheckClaim(const std::string& key, const std::string& name) {
  if (name.empty()) return Wrong(key, name, "the name of your PersistentVolumeClaim");
  return CheckName(key, name, 63);
}

absl::Status CheckQuantity(const std::string& key, const std::string& value) {
  if (Matches(value, "[0-9]{1,12}(\\.[0-9]{1,3})?(m|k|M|G|T|Ki|Mi|Gi|Ti)?"))
    return absl::OkStatus();
  return Wrong(key, value, "a quantity such as 500m, 2 or 4Gi");
}

absl::Status CheckPath(const std::string& key, const std::string& path) {
  if (Matches(path, "/[^:\\x00-\\x20]*[^:/\\x00-\\x20]") && path.find("..") == std::string::npos) {
    return absl::OkStatus();
  }
  return Wrong(key, path, "an absolute path");
}

absl::Status Check(const JobConfig& job) {
  const KubernetesConfig& k = job.kubernetes;
  PS_RETURN_IF_ERROR(CheckName("job", job.job, 40));
  PS_RETURN_IF_ERROR(CheckName("kubernetes.namespace", k.name_space, 63));
  if (job.device == "cuda" && k.worker_gpus == 0)
    return Wrong("kubernetes.worker_gpus", "0", "a GPU for each worker, at least 1, with device: cuda");
  if (!Matches(k.image, "[a-zA-Z0-9][-a-zA-Z0-9._:/@]*")) {
    return Wrong("kubernetes.image", k.image, "the image that deploy/Dockerfile builds");
  }
  if (job.cluster.servers < 1 || job.cluster.workers < 1) {
    return Wrong("cluster.servers and cluster.workers", "", "how many pods there shall be");
  }
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, std::string>>{{"server_cpu", k.server_cpu},
                                                        {"server_memory", k.server_memory},
                                                        {"worker_cpu", k.worker_cpu},
                                                        {"worker_memory", k.worker_memory},
                                                        {"scheduler_cpu", k.scheduler_cpu},
                                                        {"scheduler_memory", k.scheduler_memory}}) {
    PS_RETURN_IF_ERROR(CheckQuantity(absl::StrCat("kubernetes.", key), value));
  }
  PS_RETURN_IF_ERROR(CheckClaim("kubernetes.data_claim", k.data_claim));
  PS_RETURN_IF_ERROR(CheckClaim("kubernetes.output_claim", k.output_claim));
  PS_RETURN_IF_ERROR(CheckPath("kubernetes.data_path", k.data_path));
  if (!job.cluster.curve_key_file.empty()) {
    PS_RETURN_IF_ERROR(CheckPath("cluster.curve_key_file", job.cluster.curve_key_file));
    if (job.cluster.curve_key_file.rfind('/') == 0) {
      return Wrong("cluster.curve_key_file", job.cluster.curve_key_file,
                   "a file in a directory of its own, at which the Secret is mounted");
    }
  }
  PS_RETURN_IF_ERROR(CheckPath("output.dir", job.output.dir));
  if (job.output.dir.rfind('/') == 0) {
    return Wrong("output.dir", job.output.dir,
                 "a directory inside the one that output_claim is mounted at");
  }
  return absl::OkStatus();
}

std::string Indented(const std::string& text, std::size_t blanks) {
  std::string indented;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    absl::StrAppend(&indented, line.empty() ? "" : std::string(blanks, ' '), line, "\n");
  }
  return indented;
}

std::string Owner(const std::string& job, const std::string& uid) {
  if (uid.empty()) return "";
  return absl::StrCat("\n  ownerReferences:\n  - {apiVersion: batch/v1, kind: Job, name: ", job,
                      ", uid: ", uid, ", controller: false, blockOwnerDeletion: true}");
}

// The job's Secret with the key pair, where the job has one: as a file of every pod.
std::vector<std::pair<const absl::string_view, std::string>> CurveValues(const JobConfig& job) {
  const std::string& file = job.cluster.curve_key_file;
  if (file.empty()) {
    return {{"@CURVE_ARG@", ""}, {"@CURVE_MOUNT@", ""}, {"@CURVE_VOLUME@", ""}, {"@CURVE_GROUP@", ""}};
  }
  const std::string directory = JsonString(file.substr(0, file.rfind('/')));
  return {
      {"@CURVE_ARG@", absl::StrCat(", ", JsonString(absl::StrCat("--curve_key_file=", file)))},
      {"@CURVE_MOUNT@", absl::StrCat("\n        - {name: curve, mountPath: ", directory, ", readOnly: true}")},
      // 288 is 0440.
      {"@CURVE_VOLUME@", absl::StrCat("\n      - {name: curve, secret: {secretName: ", job.job,
                                      "-curve, defaultMode: 288}}")},
      {"@CURVE_GROUP@", ", fsGroup: 65532, fsGroupChangePolicy: OnRootMismatch"},
  };
}

// What the scheduler does through the API server: it scales its nodes, but for trees, and keeps its
// state there, unless the job says where else.
struct ApiUse {
  bool scales = false;
  bool keeps_state = false;
};

ApiUse UseOfApi(const JobConfig& job) {
  const bool trees = job.model.type == "gbdt";
  return {!trees, !trees && job.cluster.state.empty()};
}

std::vector<std::pair<const absl::string_view, std::string>> ApiValues(const JobConfig& job) {
  const ApiUse use = UseOfApi(job);
  std::string arguments, rules;
  if (use.scales) absl::StrAppend(&arguments, ", --deployments=", job.job);
  if (use.keeps_state) {
    const std::string name = job.job + "-state";
    absl::StrAppend(&arguments, ", \"--set=cluster.state=kubernetes://", name, "\"");
    for (const char* of : {"\"\"], resources: [configmaps]", "coordination.k8s.io], resources: [leases]"}) {
      absl::StrAppend(&rules, "\n- {apiGroups: [", of, ", resourceNames: [", name, "], verbs: [get, patch]}");
    }
  }
  const bool comes_back = use.keeps_state || !job.cluster.state.empty();
  return {
      {"@API@", use.scales ? "true" : "false"},
      {"@SCHEDULER_ARGS@", arguments},
      {"@STATE_RULES@", rules},
      // A Job waits for up to ten minutes before it starts a pod again. Nodes that the next scheduler
      // does not know had better end soon.
      {"@NODE_ARGS@", comes_back ? ", --silence_limit_s=1200" : ""},
  };
}

}  // namespace

absl::StatusOr<std::string> RenderKubernetes(const JobConfig& job,
                                             const KubernetesRendering& rendering) {
  PS_RETURN_IF_ERROR(Check(job));
  if (!rendering.owner_uid.empty() && !Matches(rendering.owner_uid, "[0-9a-fA-F-]{8,64}")) {
    return Wrong("--owner_uid", rendering.owner_uid, "the metadata.uid of the Job");
  }
  const KubernetesConfig& k = job.kubernetes;
  const std::string gpu =
      k.worker_gpus > 0 ? absl::StrCat(", nvidia.com/gpu: \"", k.worker_gpus, "\"") : "";
  std::vector<std::pair<const absl::string_view, std::string>> values = {
      {"@NAME@", job.job},
      {"@NAMESPACE@", k.name_space},
      {"@IMAGE@", JsonString(k.image)},
      {"@SERVERS@", absl::StrCat(job.cluster.servers)},
      {"@WORKERS@", absl::StrCat(job.cluster.workers)},
      {"@SERVER_CPU@", k.server_cpu},
      {"@SERVER_MEMORY@", k.server_memory},
      {"@WORKER_CPU@", k.worker_cpu},
      {"@WORKER_MEMORY@", k.worker_memory},
      {"@WORKER_GPU@", gpu},
      {"@SCHEDULER_CPU@", k.scheduler_cpu},
      {"@SCHEDULER_MEMORY@", k.scheduler_memory},
      {"@DATA_CLAIM@", k.data_claim},
      {"@DATA_PATH@", JsonString(k.data_path)},
      {"@OUTPUT_CLAIM@", k.output_claim},
      {"@OUTPUT_PATH@", JsonString(job.output.dir.substr(0, job.output.dir.rfind('/')))},
      {"@OWNER@", Owner(job.job, rendering.owner_uid)},
  };
  for (auto& value : CurveValues(job)) values.push_back(std::move(value));
  for (auto& value : ApiValues(job)) values.push_back(std::move(value));
  // The Job last: its pod can be made when all that it needs is there.
  std::vector<std::string> parts = {kKubernetesServices, kKubernetesNodes, kKubernetesScheduler};
  if (UseOfApi(job).keeps_state) parts.insert(parts.begin(), kKubernetesState);
  if (UseOfApi(job).scales) parts.insert(parts.begin(), kKubernetesRights);
  std::string text = absl::StrReplaceAll(absl::StrJoin(parts, "---\n"), values);
  // Last: the job file is anybody's text, and nothing in it is replaced.
  return absl::StrReplaceAll(text, {{"    @JOB@\n", Indented(rendering.job_yaml, 4)}});
}

}  // namespace ps
