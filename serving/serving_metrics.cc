#include "serving/serving_metrics.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ps/base/prometheus_text.h"

namespace ps {
namespace {

double AsDouble(std::uint64_t count) { return static_cast<double>(count); }

}  // namespace

void ServingMetrics::CountPredictions(int http_status, std::size_t rows, double seconds) {
  const auto status = std::find(kStatuses.begin(), kStatuses.end() - 1, http_status) - kStatuses.begin();
  const auto bucket = std::lower_bound(kBounds.begin(), kBounds.end(), seconds) - kBounds.begin();
  requests_[static_cast<std::size_t>(status)].fetch_add(1, std::memory_order_relaxed);
  buckets_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  nanoseconds_.fetch_add(static_cast<std::uint64_t>(seconds * 1e9), std::memory_order_relaxed);
  rows_.fetch_add(rows, std::memory_order_relaxed);
}

std::string ServingMetrics::Text(const ModelWatch& models, const std::string& name) const {
  const std::shared_ptr<const ServedModel> model = models.Current();
  PrometheusText out;
  out.Begin("ps_serve_requests_total", "counter", "Requests for predictions, by the answer's HTTP status.");
  for (std::size_t i = 0; i < kStatuses.size(); ++i) {
    out.Sample(AsDouble(requests_[i].load(std::memory_order_relaxed)), {{"code", absl::StrCat(kStatuses[i])}});
  }
  out.Counter("ps_serve_rows_total", "Rows that were predicted.", AsDouble(rows_.load(std::memory_order_relaxed)));
  std::vector<std::uint64_t> counts;
  for (const auto& bucket : buckets_) counts.push_back(bucket.load(std::memory_order_relaxed));
  out.Histogram("ps_serve_request_seconds", "Time from a request's last byte to its answer being ready.", kBounds,
                counts, AsDouble(nanoseconds_.load(std::memory_order_relaxed)) * 1e-9);
  out.Begin("ps_serve_model_info", "gauge", "Always 1; its labels say which model is served.")
      .Sample(1, {{"model", name}, {"version", model->version()}, {"type", model->info().model_type},
                  {"job", model->info().job_name}});
  out.Gauge("ps_serve_model_loaded_timestamp_seconds", "When that model was opened, in Unix time.", model->opened_at());
  out.Counter("ps_serve_reloads_total", "Models that took the place of the one before.", AsDouble(models.reloads()));
  out.Counter("ps_serve_reload_failures_total", "Attempts to open a model that failed: the old one is served.",
              AsDouble(models.reload_failures()));
  AppendProcessMetrics(&out);
  return out.text();
}

}  // namespace ps
