#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "ps/base/http_server.h"

namespace ps {

absl::StatusOr<HttpEndpoint> ParseHttpEndpoint(const std::string& text) {
  const auto wrong = [&](const char* what) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\": ", what, "; expected HOST:PORT or :PORT, e.g. :8080"));
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return wrong("there is no port");
  HttpEndpoint endpoint;
  const std::string port = text.substr(colon + 1);
  if (port.empty() || port.find_first_not_of("0123456789") != std::string::npos ||
      !absl::SimpleAtoi(port, &endpoint.port) || endpoint.port > 65535) {
    return wrong("the port is not a number from 0 to 65535");
  }
  std::string host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find_first_of(":/[] ") != std::string::npos) {
    return wrong("this is no host");
  }
  if (!host.empty()) endpoint.host = host;
  return endpoint;
}

}  // namespace ps
