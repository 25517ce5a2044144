// One HTTP request to a control server, for ps_ctl. Plain HTTP, as the server speaks it; any
// thread.
#pragma once

#include <chrono>
#include <string>

#include "absl/status/statusor.h"

namespace ps {

struct HttpAnswer {
  int status = 0;
  std::string body;
};

struct HttpQuestion {
  std::string url;  // http://HOST:PORT, of the job
  std::string method = "GET";
  std::string target = "/";  // path and query, encoded
  std::string token;         // bearer; may be empty
  std::chrono::milliseconds limit = std::chrono::seconds(10);
};
// InvalidArgument: not such a URL. Unavailable: nothing listens there. DeadlineExceeded: no whole
// answer within the limit. DataLoss: what came was no HTTP.
absl::StatusOr<HttpAnswer> AskHttp(const HttpQuestion& question);

}  // namespace ps
