// HTTP and HTTPS requests, for object storage, etcd and the Kubernetes API server. libcurl behind
// it, in one file.
//
// Blocking, with a deadline for each request; one thread an object, which keeps its connection for
// the next request. A status of 4xx or 5xx is an answer, not an error. Errors: Unavailable when
// nobody answers or the connection breaks (what was asked may have been done), DeadlineExceeded,
// Unauthenticated when the server's certificate is not trusted, InvalidArgument for a malformed
// URL, ResourceExhausted for an answer above the limit. They name the host.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace ps {

struct WebRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;  // with an empty value: left out
  std::string_view body;  // must live until the answer
  std::chrono::milliseconds limit = std::chrono::seconds(10);
};

struct WebAnswer {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

class WebClient {
 public:
  struct Options {
    std::string ca_file;  // of the only certificate authorities trusted; empty: the system's
    std::size_t most_body_bytes = std::size_t{1} << 30;
  };
  explicit WebClient(const Options& options);
  WebClient() : WebClient(Options()) {}
  ~WebClient();
  WebClient(const WebClient&) = delete;
  WebClient& operator=(const WebClient&) = delete;

  absl::StatusOr<WebAnswer> Ask(const WebRequest& request);

 private:
  struct Handle;
  const Options options_;
  std::unique_ptr<Handle> handle_;
};

// Percent-encodes all but A-Z a-z 0-9 - . _ ~ (RFC 3986), and all but '/' too when `keep_slashes`.
std::string PercentEncode(std::string_view text, bool keep_slashes = false);

}  // namespace ps
