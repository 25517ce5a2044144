// The HTTP face of a running job: status and metrics for all, commands for those who may.
//
//   GET  /metrics /healthz /readyz /status[?format=text]
//   POST /scale?servers=N&workers=N  /drain?node=N  /checkpoint  /stop
//
// With a token, commands need "Authorization: Bearer TOKEN". Without one they are taken from this
// host only. Never from a web page. Commands are answered in plain text, by what came of them.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "scheduler/cluster_command.h"
#include "ps/base/http_server.h"
#include "trainer/control/status_board.h"

namespace ps {

class ControlServer {
 public:
  // Called in a thread of the server; may block. Its codes become the HTTP status.
  using Command = std::function<absl::StatusOr<std::string>(const ClusterCommand&)>;
  struct Options {
    HttpEndpoint endpoint;
    std::string token;  // empty: none
  };
  // `board` must outlive it.
  static absl::StatusOr<std::unique_ptr<ControlServer>> Start(const Options& options,
                                                              const StatusBoard* board,
                                                              Command command);

  const std::string& url() const { return server_->url(); }

 private:
  std::unique_ptr<HttpServer> server_;
};

// The answers without the sockets.
HttpResponse AnswerControl(const HttpRequest& request, const std::string& token,
                           const StatusBoard& board, const ControlServer::Command& command);

}  // namespace ps
