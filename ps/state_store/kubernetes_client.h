// Requests to the Kubernetes API server, with the service account of the pod. One thread an object.
#pragma once

#include <google/protobuf/struct.pb.h>

#include <chrono>
#include <string>

#include "absl/status/statusor.h"
#include "ps/base/web_client.h"

namespace ps {

struct KubernetesAccess {
  std::string server;  // https://HOST:PORT
  std::string name_space;
  std::string token_file;  // read anew for every request: kubelet renews it
  std::string ca_file;
};

// What a pod finds in its environment and under /var/run/secrets. FailedPrecondition outside of a
// pod.
absl::StatusOr<KubernetesAccess> AccessFromPod();

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
  // the server says. NotFound 404, Aborted 409 (somebody else was faster), OutOfRange 410,
  // PermissionDenied 401 and 403, InvalidArgument other 4xx; Unavailable and DeadlineExceeded leave
  // open whether it was done.
  absl::StatusOr<google::protobuf::Struct> Ask(const Call& call,
                                               std::chrono::steady_clock::time_point deadline);

  const KubernetesAccess& access() const { return access_; }

 private:
  const KubernetesAccess access_;
  WebClient web_;
};

}  // namespace ps
