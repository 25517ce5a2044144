#include "trainer/render/kubernetes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"

#include "models/config/load.h"
#include "tests/deploy/kubernetes_fields.h"

namespace ps {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kJob[] = R"(job: ctr
data: {train: {files: ["/data/train-*.tsv.gz"]}, label: {positive: "@NAME@"}}
cluster: {servers: 4, workers: 8}
kubernetes: {image: "registry.example/hyperplane:1", namespace: ml, data_claim: clicks, output_claim: models, worker_gpus: 1, server_memory: 16Gi}
output: {dir: /models/ctr}
)";

LoadedJob Load(const std::string& yaml = kJob, const Overrides& overrides = {}) {
  absl::StatusOr<LoadedJob> job = ParseJob(yaml, "job.yaml", overrides);
  EXPECT_TRUE(job.ok()) << job.status();
  return job.ok() ? *job : LoadedJob{};
}

std::string Render(const LoadedJob& job, const std::string& uid = "") {
  const auto text = RenderKubernetes(job.config, {.job_yaml = job.effective_yaml, .owner_uid = uid});
  EXPECT_TRUE(text.ok()) << text.status();
  return text.value_or("");
}

TEST(Kubernetes, TheDocumentsObjectsOfServingAreSound) {
  std::ifstream file(absl::StrCat(std::getenv("PS_SOURCE_DIR"), "/docs/kubernetes.md"));
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  const std::size_t begin = page.find("apiVersion: apps/v1");
  ASSERT_NE(begin, std::string::npos);
  const std::string objects = page.substr(begin, page.find("```", begin) - begin);
  EXPECT_THAT(KubernetesErrors(objects), IsEmpty());
  EXPECT_EQ(YAML::LoadAll(objects).size(), 2);
}

TEST(Kubernetes, EveryFieldIsKnownAndOfItsType) {
  EXPECT_THAT(KubernetesErrors(Render(Load())), IsEmpty());
  EXPECT_THAT(KubernetesErrors(Render(Load(), "8a2b5c1e-0000-4000-8000-123456789abc")), IsEmpty());
}

TEST(Kubernetes, AJobOnGpusNeedsThem) {
  const std::string linear = kJob, trees = absl::StrCat(kJob, "model: {type: gbdt}\n");
  for (const std::string& yaml : {linear, trees}) {
    EXPECT_THAT(Render(Load(yaml, {"device=cuda"})), HasSubstr("nvidia.com/gpu: \"1\""));
    const LoadedJob without = Load(yaml, {"device=cuda", "kubernetes.worker_gpus=0"});
    const auto refused = RenderKubernetes(without.config, {.job_yaml = without.effective_yaml});
    EXPECT_EQ(refused.status().message(),
              "kubernetes.worker_gpus: \"0\"; --render kubernetes needs a GPU for each worker, at least 1, with device: cuda");
    const LoadedJob either = Load(yaml, {"device=auto", "kubernetes.worker_gpus=0"});
    EXPECT_TRUE(RenderKubernetes(either.config, {.job_yaml = either.effective_yaml}).ok());
  }
}

TEST(Kubernetes, TheKeyPairIsASecretOfEveryPod) {
  const LoadedJob job = Load(
      kJob, {"cluster.curve_key_file=/etc/hyperplane-curve/curve.key"});
  const std::string text = Render(job);
  EXPECT_THAT(KubernetesErrors(text), IsEmpty());
  const auto count = [&](const std::string& what) {
    int times = 0;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++times;
    return times;
  };
  EXPECT_EQ(count("secret: {secretName: ctr-curve, defaultMode: 288}"), 3);
  EXPECT_EQ(count("{name: curve, mountPath: \"/etc/hyperplane-curve\", readOnly: true}"), 3);
  EXPECT_EQ(count("\"--curve_key_file=/etc/hyperplane-curve/curve.key\""), 2);
  for (const char* path : {"curve.key", "/curve.key"}) {
    const LoadedJob wrong = Load(kJob, {absl::StrCat("cluster.curve_key_file=", path)});
    const auto refused = RenderKubernetes(wrong.config, {.job_yaml = wrong.effective_yaml});
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr("cluster.curve_key_file")) << path;
  }
}

TEST(Kubernetes, TheCheckerIsStrict) {
  const std::string good = Render(Load());
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"replicas: 4", "replicas: \"4\""},
           {"replicas: 4", "replica: 4"},
           {"runAsNonRoot: true", "runAsNonRoot: \"yes\""},
           {"scrape: \"true\"", "scrape: true"},
           {"memory: \"16Gi\"", "memory: \"16GB\""},
           {"containerPort: 7001", "containerPort: seven"},
           {"clusterIP: None", "clusterIP: [None]"},
           {"claimName: clicks", "claim: clicks"},
           {"maxUnavailable: 1\n", "maxUnavailable: 1\n  maxUnavailable: 2\n"}}) {
    std::string bad = good;
    ASSERT_NE(bad.find(from), std::string::npos) << from;
    bad.replace(bad.find(from), from.size(), to);
    EXPECT_FALSE(KubernetesErrors(bad).empty()) << to;
  }
}

