// A job in pods: a strict fake of the Kubernetes API server, whose controller runs the servers and workers as processes,
// and rows of which every occurrence of every feature counts once.
#pragma once

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ps/wire/zeromq_transport.h"
#include "tests/end_to_end/counted_data.h"
#include "tests/end_to_end/program.h"
#include "tests/end_to_end/watched_job.h"
#include "tests/state_store/fake_kubernetes.h"

namespace ps {

inline constexpr int kRows = 20000;
inline const int kPasses = kSanitized ? 30 : 60;
inline constexpr char kUid[] = "12345678-0000";  // of the Job

inline std::string Json(const YAML::Node& node) {
  std::vector<std::string> parts;
  if (node.IsMap()) {
    for (const auto& field : node) {
      parts.push_back(absl::StrCat("\"", field.first.Scalar(), "\":", Json(field.second)));
    }
    return absl::StrCat("{", absl::StrJoin(parts, ","), "}");
  }
  if (node.IsSequence()) {
    for (const YAML::Node& item : node) parts.push_back(Json(item));
    return absl::StrCat("[", absl::StrJoin(parts, ","), "]");
  }
  const bool flag = node.Scalar() == "true" || node.Scalar() == "false";
  return flag && node.Tag() != "!" ? node.Scalar() : absl::StrCat("\"", node.Scalar(), "\"");
}

class PodsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!api_.running()) GTEST_SKIP() << "openssl is not installed";
    api_.EnterPod();
    const auto transport = OpenZeroMqTransport({.bind = "tcp://127.0.0.1:0"});
    ASSERT_TRUE(transport.ok());
    listen_ = (*transport)->endpoint();
    WriteText(place_ / "job.yaml",
              absl::StrCat(
                  "job: ctr\ndata: {train: {files: ['", place_ / "train.svm",
                  "']}}\nmodel: ", CountedData::kModel, "\ncheckpoint: {dir: ckpt, every: 0.5}\n",
                  "train: {passes: ", kPasses, "}\noutput: {dir: out}\n",
                  "cluster: {servers: 2, workers: 2, state: 'kubernetes://ctr-state', http: "
                  "'127.0.0.1:0'}\n"));
    api_.Ask({.method = "POST",
              .path = "/test/job",
              .body = absl::StrCat("{\"name\":\"ctr\",\"uid\":\"", kUid, "\"}")});
    GiveRenderedObjects();
  }

  // The scheduler has the rights that are rendered for such a job, to objects that are rendered.
  void GiveRenderedObjects() {
    const Finished rendered = RunProgram(
        "ps_train",
        {"--config", "job.yaml", "--render", "kubernetes", "--set", "cluster.state=''", "--set",
         "kubernetes={namespace: training, image: i, data_claim: d, output_claim: o}", "--set",
         "output.dir=/models/ctr", "--owner_uid", kUid},
        place_.path());
    ASSERT_EQ(rendered.exit_code, 0) << rendered.err;
    for (const YAML::Node& object : YAML::LoadAll(rendered.out)) {
      const std::string kind = object["kind"].as<std::string>();
      if (kind == "Role") role_ = object["rules"];
      if (object["metadata"]["name"].as<std::string>() != "ctr-state") continue;
      api_.Ask({.method = "POST",
                .path = absl::StrCat(
                    kind == "Lease" ? "/apis/" : "/api/", object["apiVersion"].as<std::string>(),
                    "/namespaces/training/", kind == "Lease" ? "leases" : "configmaps"),
                .body = Json(object)});
    }
    SetRole(role_);
  }
  void SetRole(const YAML::Node& rules) const {
    api_.Ask({.method = "POST", .path = "/test/role", .body = Json(rules)});
  }

  // A Deployment of the controller, whose pods run the program.
  void Deploy(const std::string& name, const std::string& program, int replicas) const {
    api_.Ask({.method = "POST",
              .path = "/test/deployment",
              .body = absl::StrCat("{\"name\":\"", name, "\",\"replicas\":", replicas,
                                   ",\"command\":[\"", std::getenv("PS_BIN_DIR"), "/", program,
                                   "\",\"--scheduler=", listen_, "\",\"--minloglevel=2\"]}")});
  }

  // A pod of the Job.
  std::unique_ptr<Program> Scheduler(const std::string& pod,
                                     const std::vector<std::string>& more = {}) const {
    ::setenv("POD_NAME", pod.c_str(), 1);
    std::vector<std::string> arguments = {"--config", "job.yaml",      "--listen",
                                          listen_,    "--deployments", "ctr"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return std::make_unique<Program>("ps_train", arguments, place_.path());
  }

  struct Pod {
    std::string owner;
    double cost = 0, restarts = 0;
    bool terminating = false;
  };
  std::map<std::string, Pod> Pods() const {
    std::map<std::string, Pod> pods;
    const auto answer = api_.Ask({.path = "/test/pods"});
    for (const auto& value : answer.fields().at("pods").list_value().values()) {
      const auto& pod = value.struct_value().fields();
      pods[pod.at("name").string_value()] = {
          pod.at("owner").string_value(), pod.at("cost").number_value(),
          pod.at("restarts").number_value(), pod.at("terminating").bool_value()};
    }
    return pods;
  }
  std::set<std::string> Hosts(const std::string& kind) const {
    std::set<std::string> hosts;
    for (const JsonValue& node : job_.Living(kind)) hosts.insert(node.members.at("host").text);
    return hosts;
  }

  const Workplace place_;
  const CountedData data_{place_, kRows};
  const WatchedJob job_{place_};
  const FakeKubernetes api_;
  std::string listen_;
  YAML::Node role_;  // its rules
};

}  // namespace ps
