// The HTTP interface of a served model, without sockets.
//
//   POST /v1/models/NAME:predict    GET /v1/models/NAME            as TensorFlow Serving has them
//   POST /v2/models/NAME/infer      GET /v2/models/NAME[/ready]    the Open Inference Protocol
//   GET  /v2   /v2/health/live   /v2/health/ready   /healthz   /readyz   /metrics
//
// Any thread. A request is answered by one model, that which is current when it comes. Errors are
// {"error": "..."}: 400 for a request that is wrong, 404 for another model or path, 413 for too many rows or cells.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "ps/base/http_server.h"
#include "serving/model_watch.h"
#include "serving/serving_metrics.h"

namespace ps {

class ModelService {
 public:
  struct Options {
    std::string name;             // of the model, as it stands in paths
    std::size_t most_rows = 4096;  // of a request
  };
  // `models` must outlive it.
  ModelService(const Options& options, const ModelWatch* models) : options_(options), models_(*models) {}

  HttpResponse Answer(const HttpRequest& request);
  // Whether a POST there asks for predictions: other requests have no body.
  static bool TakesBody(const std::string& path);
  // From now on it is not ready: no new requests should be sent to it.
  void Drain() { draining_.store(true); }

 private:
  using Predict = std::function<absl::StatusOr<std::string>(const ServedModel& model, std::size_t* rows)>;

  HttpResponse AnswerModels(const HttpRequest& request, std::string_view rest);
  HttpResponse AnswerInference(const HttpRequest& request, std::string_view rest);
  HttpResponse Ready() const;
  HttpResponse CountAnswer(const Predict& predict);
  absl::StatusOr<std::string> PredictInstances(const std::string& body, const ServedModel& model, std::size_t* rows) const;
  absl::StatusOr<std::string> Infer(const std::string& body, const ServedModel& model, std::size_t* rows) const;

  const Options options_;
  const ModelWatch& models_;
  ServingMetrics metrics_;
  std::atomic<bool> draining_ = false;
};

}  // namespace ps