TEST(Kubernetes, ObjectsFitEachOther) {
  const std::string uid = "8a2b5c1e-0000-4000-8000-123456789abc";
  std::map<std::string, YAML::Node> objects;
  for (const YAML::Node& object : YAML::LoadAll(Render(Load(), uid))) {
    const std::string kind = object["kind"].as<std::string>();
    const YAML::Node& meta = object["metadata"];
    EXPECT_EQ(meta["namespace"].as<std::string>(), "ml");
    // All but the owner go with it.
    if (kind == "Job") {
      EXPECT_FALSE(meta["ownerReferences"]);
    } else {
      EXPECT_EQ(meta["ownerReferences"][0]["uid"].as<std::string>(), uid) << kind;
      EXPECT_EQ(meta["ownerReferences"][0]["kind"].as<std::string>(), "Job");
    }
    objects[kind + "/" + meta["name"].as<std::string>()] = object;
  }
  const YAML::Node server = objects.at("Deployment/ctr-server")["spec"];
  EXPECT_EQ(server["replicas"].as<int>(), 4);
  EXPECT_EQ(objects.at("Deployment/ctr-worker")["spec"]["replicas"].as<int>(), 8);
  for (const char* name : {"Deployment/ctr-server", "Deployment/ctr-worker", "Job/ctr"}) {
    const YAML::Node spec = objects.at(name)["spec"];
    const YAML::Node pod = spec["template"]["spec"];
    const YAML::Node container = pod["containers"][0];
    EXPECT_TRUE(pod["securityContext"]["runAsNonRoot"].as<bool>());
    EXPECT_EQ(pod["securityContext"]["seccompProfile"]["type"].as<std::string>(), "RuntimeDefault");
    // Only the scheduler asks the API server for anything.
    EXPECT_EQ(pod["automountServiceAccountToken"].as<bool>(), std::string(name) == "Job/ctr");
    EXPECT_EQ(pod["serviceAccountName"].as<std::string>(), std::string(name) == "Job/ctr" ? "ctr-scheduler" : "ctr");
    for (const YAML::Node& toleration : pod["tolerations"]) {
      EXPECT_EQ(toleration["tolerationSeconds"].as<int>(), 10);  // a lost node's pod is replaced soon
    }
    EXPECT_EQ(pod["tolerations"].size(), 2u);
    EXPECT_TRUE(container["securityContext"]["readOnlyRootFilesystem"].as<bool>());
    EXPECT_FALSE(container["securityContext"]["allowPrivilegeEscalation"].as<bool>());
    EXPECT_EQ(container["securityContext"]["capabilities"]["drop"][0].as<std::string>(), "ALL");
    EXPECT_TRUE(container["resources"]["requests"]["cpu"]);
    EXPECT_TRUE(container["resources"]["limits"]["memory"]);
    if (!spec["selector"]) continue;
    for (const auto& label : spec["selector"]["matchLabels"]) {
      EXPECT_EQ(spec["template"]["metadata"]["labels"][label.first.Scalar()].Scalar(), label.second.Scalar());
    }
  }
  EXPECT_EQ(objects.at("Deployment/ctr-worker")["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
                   ["nvidia.com/gpu"].as<std::string>(), "1");
  // Nodes ask for the Service by its name; its selector and the budget's find the pods.
  const YAML::Node service = objects.at("Service/ctr-scheduler")["spec"];
  EXPECT_EQ(service["clusterIP"].as<std::string>(), "None");
  EXPECT_TRUE(service["publishNotReadyAddresses"].as<bool>());
  EXPECT_THAT(YAML::Dump(server), HasSubstr("tcp://ctr-scheduler.ml.svc:7000"));
  for (const auto& label : service["selector"]) {
    EXPECT_EQ(objects.at("Job/ctr")["spec"]["template"]["metadata"]["labels"][label.first.Scalar()].Scalar(),
              label.second.Scalar());
  }
  EXPECT_EQ(YAML::Dump(objects.at("PodDisruptionBudget/ctr-server")["spec"]["selector"]), YAML::Dump(server["selector"]));
  EXPECT_TRUE(objects.count("ServiceAccount/ctr"));
  // With podFailurePolicy a Job does not replace a pod that is Terminating on a lost node.
  const YAML::Node scheduler = objects.at("Job/ctr")["spec"];
  EXPECT_FALSE(scheduler["podFailurePolicy"]);
  EXPECT_EQ(scheduler["template"]["spec"]["restartPolicy"].as<std::string>(), "Never");
  // The state's objects are those that the scheduler is told of and has the right to.
  EXPECT_THAT(YAML::Dump(scheduler), HasSubstr("--set=cluster.state=kubernetes://ctr-state"));
  EXPECT_TRUE(objects.count("ConfigMap/ctr-state") == 1 && objects.count("Lease/ctr-state") == 1);
  std::map<std::string, std::string> rights;
  for (const YAML::Node& rule : objects.at("Role/ctr-scheduler")["rules"]) {
    rights[rule["resources"][0].as<std::string>()] =
        absl::StrCat(YAML::Dump(rule["apiGroups"]), " ", rule["resourceNames"] ? YAML::Dump(rule["resourceNames"]) : "",
                     " ", YAML::Dump(rule["verbs"]));
  }
  EXPECT_EQ(rights, (std::map<std::string, std::string>{
                        {"configmaps", "[\"\"] [ctr-state] [get, patch]"},
                        {"leases", "[coordination.k8s.io] [ctr-state] [get, patch]"},
                        {"deployments/scale", "[apps] [ctr-server, ctr-worker] [get, patch]"},
                        {"jobs", "[batch] [ctr] [patch]"},
                        {"pods", "[\"\"]  [patch]"}}));
  EXPECT_THAT(YAML::Dump(scheduler), HasSubstr("--deployments=ctr"));
  const YAML::Node binding = objects.at("RoleBinding/ctr-scheduler");
  EXPECT_EQ(binding["roleRef"]["name"].as<std::string>(), "ctr-scheduler");
  EXPECT_EQ(binding["subjects"][0]["name"].as<std::string>(), "ctr-scheduler");
  EXPECT_TRUE(objects.count("ServiceAccount/ctr-scheduler"));
}

TEST(Kubernetes, RightsAreThoseOfTheJob) {
  for (const char* change : {"cluster.state=/models/state", "cluster.state=etcd://etcd:2379/ctr", "model.type=gbdt"}) {
    const std::string text = Render(Load(kJob, {change}));
    EXPECT_THAT(KubernetesErrors(text), IsEmpty()) << change;
    for (const char* absent : {"kind: Lease", "ctr-state", "leases"}) {
      EXPECT_THAT(text, testing::Not(HasSubstr(absent))) << change;
    }
    for (const char* of_scaling : {"kind: Role", "automountServiceAccountToken: true", "--deployments"}) {
      EXPECT_EQ(text.find(of_scaling) == std::string::npos, std::string(change) == "model.type=gbdt") << of_scaling;
    }
  }
}

TEST(Kubernetes, TheJobFileArrivesAsItWas) {
  const LoadedJob job = Load();
  for (const YAML::Node& object : YAML::LoadAll(Render(job))) {
    if (object["kind"].as<std::string>() != "ConfigMap" || !object["data"]) continue;
    const auto again = ParseJob(object["data"]["job.yaml"].as<std::string>(), "job.yaml", {});
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(again->config, job.config);
    EXPECT_EQ(again->config.data.label.positive, "@NAME@");  // nothing in it is replaced
  }
}

TEST(Kubernetes, RefusesWhatWouldNotRun) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"job", "job=Not_A_Name"},
      {"job", "job=" + std::string(41, 'a')},
      {"kubernetes.image", "kubernetes.image=''"},
      {"kubernetes.image", "kubernetes.image='a b'"},
      {"kubernetes.namespace", "kubernetes.namespace='a.b'"},
      {"kubernetes.server_memory", "kubernetes.server_memory=16GB"},
      {"kubernetes.worker_cpu", "kubernetes.worker_cpu='1\"}'"},
      {"kubernetes.data_claim", "kubernetes.data_claim=''"},
      {"kubernetes.data_path", "kubernetes.data_path=relative"},
      {"output.dir", "output.dir=relative"},
      {"output.dir", "output.dir=/model"}};
  for (const auto& [key, override_text] : cases) {
    const LoadedJob job = Load(kJob, {override_text});
    const auto text = RenderKubernetes(job.config, {.job_yaml = job.effective_yaml});
    ASSERT_FALSE(text.ok()) << override_text;
    EXPECT_THAT(std::string(text.status().message()), HasSubstr(key));
  }
  EXPECT_FALSE(RenderKubernetes(Load().config, {.job_yaml = "", .owner_uid = "x y"}).ok());
}

}  // namespace
}  // namespace ps
