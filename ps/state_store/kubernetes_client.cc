#include "ps/state_store/kubernetes_client.h"

#include <google/protobuf/util/json_util.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ps/base/file.h"
#include "ps/base/status_macros.h"
#include "ps/state_store/etcd_client.h"

namespace ps {
namespace {

using google::protobuf::Struct;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr char kAccount[] = "/var/run/secrets/kubernetes.io/serviceaccount";
constexpr milliseconds kTryLimit{5000};
constexpr milliseconds kFirstPause{100};
constexpr milliseconds kLongestPause{2000};

absl::Status Refusal(const std::string& what, const WebAnswer& answer, const Struct& body) {
  const auto text = body.fields().find("message");
  const std::string message =
      absl::StrCat(what, ": HTTP ", answer.status, " ",
                   text == body.fields().end() ? "" : text->second.string_value());
  switch (answer.status) {
    case 401:
    case 403:
      return absl::PermissionDeniedError(message);
    case 404:
      return absl::NotFoundError(message);
    case 409:
      return absl::AbortedError(message);
    case 410:
      return absl::UnavailableError(message);
    default:
      break;
  }
  if (answer.status == 429 || answer.status >= 500) return absl::UnavailableError(message);
  return absl::InvalidArgumentError(message);
}

milliseconds PauseOf(const WebAnswer& answer, milliseconds otherwise) {
  const auto header = answer.headers.find("retry-after");
  int seconds = 0;
  if (header == answer.headers.end()) return otherwise;
  const std::string& text = header->second;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), seconds);
  return parsed.ec == std::errc() && seconds >= 0 ? std::chrono::seconds(seconds) : otherwise;
}

}  // namespace

absl::StatusOr<KubernetesAccess> AccessFromPod() {
  const char* host = std::getenv("KUBERNETES_SERVICE_HOST");
  const char* port = std::getenv("KUBERNETES_SERVICE_PORT");
  if (host == nullptr || port == nullptr) {
    return absl::FailedPreconditionError(
        "not in a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set");
  }
  KubernetesAccess access;
  const bool v6 = absl::StrContains(host, ":");
  access.server = absl::StrCat("https://", v6 ? "[" : "", host, v6 ? "]" : "", ":", port);
  const char* given = std::getenv("PS_SERVICE_ACCOUNT");
  const std::string account = given == nullptr ? kAccount : given;
  access.token_file = account + "/token";
  access.ca_file = account + "/ca.crt";
  const absl::StatusOr<std::string> name_space = ReadWholeFile(account + "/namespace");
  if (!name_space.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("no service account is mounted (automountServiceAccountToken): ",
                     name_space.status().message()));
  }
  access.name_space = std::string(absl::StripAsciiWhitespace(*name_space));
  return access;
}

std::string ThisPod() {
  if (const char* given = std::getenv("POD_NAME"); given != nullptr && *given != '\0') return given;
  char name[256] = {};
  return ::gethostname(name, sizeof(name) - 1) == 0 ? name : "unknown";
}

Struct JsonPart(const Struct& object, std::string_view name) {
  const google::protobuf::Value* value = JsonMember(object, name);
  return value == nullptr ? Struct() : value->struct_value();
}

std::string ResourceVersion(const Struct& object) {
  return JsonText(JsonPart(object, "metadata"), "resourceVersion");
}

absl::StatusOr<Struct> KubernetesClient::Ask(const Call& call, steady_clock::time_point deadline) {
  const std::string what = absl::StrCat(call.method, " ", access_.server, call.path);
  absl::Status last = absl::DeadlineExceededError(absl::StrCat(what, ": no time left"));
  for (milliseconds pause = kFirstPause;; pause = std::min(pause * 2, kLongestPause)) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now());
    if (left <= milliseconds::zero()) return last;
    PS_ASSIGN_OR_RETURN(const std::string token, ReadWholeFile(access_.token_file));
    const absl::StatusOr<WebAnswer> answer = web_.Ask(
        {.method = call.method,
         .url = absl::StrCat(access_.server, call.path),
         .headers = {{"Authorization", absl::StrCat("Bearer ", absl::StripAsciiWhitespace(token))},
                     {"Accept", "application/json"},
                     {"Content-Type", call.content_type}},
         .body = call.body,
         .limit = std::min(left, kTryLimit)});
    milliseconds wait = pause;
    if (answer.ok()) {
      Struct body;
      const auto parsed = google::protobuf::util::JsonStringToMessage(answer->body, &body);
      if (answer->status >= 200 && answer->status < 300 && parsed.ok()) return body;
      last = Refusal(what, *answer, body);
      const bool again = answer->status != 410 || call.method == "GET";
      if (!absl::IsUnavailable(last) || !again) return last;
      wait = PauseOf(*answer, pause);
    } else {
      last = answer.status();
      if (!absl::IsUnavailable(last) && !absl::IsDeadlineExceeded(last)) return last;
    }
    if (steady_clock::now() + wait >= deadline) return last;
    std::this_thread::sleep_for(wait);
  }
}

}  // namespace ps
