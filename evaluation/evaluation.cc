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
  Run(const Scorer& scorer, const RowParser& parser, const DataFiles& files,
      const EvaluationOptions& options, BadRows* bad_rows)
      : scorer_(scorer),
        parser_(parser),
        predictions_(options.predictions),
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
      parser_.Parse(block.text, TextOrigin{block.file, block.offset}, &rows);
      scorer_.Score(rows, &margins);
      if (!turns_.Wait(block.sequence)) return absl::OkStatus();
      PS_RETURN_IF_ERROR(TakeTurn(rows, margins));
      turns_.Done();
    }
  }

  // By one thread at a time, in data order.
  absl::Status TakeTurn(const RowBlock& rows, const std::vector<float>& margins) {
    bad_rows_.Add(rows);
    PS_RETURN_IF_ERROR(bad_rows_.Check(/*at_end=*/false));
    metrics_.AddRows(margins, rows.label, rows.weight);
    return predictions_ == nullptr ? absl::OkStatus() : predictions_->Append(rows.label, margins);
  }

  const Scorer& scorer_;
  const RowParser& parser_;
  PredictionWriter* const predictions_;
  BadRows& bad_rows_;
  const std::unique_ptr<BlockStream> stream_;
  OrderedTurns turns_;
  MetricState metrics_;  // belongs to the thread whose turn it is

  absl::Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<MetricState> Evaluate(const Scorer& scorer, const RowParser& parser,
                                     const DataFiles& files, const EvaluationOptions& options,
                                     BadRows* bad_rows) {
  Run run(scorer, parser, files, options, bad_rows);
  std::vector<std::thread> others;
  for (int i = 1; i < options.threads; ++i) others.emplace_back([&run] { run.Work(); });
  run.Work();
  for (std::thread& thread : others) thread.join();
  PS_RETURN_IF_ERROR(run.status());
  PS_RETURN_IF_ERROR(bad_rows->Check(/*at_end=*/true));
  return run.TakeMetrics();
}

}  // namespace ps
