// Rows that workers report, good and malformed, and when these are too many.
#include <cstring>
#include <vector>

#include "models/data/bad_rows.h"
#include "scheduler/scheduler_machine.h"

namespace ps {

// `stats` is well-formed.
void SchedulerMachine::CountBatch(const wire::Progress& progress, const wire::Progress::BatchStats& stats) {
  const bool first_time = books_.FirstTime(ledger_.pass(), progress.chunk(), stats.batch());
  const std::size_t rows = stats.labels().size();
  const bool weighted = !stats.weights().empty();
  std::vector<float> margins(rows * lanes_);
  std::vector<float> weights(weighted ? rows : 0);
  if (rows > 0) std::memcpy(margins.data(), stats.margins().data(), margins.size() * 4);
  if (weighted) std::memcpy(weights.data(), stats.weights().data(), rows * 4);
  const auto* labels = reinterpret_cast<const std::uint8_t*>(stats.labels().data());
  if (lanes_ > 1) {
    events_->OnLanes({ledger_.pass(), progress.chunk(), stats.batch(), progress.batches(), margins,
                      absl::MakeConstSpan(labels, rows), weights, !first_time});
    const std::size_t lane = UsableLane(margins);
    for (std::size_t i = 0; i < rows; ++i) margins[i] = margins[i * lanes_ + lane];
    margins.resize(rows);
  }
  if (!first_time) return;
  PassReport& report = books_.Of(ledger_.pass());
  for (std::size_t i = 0; i < rows; ++i) {
    report.progressive.Add(margins[i], labels[i], weighted ? weights[i] : 1.0f);
  }
  report.counts.learnt += rows;
  rows_learnt_ += rows;
  events_->OnLearnt({report.pass, margins, absl::MakeConstSpan(labels, rows), weights, ledger_.Fraction(), Entries()});
}

void SchedulerMachine::CountRows(const wire::ChunkRows& rows) {
  PassCounts& counts = books_.Of(ledger_.pass()).counts;
  counts.lines += rows.lines();
  counts.rows += rows.rows();
  counts.held_out += rows.held_out();
  counts.dropped += rows.dropped();
  counts.bad += rows.bad();
  for (const wire::ChunkRows::BadExample& bad : rows.bad_examples()) {
    if (bad.file() >= static_cast<std::uint32_t>(options_.plan.files_size())) continue;
    const BadRow example{bad.file(), bad.offset(), bad.column(), bad.what(), bad.text()};
    KeepFirstBadRows({&example, 1}, &counts.bad_examples);
  }
  constexpr std::uint64_t kRowsForAVerdict = 10000;
  if (counts.rows + counts.bad >= kRowsForAVerdict) CheckBadRows(false);
}

void SchedulerMachine::CheckBadRows(bool at_end) {
  if (phase_ >= Phase::kStopping) return;  // to describe rows costs reading the files
  const PassCounts& counts = books_.Of(ledger_.pass()).counts;
  const std::uint64_t all = counts.rows + counts.bad;
  const auto rows = static_cast<double>(all);
  const bool none_allowed = options_.max_bad_rows <= 0;
  const double most = at_end || none_allowed ? options_.max_bad_rows * rows
                                             : BadRows::MostByChance(options_.max_bad_rows, rows);
  if (static_cast<double>(counts.bad) <= most) return;
  Fail(absl::DataLossError(TooManyBadRows(counts.bad, all, at_end, options_.max_bad_rows, "data.max_bad_rows",
                                          events_->Describe(counts.bad_examples))));
}

}  // namespace ps
