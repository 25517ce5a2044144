#include "tests/deploy/kubernetes_fields.h"

#include <yaml-cpp/yaml.h>

#include <map>
#include <regex>

#include "absl/strings/str_cat.h"

namespace ps {
namespace {

// A type is a struct of kStructs, or: s text, i integer, b boolean, q quantity, p port (a number or a name), m a map to
// texts, Q a map to quantities; "[x]" a list of x. A field ending with '!' must be there.
const std::map<std::string, std::map<std::string, std::string>>& Structs() {
  static const auto& structs = *new std::map<std::string, std::map<std::string, std::string>>{
      {"Meta", {{"name!", "s"}, {"namespace!", "s"}, {"labels", "m"}, {"ownerReferences", "[OwnerReference]"}}},
      {"TemplateMeta", {{"labels!", "m"}, {"annotations", "m"}}},
      {"OwnerReference",
       {{"apiVersion!", "s"}, {"kind!", "s"}, {"name!", "s"}, {"uid!", "s"}, {"controller", "b"}, {"blockOwnerDeletion", "b"}}},
      {"batch/v1 Job", {{"apiVersion!", "s"}, {"kind!", "s"}, {"metadata!", "Meta"}, {"spec!", "JobSpec"}}},
      {"JobSpec", {{"backoffLimit", "i"}, {"ttlSecondsAfterFinished", "i"}, {"template!", "Template"}}},
      {"apps/v1 Deployment", {{"apiVersion!", "s"}, {"kind!", "s"}, {"metadata!", "Meta"}, {"spec!", "DeploymentSpec"}}},
      {"DeploymentSpec", {{"replicas", "i"}, {"strategy", "Strategy"}, {"selector!", "Selector"}, {"template!", "Template"}}},
      {"Strategy", {{"type", "s"}, {"rollingUpdate", "RollingUpdate"}}},
      {"RollingUpdate", {{"maxUnavailable", "p"}, {"maxSurge", "p"}}},
      {"Selector", {{"matchLabels", "m"}}},
      {"Template", {{"metadata!", "TemplateMeta"}, {"spec!", "PodSpec"}}},
      {"PodSpec",
       {{"restartPolicy", "s"}, {"serviceAccountName", "s"}, {"automountServiceAccountToken", "b"},
        {"terminationGracePeriodSeconds", "i"}, {"securityContext", "PodSecurity"}, {"containers!", "[Container]"},
        {"volumes", "[Volume]"}, {"topologySpreadConstraints", "[Spread]"}, {"tolerations", "[Toleration]"}}},
      {"PodSecurity", {{"runAsNonRoot", "b"}, {"runAsUser", "i"}, {"runAsGroup", "i"}, {"fsGroup", "i"}, {"fsGroupChangePolicy", "s"}, {"seccompProfile", "Seccomp"}}},
      {"Seccomp", {{"type!", "s"}}},
      {"Spread", {{"maxSkew!", "i"}, {"topologyKey!", "s"}, {"whenUnsatisfiable!", "s"}, {"labelSelector", "Selector"}}},
      {"Toleration", {{"key", "s"}, {"operator", "s"}, {"effect", "s"}, {"tolerationSeconds", "i"}}},
      {"Container",
       {{"name!", "s"}, {"image", "s"}, {"command", "[s]"}, {"args", "[s]"}, {"ports", "[ContainerPort]"}, {"env", "[Env]"},
        {"resources", "Resources"}, {"startupProbe", "Probe"}, {"livenessProbe", "Probe"}, {"readinessProbe", "Probe"},
        {"securityContext", "Security"}, {"volumeMounts", "[Mount]"}, {"lifecycle", "Lifecycle"}}},
      {"Lifecycle", {{"preStop", "Handler"}}},
      {"Handler", {{"exec", "Exec"}}},
      {"Exec", {{"command", "[s]"}}},
      {"ContainerPort", {{"name", "s"}, {"containerPort!", "i"}}},
      {"Env", {{"name!", "s"}, {"value", "s"}, {"valueFrom", "EnvSource"}}},
      {"EnvSource", {{"fieldRef", "FieldRef"}, {"secretKeyRef", "SecretKey"}}},
      {"FieldRef", {{"fieldPath!", "s"}}},
      {"SecretKey", {{"name", "s"}, {"key!", "s"}, {"optional", "b"}}},
      {"Resources", {{"requests", "Q"}, {"limits", "Q"}}},
      {"Probe",
       {{"httpGet", "HttpGet"}, {"tcpSocket", "TcpSocket"}, {"periodSeconds", "i"}, {"timeoutSeconds", "i"}, {"failureThreshold", "i"}}},
      {"HttpGet", {{"path", "s"}, {"port!", "p"}}},
      {"TcpSocket", {{"port!", "p"}}},
      {"Security", {{"allowPrivilegeEscalation", "b"}, {"readOnlyRootFilesystem", "b"}, {"capabilities", "Capabilities"}}},
      {"Capabilities", {{"drop", "[s]"}}},
      {"Mount", {{"name!", "s"}, {"mountPath!", "s"}, {"readOnly", "b"}}},
      {"SecretVolume", {{"secretName!", "s"}, {"defaultMode", "i"}, {"optional", "b"}}},
      {"Volume", {{"name!", "s"}, {"configMap", "ConfigMapVolume"}, {"secret", "SecretVolume"}, {"persistentVolumeClaim", "Claim"}, {"emptyDir", "EmptyDir"}}},
      {"ConfigMapVolume", {{"name", "s"}}},
      {"Claim", {{"claimName!", "s"}, {"readOnly", "b"}}},
      {"EmptyDir", {}},
      {"v1 Service", {{"apiVersion!", "s"}, {"kind!", "s"}, {"metadata!", "Meta"}, {"spec!", "ServiceSpec"}}},
      {"ServiceSpec", {{"clusterIP", "s"}, {"publishNotReadyAddresses", "b"}, {"selector", "m"}, {"ports!", "[ServicePort]"}}},
      {"ServicePort", {{"name", "s"}, {"port!", "i"}, {"targetPort", "p"}}},
      {"policy/v1 PodDisruptionBudget", {{"apiVersion!", "s"}, {"kind!", "s"}, {"metadata!", "Meta"}, {"spec!", "BudgetSpec"}}},
      {"BudgetSpec", {{"maxUnavailable", "p"}, {"unhealthyPodEvictionPolicy", "s"}, {"selector", "Selector"}}},
      {"v1 ServiceAccount", {{"apiVersion!", "s"}, {"kind!", "s"}, {"metadata!", "Meta"}, {"automountServiceAccountToken", "b"}}},
      {"v1 ConfigMap", {{"apiVersion!", "s"}, {"kind!", "s"}, {"metadata!", "Meta"}, {"data", "m"}}},
      {"coordination.k8s.io/v1 Lease", {{"apiVersion!", "s"}, {"kind!", "s"}, {"metadata!", "Meta"}}},
      {"rbac.authorization.k8s.io/v1 Role", {{"apiVersion!", "s"}, {"kind!", "s"}, {"metadata!", "Meta"}, {"rules!", "[PolicyRule]"}}},
      {"PolicyRule", {{"apiGroups!", "[s]"}, {"resources!", "[s]"}, {"resourceNames", "[s]"}, {"verbs!", "[s]"}}},
      {"rbac.authorization.k8s.io/v1 RoleBinding",
       {{"apiVersion!", "s"}, {"kind!", "s"}, {"metadata!", "Meta"}, {"roleRef!", "RoleRef"}, {"subjects!", "[Subject]"}}},
      {"RoleRef", {{"apiGroup!", "s"}, {"kind!", "s"}, {"name!", "s"}}},
      {"Subject", {{"kind!", "s"}, {"name!", "s"}, {"namespace!", "s"}}},
  };
  return structs;
}

// What a YAML 1.2 reader takes a plain scalar for; a quoted one is text.
char KindOf(const YAML::Node& node) {
  if (!node.IsScalar()) return '?';
  const std::string& text = node.Scalar();
  if (node.Tag() == "!") return 's';
  if (text == "true" || text == "false") return 'b';
  if (std::regex_match(text, std::regex("-?[0-9]+"))) return 'i';
  if (std::regex_match(text, std::regex("-?[0-9.]+([eE][-+]?[0-9]+)?"))) return 'f';
  if (text.empty() || text == "null" || text == "~") return 'n';
  return 's';
}

bool IsQuantity(const YAML::Node& node) {
  const char kind = KindOf(node);
  return (kind == 's' || kind == 'i') &&
         std::regex_match(node.Scalar(), std::regex("[0-9]+(\\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?"));
}

void Check(const YAML::Node& node, const std::string& type, const std::string& path, std::vector<std::string>* errors) {
  const auto wrong = [&] { errors->push_back(absl::StrCat(path, " is no ", type)); };
  if (type[0] == '[') {
    if (!node.IsSequence()) return wrong();
    for (std::size_t i = 0; i < node.size(); ++i) {
      Check(node[i], type.substr(1, type.size() - 2), absl::StrCat(path, "[", i, "]"), errors);
    }
    return;
  }
  if (type == "s" || type == "i" || type == "b") {
    if (KindOf(node) != type[0]) wrong();
    return;
  }
  if (type == "p") {
    if (KindOf(node) != 'i' && KindOf(node) != 's') wrong();
    return;
  }
  if (!node.IsMap()) return wrong();
  if (type == "m" || type == "Q") {
    for (const auto& entry : node) {
      const bool fits = type == "m" ? KindOf(entry.second) == 's' : IsQuantity(entry.second);
      if (!fits) errors->push_back(absl::StrCat(path, ".", entry.first.Scalar(), " has a wrong value"));
    }
    return;
  }
  std::map<std::string, int> there;
  const auto& fields = Structs().at(type);
  for (const auto& entry : node) {
    const std::string& name = entry.first.Scalar();
    if (++there[name] > 1) errors->push_back(absl::StrCat(path, ".", name, " is there twice"));
    auto field = fields.find(name);
    if (field == fields.end()) field = fields.find(name + "!");
    if (field == fields.end()) {
      errors->push_back(absl::StrCat(path, ".", name, " is unknown"));
    } else {
      Check(entry.second, field->second, absl::StrCat(path, ".", name), errors);
    }
  }
  for (const auto& [name, unused] : fields) {
    if (name.back() == '!' && there.count(name.substr(0, name.size() - 1)) == 0) {
      errors->push_back(absl::StrCat(path, ".", name, " is missing"));
    }
  }
}

}  // namespace

std::vector<std::string> KubernetesErrors(const std::string& yaml) {
  std::vector<std::string> errors;
  try {
    for (const YAML::Node& document : YAML::LoadAll(yaml)) {
      const std::string type =
          absl::StrCat(document["apiVersion"].as<std::string>(), " ", document["kind"].as<std::string>());
      if (Structs().count(type) == 0) {
        errors.push_back(absl::StrCat("a kind that we do not use: ", type));
      } else {
        Check(document, type, document["kind"].as<std::string>(), &errors);
      }
    }
  } catch (const YAML::Exception& error) {
    errors.push_back(error.what());
  }
  return errors;
}

}  // namespace ps
