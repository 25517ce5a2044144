#include "evaluation/evaluation.h"

#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "evaluation/ordered_turns.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

class Run {
 public:
  Run(const ScoreText& score, const DataFiles& files, const EvaluationOptions& options, BadRows* bad_rows)
      : score_(score),
        predictions_(options.predictions),
        errors_(options.errors),
        classes_(options.classes),
        bad_rows_(*bad_rows),
        stream_(BlockStream::Create(files, options.block_bytes)) {}

  void Work() {
    const absl::Status status = WorkUntilEnd();
    if (status.ok()) return;
    absl::MutexLock lock(&mutex_);
    status_.Update(status);
    turns_.Stop();
  }

  absl::Status status() {
    absl::MutexLock lock(&mutex_);
    return status_;
  }
  MetricState TakeMetrics() { return std::move(metrics_); }

 private:
  absl::Status WorkUntilEnd() {
    BlockStream::Block block;
    RowBlock rows;
    std::vector<float> margins;
    for (;;) {
      PS_ASSIGN_OR_RETURN(const bool more, stream_->Next(&block));
      if (!more) return absl::OkStatus();
      rows.Clear();
      score_(block.text, TextOrigin{block.file, block.offset}, &rows, &margins);
      if (!turns_.Wait(block.sequence)) return absl::OkStatus();
      PS_RETURN_IF_ERROR(TakeTurn(rows, margins));
      turns_.Done();
    }
  }

  // By one thread at a time, in data order.
  absl::Status TakeTurn(const RowBlock& rows, const std::vector<float>& margins) {
    bad_rows_.Add(rows);
    PS_RETURN_IF_ERROR(bad_rows_.Check(/*at_end=*/false));
    if (errors_ != nullptr) {
      AddErrors(rows, margins);
    } else if (classes_ != nullptr) {
      classes_->AddRows(margins, rows.label, rows.weight);
    } else {
      metrics_.AddRows(margins, rows.label, rows.weight);
    }
    return predictions_ == nullptr ? absl::OkStatus() : predictions_->Append(rows.label, margins);
  }

  void AddErrors(const RowBlock& rows, const std::vector<float>& margins) {
    for (std::size_t r = 0; r < rows.rows(); ++r) {
      const double weight = rows.weight.empty() ? 1 : rows.weight[r];
      const double difference = double{margins[r]} - rows.label[r];
      errors_->sum += weight * difference * difference;
      errors_->weights += weight;
    }
  }

  const ScoreText& score_;
  PredictionWriter* const predictions_;
  SquaredErrors* const errors_;
  ClassMetricState* const classes_;
  BadRows& bad_rows_;
  const std::unique_ptr<BlockStream> stream_;
  OrderedTurns turns_;
  MetricState metrics_;  // belongs to the thread whose turn it is

  absl::Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<MetricState> Evaluate(const ScoreText& score, const DataFiles& files, const EvaluationOptions& options,
                                     BadRows* bad_rows) {
  Run run(score, files, options, bad_rows);
  std::vector<std::thread> others;
  for (int i = 1; i < options.threads; ++i) others.emplace_back([&run] { run.Work(); });
  run.Work();
  for (std::thread& thread : others) thread.join();
  PS_RETURN_IF_ERROR(run.status());
  PS_RETURN_IF_ERROR(bad_rows->Check(/*at_end=*/true));
  return run.TakeMetrics();
}

absl::StatusOr<MetricState> Evaluate(const Scorer& scorer, const RowParser& parser, const DataFiles& files,
                                     const EvaluationOptions& options, BadRows* bad_rows) {
  const ScoreText score = [&](std::string_view text, TextOrigin origin, RowBlock* rows, std::vector<float>* margins) {
    parser.Parse(text, origin, rows);
    scorer.Score(*rows, margins);
  };
  return Evaluate(score, files, options, bad_rows);
}

}  // namespace ps
