// A strict fake of the Kubernetes API server (kubernetes_api.py), for one test. Its controller runs
// the pods of Deployments as processes, which end with it.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "ps/state_store/kubernetes_client.h"
#include "tests/bundle/scratch_directory.h"

namespace ps {

class FakeKubernetes {
 public:
  FakeKubernetes() {
    const std::string make = absl::StrCat(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -addext "
        "subjectAltName=IP:127.0.0.1 -keyout ",
        account_ / "key", " -out ", account_ / "ca.crt", " 2>/dev/null");
    if (std::system(make.c_str()) != 0) return;
    std::ofstream(account_ / "token") << "secret-token\n";
    std::ofstream(account_ / "administrator") << "secret-token-of-the-administrator";
    std::ofstream(account_ / "namespace") << "training";
    const char* source = std::getenv("PS_SOURCE_DIR");
    const std::string script =
        absl::StrCat(source == nullptr ? "." : source, "/tests/state_store/kubernetes_api.py");
    int out[2];
    if (::pipe(out) != 0) return;
    pid_ = ::fork();
    if (pid_ == 0) {
      ::setpgid(0, 0);
      ::dup2(out[1], 1);
      const std::string cert = account_ / "ca.crt", key = account_ / "key";
      ::execlp("python3", "python3", script.c_str(), cert.c_str(), key.c_str(), "secret-token",
               nullptr);
      ::_exit(127);
    }
    ::setpgid(pid_, pid_);  // whoever of the two comes first
    ::close(out[1]);
    std::string text;
    char byte;
    while (::read(out[0], &byte, 1) == 1 && byte != '\n') text += byte;
    ::close(out[0]);
    port_ = std::atoi(text.substr(text.rfind(':') + 1).c_str());
  }
  ~FakeKubernetes() {
    if (pid_ < 0) return;
    ::kill(-pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  bool running() const { return port_ > 0; }  // else openssl is not installed
  const ScratchDirectory& account() const { return account_; }
  KubernetesAccess Access() const {
    return {absl::StrCat("https://127.0.0.1:", port_), "training", account_ / "token",
            account_ / "ca.crt"};
  }
  // The environment that kubelet gives the processes of a pod: of what is started from now on.
  void EnterPod() const {
    ::setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1", 1);
    ::setenv("KUBERNETES_SERVICE_PORT", absl::StrCat(port_).c_str(), 1);
    ::setenv("PS_SERVICE_ACCOUNT", (account_ / "").c_str(), 1);
  }

  // As somebody who may do everything.
  google::protobuf::Struct Ask(const KubernetesClient::Call& call) const {
    KubernetesAccess access = Access();
    access.token_file = account_ / "administrator";
    const auto answer = KubernetesClient(access).Ask(
        call, std::chrono::steady_clock::now() + std::chrono::seconds(5));
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.value_or(google::protobuf::Struct());
  }
  // The next `times` requests of the method to a path with `path` in it fail; `after`: once they
  // were carried out.
  void MakeFail(const std::string& method, int status, int times, bool after,
                const std::string& path = "") const {
    Ask({.method = "POST",
         .path = "/test/fail",
         .body =
             absl::StrCat("{\"method\":\"", method, "\",\"status\":", status, ",\"times\":", times,
                          ",\"after\":", after ? "true" : "false", ",\"path\":\"", path, "\"}")});
  }

 private:
  const ScratchDirectory account_;
  pid_t pid_ = -1;
  int port_ = 0;
};

}  // namespace ps
