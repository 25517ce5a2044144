#include "serving/model_service.h"

#include <chrono>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "models/bundle/manifest.h"
#include "models/gbdt/json_value.h"
#include "ps/base/seconds.h"
#include "ps/base/status_macros.h"
#include "ps/base/version.h"
#include "serving/infer_request.h"
#include "serving/predict_request.h"
#include "serving/prediction_answer.h"

namespace ps {
namespace {

constexpr std::string_view kModels = "/v1/models/", kPredict = ":predict";
constexpr std::string_view kInference = "/v2/models/", kInfer = "/infer";
constexpr char kJson[] = "application/json";
constexpr char kMetricsType[] = "text/plain; version=0.0.4; charset=utf-8";

HttpResponse Json(std::string body) { return {.type = kJson, .body = std::move(body)}; }

HttpResponse Error(int status, const std::string& what) {
  const std::string text = JsonString(IsUtf8(what) ? what : absl::CHexEscape(what));  // a quote may be cut
  return {.status = status, .type = kJson, .body = absl::StrCat("{\"error\": ", text, "}\n")};
}

int HttpStatusOf(const absl::Status& status) {
  if (absl::IsInvalidArgument(status)) return 400;
  return absl::IsResourceExhausted(status) ? 413 : 500;
}

HttpResponse WrongMethod(const char* method) { return Error(405, absl::StrCat("this is asked for with ", method)); }

HttpResponse UnknownPath() {
  return Error(404, "there are POST /v1/models/NAME:predict, GET /v1/models/NAME, POST /v2/models/NAME/infer, "
                    "GET /v2/models/NAME, /v2/models/NAME/ready, /v2, /v2/health/live, /v2/health/ready, /healthz, "
                    "/readyz and /metrics");
}

HttpResponse UnknownModel(const std::string& served, std::string_view asked) {
  return Error(404, absl::StrCat("the model \"", served, "\" is served here, and not \"", std::string(asked.substr(0, 80)), "\""));
}

// The rest of a path behind the model's name. False: another model is meant.
bool TakeName(const std::string& name, std::string_view* rest) {
  if (rest->substr(0, name.size()) != name) return false;
  const std::string_view behind = rest->substr(name.size());
  if (!behind.empty() && behind.front() != '/' && behind.front() != ':') return false;
  *rest = behind;
  return true;
}

std::string ModelStatus(const ServedModel& model) {
  return absl::StrCat("{\"model_version_status\": [{\"version\": \"", model.version(),
                      "\", \"state\": \"AVAILABLE\", \"status\": {\"error_code\": \"OK\", \"error_message\": \"\"}}]}\n");
}

std::string ServerMetadata() {
  return absl::StrCat("{\"name\": \"hyperplane\", \"version\": \"", kVersion, "\", \"extensions\": []}\n");
}

}  // namespace

bool ModelService::TakesBody(const std::string& path) {
  const std::string_view asked = path;
  return (asked.starts_with(kModels) && asked.ends_with(kPredict)) ||
         (asked.starts_with(kInference) && asked.ends_with(kInfer));
}

HttpResponse ModelService::Answer(const HttpRequest& request) {
  const std::string& path = request.path;
  const std::string_view rest = path;
  if (rest.starts_with(kModels)) return AnswerModels(request, rest.substr(kModels.size()));
  if (rest.starts_with(kInference)) return AnswerInference(request, rest.substr(kInference.size()));
  const bool known = path == "/healthz" || path == "/readyz" || path == "/metrics" || path == "/v2" ||
                     path == "/v2/health/live" || path == "/v2/health/ready";
  if (!known) return UnknownPath();
  if (request.method != "GET") return WrongMethod("GET");
  if (path == "/metrics") return {.type = kMetricsType, .body = metrics_.Text(models_, options_.name)};
  if (path == "/v2") return Json(ServerMetadata());
  if (path == "/readyz" || path == "/v2/health/ready") return Ready();
  return {.body = "ok\n"};
}

HttpResponse ModelService::Ready() const {
  if (draining_.load()) return {.status = 503, .body = "stopping\n"};
  return {.body = "ready\n"};
}

HttpResponse ModelService::AnswerModels(const HttpRequest& request, std::string_view rest) {
  const std::string_view asked = rest.substr(0, rest.find_first_of(":/"));
  if (!TakeName(options_.name, &rest)) return UnknownModel(options_.name, asked);
  if (rest.empty()) {
    if (request.method != "GET") return WrongMethod("GET");
    return Json(ModelStatus(*models_.Current()));
  }
  if (rest != kPredict) return UnknownPath();
  if (request.method != "POST") return WrongMethod("POST");
  return CountAnswer([&](const ServedModel& model, std::size_t* rows) { return PredictInstances(request.body, model, rows); });
}

HttpResponse ModelService::AnswerInference(const HttpRequest& request, std::string_view rest) {
  const std::string_view asked = rest.substr(0, rest.find('/'));
  if (!TakeName(options_.name, &rest)) return UnknownModel(options_.name, asked);
  if (rest == kInfer) {
    if (request.method != "POST") return WrongMethod("POST");
    return CountAnswer([&](const ServedModel& model, std::size_t* rows) { return Infer(request.body, model, rows); });
  }
  if (!rest.empty() && rest != "/ready") return UnknownPath();
  if (request.method != "GET") return WrongMethod("GET");
  return rest.empty() ? Json(ModelMetadata(*models_.Current(), options_.name)) : Ready();
}

HttpResponse ModelService::CountAnswer(const Predict& predict) {
  const auto start = std::chrono::steady_clock::now();
  const std::shared_ptr<const ServedModel> model = models_.Current();
  std::size_t rows = 0;
  absl::StatusOr<std::string> answer = predict(*model, &rows);
  HttpResponse response;
  if (answer.ok()) {
    response = Json(*std::move(answer));
  } else {
    rows = 0;
    response = Error(HttpStatusOf(answer.status()), std::string(answer.status().message()));
    if (response.status == 500) LOG(ERROR) << "a request was not answered: " << answer.status();
  }
  metrics_.CountPredictions(response.status, rows, SecondsSince(start));
  return response;
}

absl::StatusOr<std::string> ModelService::PredictInstances(const std::string& body, const ServedModel& model,
                                                           std::size_t* rows) const {
  RequestRows instances(model, "instances");
  PS_RETURN_IF_ERROR(ReadPredictRequest(body, options_.most_rows, &instances));
  std::vector<float> margins;
  PS_RETURN_IF_ERROR(instances.Score(&margins));
  *rows = instances.rows();
  return PredictAnswer(model, margins);
}

absl::StatusOr<std::string> ModelService::Infer(const std::string& body, const ServedModel& model,
                                                std::size_t* rows) const {
  RequestRows inputs(model, "rows");
  InferRequest request;
  PS_RETURN_IF_ERROR(ReadInferRequest(body, model, options_.most_rows, &request, &inputs));
  std::vector<float> margins;
  PS_RETURN_IF_ERROR(inputs.Score(&margins));
  *rows = inputs.rows();
  return InferAnswer(model, options_.name, request, margins);
}

}  // namespace ps
