#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <random>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "ps/base/status_macros.h"
#include "ps/checkpoint/s3_storage.h"

namespace ps {
namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string AmazonTime() {
  const std::time_t now = std::time(nullptr);
  std::tm parts;
  ::gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &parts);
  return text;
}

bool WorthAnotherTry(const absl::StatusOr<WebAnswer>& answer) {
  if (!answer.ok()) {
    return absl::IsUnavailable(answer.status()) || absl::IsDeadlineExceeded(answer.status());
  }
  return answer->status >= 500 || answer->status == 429;
}

// What the service says, shortened: the code and the message of its XML.
std::string Words(const WebAnswer& answer) {
  std::string words;
  for (const char* tag : {"Code", "Message"}) {
    const std::string open = absl::StrCat("<", tag, ">");
    const std::size_t begin = answer.body.find(open);
    if (begin == std::string::npos) continue;
    const std::size_t end = answer.body.find('<', begin + open.size());
    absl::StrAppend(&words, " ",
                    answer.body.substr(begin + open.size(), end - begin - open.size()));
  }
  return words;
}

}  // namespace

absl::StatusOr<S3Location> S3LocationFrom(const std::string& url, const std::string& endpoint) {
  S3Location location;
  absl::string_view rest = url;
  if (!absl::ConsumePrefix(&rest, "s3://")) {
    return absl::InvalidArgumentError(absl::StrCat(url, ": not s3://BUCKET/PREFIX"));
  }
  const std::size_t slash = rest.find('/');
  location.bucket = std::string(rest.substr(0, slash));
  if (slash != absl::string_view::npos) location.prefix = std::string(rest.substr(slash + 1));
  if (!location.prefix.empty() && location.prefix.back() != '/') location.prefix += '/';
  if (location.bucket.empty()) return absl::InvalidArgumentError(absl::StrCat(url, ": no bucket"));
  location.credentials.access_key = Environment("AWS_ACCESS_KEY_ID");
  location.credentials.secret_key = Environment("AWS_SECRET_ACCESS_KEY");
  location.credentials.session_token = Environment("AWS_SESSION_TOKEN");
  if (location.credentials.access_key.empty() || location.credentials.secret_key.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(url, ": set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"));
  }
  if (const std::string region = Environment("AWS_REGION"); !region.empty()) {
    location.credentials.region = region;
  }
  location.endpoint = endpoint.empty() ? Environment("AWS_ENDPOINT_URL") : endpoint;
  if (location.endpoint.empty()) {
    location.endpoint = absl::StrCat("https://s3.", location.credentials.region, ".amazonaws.com");
  }
  while (absl::EndsWith(location.endpoint, "/")) location.endpoint.pop_back();
  location.ca_file = Environment("AWS_CA_BUNDLE");
  return location;
}

absl::StatusOr<WebAnswer> S3Client::Try(const Call& call) {
  const std::size_t scheme = location_.endpoint.find("://");
  if (scheme == std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(location_.endpoint, ": an endpoint is http[s]://HOST[:PORT]"));
  }
  S3Request request;
  request.method = call.method;
  request.path = absl::StrCat("/", location_.bucket);
  if (!call.name.empty()) absl::StrAppend(&request.path, "/", location_.prefix, call.name);
  request.query = call.query;
  request.payload_sha256 = Sha256Hex(call.body);
  request.headers = {{"host", location_.endpoint.substr(scheme + 3)},
                     {"x-amz-content-sha256", request.payload_sha256},
                     {"x-amz-date", AmazonTime()}};
  if (!call.range.empty()) request.headers["range"] = call.range;
  if (!location_.credentials.session_token.empty()) {
    request.headers["x-amz-security-token"] = location_.credentials.session_token;
  }
  WebRequest web{.method = call.method, .body = call.body, .limit = location_.call_limit};
  web.url = absl::StrCat(location_.endpoint, PercentEncode(request.path, true));
  if (!request.query.empty()) absl::StrAppend(&web.url, "?", S3Query(request.query));
  web.headers = {{"Authorization", S3Authorization(request, location_.credentials)},
                 {"Content-Type", ""}};
  for (const auto& header : request.headers) {
    if (header.first != "host") web.headers.push_back(header);
  }
  return web_.Ask(web);
}

absl::StatusOr<WebAnswer> S3Client::Do(const Call& call) {
  thread_local std::minstd_rand random(std::random_device{}());
  std::chrono::milliseconds pause = location_.first_pause;
  absl::StatusOr<WebAnswer> answer = Try(call);
  for (int tries = 1; tries < location_.tries && WorthAnotherTry(answer); ++tries) {
    // Half of the pause is by chance, so that many servers do not come back at once.
    std::this_thread::sleep_for(pause / 2 + pause * (random() % 1000) / 2000);
    pause *= 2;
    answer = Try(call);
  }
  PS_RETURN_IF_ERROR(answer.status());
  const int status = answer->status;
  if (status >= 200 && status < 300) return answer;
  const std::string message =
      absl::StrCat(call.method, " s3://", location_.bucket, "/", location_.prefix, call.name,
                   ": HTTP ", status, Words(*answer));
  if (status == 404) return absl::NotFoundError(message);
  if (status == 401 || status == 403) return absl::PermissionDeniedError(message);
  if (status == 416) return absl::DataLossError(message);
  if (status == 429 || status >= 500) return absl::UnavailableError(message);
  return absl::InvalidArgumentError(message);
}

}  // namespace ps
