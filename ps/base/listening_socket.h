// A TCP socket that listens. Any thread.
#pragma once

#include "absl/status/statusor.h"
#include "ps/base/http_server.h"

namespace ps {

// Its descriptor, which is the caller's to close. Unavailable: the port is taken, or nobody answers for the name now;
// InvalidArgument: this machine cannot listen there.
absl::StatusOr<int> OpenListeningSocket(const HttpEndpoint& endpoint);

// The port that it has got. 0: it is no such socket.
int PortOf(int listening);

}  // namespace ps
