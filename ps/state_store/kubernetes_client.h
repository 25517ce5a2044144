// Requests to the Kubernetes API server, with the service account of the pod. One thread an object.
#pragma once

#include <google/protobuf/struct.pb.h>

#include <chrono>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "ps/base/web_client.h"

namespace ps {

struct KubernetesAccess {
  std::string server;  // https://HOST:PORT
  std::string name_space;
  std::string token_file;  // read anew for every request: kubelet renews it
  std::string ca_file;
};

// What a pod finds in its environment and in the directory of its service account
// (PS_SERVICE_ACCOUNT, else where kubelet mounts it). FailedPrecondition outside of a pod, or where
// no account is mounted.
absl::StatusOr<KubernetesAccess> AccessFromPod();

// The pod of this process: POD_NAME, else the name of the host, which is the same in a pod.
std::string ThisPod();

class KubernetesClient {
 public:
  explicit KubernetesClient(const KubernetesAccess& access)
      : access_(access), web_({.ca_file = access.ca_file}) {}

  struct Call {
    std::string method = "GET";
    std::string path;  // "/api/v1/namespaces/..."
    std::string body;  // JSON; may be empty
    std::string content_type = "application/json";
  };
  // The object of an answer 2xx. 429 and 5xx are tried again until the deadline, after as long as
  // the server says, and so is a GET with 410: nothing older than the present is asked for here.
  // NotFound 404, Aborted 409 (somebody else was faster), PermissionDenied 401 and 403,
  // InvalidArgument other 4xx; Unavailable and DeadlineExceeded leave open whether it was done.
  absl::StatusOr<google::protobuf::Struct> Ask(const Call& call,
                                               std::chrono::steady_clock::time_point deadline);

  const KubernetesAccess& access() const { return access_; }

 private:
  const KubernetesAccess access_;
  WebClient web_;
};

// Members of an answer, and what they mean. An object that is absent is empty.
google::protobuf::Struct JsonPart(const google::protobuf::Struct& object, std::string_view name);
std::string ResourceVersion(const google::protobuf::Struct& object);

}  // namespace ps
