#include "ps/base/web_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <mutex>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"

namespace ps {
namespace {

struct Receiver {
  WebAnswer answer;
  std::size_t most_body_bytes = 0;
  bool too_large = false;
};

std::size_t OnBody(char* data, std::size_t, std::size_t bytes, void* to) {
  auto* receiver = static_cast<Receiver*>(to);
  if (bytes > receiver->most_body_bytes - receiver->answer.body.size()) {
    receiver->too_large = true;
    return 0;  // ends the transfer
  }
  receiver->answer.body.append(data, bytes);
  return bytes;
}

std::size_t OnHeader(char* data, std::size_t, std::size_t bytes, void* to) {
  auto* receiver = static_cast<Receiver*>(to);
  const std::string_view line(data, bytes);
  if (line.substr(0, 5) == "HTTP/") {
    receiver->answer.headers.clear();  // those before were of a 100 Continue
  } else if (const std::size_t colon = line.find(':'); colon != std::string_view::npos) {
    const std::string name = absl::AsciiStrToLower(std::string(line.substr(0, colon)));
    receiver->answer.headers[name] =
        std::string(absl::StripAsciiWhitespace(std::string(line.substr(colon + 1))));
  }
  return bytes;
}

std::string HostOf(const std::string& url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string::npos) return url;
  return url.substr(0, url.find_first_of("/?", scheme + 3));
}

absl::Status CurlError(CURLcode code, const WebRequest& request, const char* detail) {
  const std::string message = absl::StrCat(request.method, " ", HostOf(request.url), ": ",
                                           *detail != 0 ? detail : curl_easy_strerror(code));
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return absl::DeadlineExceededError(message);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return absl::InvalidArgumentError(message);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return absl::UnauthenticatedError(message);
    default:
      return absl::UnavailableError(message);
  }
}

}  // namespace

struct WebClient::Handle {
  CURL* curl = nullptr;
};

WebClient::WebClient(const Options& options)
    : options_(options), handle_(std::make_unique<Handle>()) {
  static std::once_flag once;
  std::call_once(once, [] { CHECK_EQ(curl_global_init(CURL_GLOBAL_DEFAULT), CURLE_OK); });
  handle_->curl = curl_easy_init();
  CHECK(handle_->curl != nullptr);
}

WebClient::~WebClient() { curl_easy_cleanup(handle_->curl); }

absl::StatusOr<WebAnswer> WebClient::Ask(const WebRequest& request) {
  CURL* curl = handle_->curl;
  curl_easy_reset(curl);  // keeps connections
  Receiver receiver;
  receiver.most_body_bytes = options_.most_body_bytes;
  char detail[CURL_ERROR_SIZE] = {};
  curl_slist* headers = nullptr;
  for (const auto& [name, value] : request.headers) {
    // "Name:" takes away a header that curl would send by itself.
    headers = curl_slist_append(
        headers, (value.empty() ? name + ":" : absl::StrCat(name, ": ", value)).c_str());
  }
  headers = curl_slist_append(headers, "Expect:");  // no waiting for 100 Continue
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_NOPROXY, "127.0.0.1,localhost");
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(request.limit.count()));
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(std::min<std::int64_t>(request.limit.count(), 5000)));
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, OnBody);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &receiver);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, OnHeader);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &receiver);
  if (!options_.ca_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, options_.ca_file.c_str());
  if (request.method == "HEAD") {
    curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  } else if (request.method != "GET" || !request.body.empty()) {
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    if (request.method != "DELETE" || !request.body.empty()) {
      curl_easy_setopt(curl, CURLOPT_POSTFIELDS,
                       request.body.data() == nullptr ? "" : request.body.data());
      curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                       static_cast<curl_off_t>(request.body.size()));
    }
  }
  const CURLcode code = curl_easy_perform(curl);
  curl_slist_free_all(headers);
  if (receiver.too_large) {
    return absl::ResourceExhaustedError(absl::StrCat(request.method, " ", HostOf(request.url),
                                                     ": an answer above ", options_.most_body_bytes,
                                                     " bytes"));
  }
  if (code != CURLE_OK) return CurlError(code, request, detail);
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  receiver.answer.status = static_cast<int>(status);
  return std::move(receiver.answer);
}

std::string PercentEncode(std::string_view text, bool keep_slashes) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || c == '-' || c == '.' || c == '_' || c == '~' ||
        (keep_slashes && c == '/')) {
      encoded += c;
    } else {
      encoded += '%';
      encoded += kDigits[byte >> 4];
      encoded += kDigits[byte & 15];
    }
  }
  return encoded;
}

}  // namespace ps
