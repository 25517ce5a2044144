// Real etcd nodes on this machine, for one test.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ps/base/web_client.h"
#include "ps/state_store/etcd_client.h"
#include "tests/bundle/scratch_directory.h"

namespace ps {

inline int FreePort() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof address;
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), bytes) != 0) std::abort();
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &bytes);
  ::close(fd);
  return ntohs(address.sin_port);
}

class EtcdCluster {
 public:
  static bool Installed() {
    return ::access("/usr/bin/etcd", X_OK) == 0 || ::access("/usr/local/bin/etcd", X_OK) == 0;
  }

  explicit EtcdCluster(int nodes) {
    std::vector<std::string> peers;
    for (int node = 0; node < nodes; ++node) {
      peer_urls_.push_back(absl::StrCat("http://127.0.0.1:", FreePort()));
      endpoints_.push_back(absl::StrCat("http://127.0.0.1:", FreePort()));
      peers.push_back(absl::StrCat("n", node, "=", peer_urls_.back()));
    }
    initial_ = absl::StrJoin(peers, ",");
    pids_.assign(static_cast<std::size_t>(nodes), -1);
    for (int node = 0; node < nodes; ++node) Start(node);
  }
  ~EtcdCluster() {
    for (std::size_t node = 0; node < pids_.size(); ++node) Kill(static_cast<int>(node));
  }

  const std::vector<std::string>& endpoints() const { return endpoints_; }

  void Start(int node) {
    const std::string log = scratch_ / absl::StrCat("log", node);
    const pid_t pid = ::fork();
    if (pid == 0) {
      const int fd = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
      ::dup2(fd, 1);
      ::dup2(fd, 2);
      ::setenv("ETCD_UNSUPPORTED_ARCH", "arm64", 0);
      const std::string name = absl::StrCat("n", node), data = scratch_ / ("data" + name);
      ::execlp("etcd", "etcd", "--name", name.c_str(), "--data-dir", data.c_str(),
               "--listen-peer-urls", peer_urls_[node].c_str(), "--initial-advertise-peer-urls",
               peer_urls_[node].c_str(), "--listen-client-urls", endpoints_[node].c_str(),
               "--advertise-client-urls", endpoints_[node].c_str(), "--initial-cluster",
               initial_.c_str(), nullptr);
      ::_exit(127);
    }
    pids_[static_cast<std::size_t>(node)] = pid;
  }

  void Kill(int node) {
    pid_t& pid = pids_[static_cast<std::size_t>(node)];
    if (pid < 0) return;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    pid = -1;
  }

  // The node that leads, as etcd says; -1 when none does within 10 s.
  int Leader() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (std::chrono::steady_clock::now() < deadline) {
      for (std::size_t node = 0; node < pids_.size(); ++node) {
        if (pids_[node] < 0) continue;
        EtcdClient client({endpoints_[node]}, "");
        const auto status = client.Call("maintenance/status", "{}",
                                        std::chrono::steady_clock::now() + std::chrono::seconds(1));
        if (!status.ok()) continue;
        const std::string leader = JsonText(*status, "leader");
        const auto* header = JsonMember(*status, "header");
        if (leader.empty() || leader == "0" || header == nullptr) continue;
        if (JsonText(header->struct_value(), "member_id") == leader) return static_cast<int>(node);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return -1;
  }

 private:
  const ScratchDirectory scratch_;
  std::vector<std::string> peer_urls_, endpoints_;
  std::string initial_;
  std::vector<pid_t> pids_;
};

}  // namespace ps
