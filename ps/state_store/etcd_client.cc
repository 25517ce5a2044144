#include "ps/state_store/etcd_client.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <charconv>
#include <thread>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace ps {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// A node that does not answer must not take all of the time.
constexpr milliseconds kTryLimit{1500};
constexpr milliseconds kPause{50};

// What gRPC calls it, from the gateway's answer; the HTTP status is coarser.
absl::Status Refusal(const std::string& endpoint, const WebAnswer& answer, const Struct& body) {
  const std::string message = absl::StrCat(
      endpoint, ": ",
      JsonText(body, "message").empty() ? JsonText(body, "error") : JsonText(body, "message"));
  switch (JsonInteger(body, "code")) {
    case 3:
      return absl::InvalidArgumentError(message);
    case 5:
      return absl::NotFoundError(message);
    case 8:
      return absl::ResourceExhaustedError(message);
    case 7:
    case 16:
      return absl::PermissionDeniedError(message);
    default:
      return absl::UnavailableError(absl::StrCat(message, " (HTTP ", answer.status, ")"));
  }
}

}  // namespace

absl::StatusOr<Struct> EtcdClient::Call(const std::string& method, const std::string& json,
                                        steady_clock::time_point deadline) {
  absl::Status last = absl::InvalidArgumentError("no etcd endpoints");
  for (std::size_t tries = 0; !endpoints_.empty(); ++tries) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now());
    if (left <= milliseconds::zero()) break;
    const std::string& endpoint = endpoints_[current_ % endpoints_.size()];
    const absl::StatusOr<WebAnswer> answer =
        web_.Ask({.method = "POST",
                  .url = absl::StrCat(endpoint, "/v3/", method),
                  .headers = {{"Content-Type", "application/json"}},
                  .body = json,
                  .limit = std::min(left, kTryLimit)});
    if (answer.ok()) {
      Struct body;
      const auto parsed = google::protobuf::util::JsonStringToMessage(answer->body, &body);
      if (answer->status == 200 && parsed.ok()) return body;
      last = Refusal(endpoint, *answer, body);
      if (!absl::IsUnavailable(last)) return last;
    } else {
      last = answer.status();
      if (absl::IsInvalidArgument(last) || absl::IsUnauthenticated(last)) return last;
    }
    ++current_;
    if (tries % endpoints_.size() == endpoints_.size() - 1) std::this_thread::sleep_for(kPause);
  }
  return last;
}

const Value* JsonMember(const Struct& object, std::string_view name) {
  const auto found = object.fields().find(std::string(name));
  return found == object.fields().end() ? nullptr : &found->second;
}

std::string JsonText(const Struct& object, std::string_view name) {
  const Value* value = JsonMember(object, name);
  return value == nullptr ? "" : value->string_value();
}

std::uint64_t JsonInteger(const Struct& object, std::string_view name) {
  const Value* value = JsonMember(object, name);
  if (value == nullptr) return 0;
  if (value->kind_case() == Value::kNumberValue) {
    const double number = value->number_value();
    return number >= 0 && number < 9e15 ? static_cast<std::uint64_t>(number) : 0;
  }
  std::uint64_t integer = 0;
  const std::string& text = value->string_value();
  std::from_chars(text.data(), text.data() + text.size(), integer);
  return integer;
}

bool JsonTrue(const Struct& object, std::string_view name) {
  const Value* value = JsonMember(object, name);
  return value != nullptr && value->bool_value();
}

std::string JsonBytes(std::string_view bytes) {
  std::string text;
  absl::Base64Escape(absl::string_view(bytes.data(), bytes.size()), &text);
  return absl::StrCat("\"", text, "\"");
}

}  // namespace ps
