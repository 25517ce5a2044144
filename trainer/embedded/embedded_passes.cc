// A pass: rows are learnt block by block, and lanes of a tuned job are compared.
#include <algorithm>
#include <chrono>
#include <utility>

#include "models/data/bad_rows.h"
#include "ps/base/seconds.h"
#include "ps/base/status_macros.h"
#include "trainer/data_sample.h"
#include "trainer/embedded/embedded_run.h"
#include "trainer/embedded/spool_pass.h"

namespace ps {
namespace {

// Features, repeated ones too, of which 16 lanes take at most a gigabyte.
constexpr std::uint64_t kWideRows = 8'000'000;

}  // namespace

absl::Status EmbeddedTrainer::Run::LearnBlock(const ResolvedBlock& block, const Progress& progress) {
  std::size_t done = 0;
  do {
    std::size_t count = block.rows() - done;
    if (model_.lanes().size() > 1) count = std::min(count, tuner_->RowsToLook());
    PS_RETURN_IF_ERROR(LearnRows(block.View(done, count), progress));
    done += count;
  } while (done < block.rows());
  return absl::OkStatus();
}

absl::Status EmbeddedTrainer::Run::LearnRows(const ResolvedRows& rows, const Progress& progress) {
  PS_RETURN_IF_ERROR(model_.Learn(rows, &margins_));
  return LogRows(rows, progress);
}

absl::Status EmbeddedTrainer::Run::LogRows(const ResolvedRows& rows, const Progress& progress) {
  const absl::Span<const float> labels(rows.labels, rows.rows);
  const absl::Span<const float> weights(rows.weights, rows.weights == nullptr ? 0 : rows.rows);
  const bool race = model_.lanes().size() > 1;
  if (race) {
    tuner_->Observe(margins_, labels, weights);
    KeepLane(Leader(), model_.lanes().size(), &margins_);
  }
  log_.Add(margins_, labels, weights, progress.fraction_read);
  result_.rows_learnt += rows.rows;
  if (race ? tuner_->AllDiverged() : log_.diverged()) {
    return DivergedError(result_.rows_learnt, tuner_ != nullptr);
  }
  if (race) {
    ids_since_decision_ += rows.row_begin[rows.rows] - rows.row_begin[0];
    // Rows may be so wide that memory asks for a decision before their number does.
    const bool wide = model_.lanes().size() > 4 && ids_since_decision_ > kWideRows;
    if (tuner_->IsDue() || (tuner_->deciding() && wide)) {
      ids_since_decision_ = 0;
      PS_RETURN_IF_ERROR(model_.Settle());
      ChangeLanes(tuner_->Decide(progress.pass_rows, model_.LearntFeatures()));
    }
  }
  return absl::OkStatus();
}

void EmbeddedTrainer::Run::ChangeLanes(std::optional<Tuner::Change> change) {
  if (change) model_.ChangeLanes(std::move(change->settings), change->origins);
  if (const std::string news = tuner_->TakeNews(); !news.empty()) log_.Say(news);
}

absl::Status EmbeddedTrainer::Run::JudgeLanes(int pass) {
  if (!tuner_) return absl::OkStatus();
  PS_RETURN_IF_ERROR(model_.Settle());
  const bool last = pass == job_.config.train.passes || valid_.rows() == 0;
  if (valid_.rows() > 0 && job_.config.train.passes > 1) {
    LaneRecord record(tuner_->lanes(), LaneRecord::Rows::kAllAlike);
    PS_RETURN_IF_ERROR(scores_.Record(valid_, &record));
    const auto& early = job_.config.train.early_stopping;
    ChangeLanes(tuner_->DecideOnValidation(record, pass, early ? early->patience : Tuner::kUsualPatience));
  }
  if (last) ChangeLanes(tuner_->Finish());
  return absl::OkStatus();
}

absl::Status EmbeddedTrainer::Run::FirstPass() {
  const auto start = std::chrono::steady_clock::now();
  BadRows bad_rows(&job_.train, job_.config.data.max_bad_rows);
  const double stored_bytes = static_cast<double>(job_.train.stored_bytes());
  double lines = 0;  // of all the data, which only a tuner asks for
  if (tuner_) {
    PS_ASSIGN_OR_RETURN(lines, EstimateLines(job_.train));
  }
  log_.BeginPass(1);
  // Which appearance of a key is its min_count-th depends on the order, so counting takes its turn.
  const bool admission = job_.config.model.min_count > 1;
  PS_RETURN_IF_ERROR(StartKeys());
  absl::Status status = TextPass::Run(
      job_.train, *parser_, &split_, &bad_rows,
      {.threads = job_.threads, .resolve_in_order = admission, .stop = &stop_},
      [this, admission](const RowBlock& rows, DenseModel::Scratch* scratch, ResolvedBlock* out) {
        admission ? model_.ResolveAdmitted(rows, scratch, out) : model_.Resolve(rows, scratch, out);
        if (groups_ != nullptr) groups_->Note(rows, scratch->ids);
      },
      ResolveNew(),
      [&](PassBlock& block) -> absl::Status {
        PS_RETURN_IF_ERROR(model_.CheckIds());
        result_.rows_read += block.train.rows();
        result_.rows_dropped += block.dropped_rows;
        lines_ += block.good_rows + block.bad_rows;
        kept_ids_ += block.train.places();
        const double fraction_read = stored_bytes > 0 ? block.stored_bytes_read / stored_bytes : 1;
        if (solves()) {
          PS_RETURN_IF_ERROR(KeepRows(block));
          PS_RETURN_IF_ERROR(fit_->Add(block.train.View()));
          result_.rows_learnt += block.train.rows();
          log_.Count(block.train.rows(), fraction_read);
          if (log_.IsDue()) log_.Report(model_.features());
          return absl::OkStatus();
        }
        if (groups_ != nullptr && kept_ids_ > kMostSolvedIds) groups_->Forget();
        return LearnNew(&block, {fraction_read, lines * static_cast<double>(result_.rows_read) /
                                                    static_cast<double>(lines_)});
      });
  if (status.ok()) status = EndBlocks();
  if (status.ok()) status = model_.EndKeys();
  result_.bad_rows = bad_rows.bad_rows();
  // Line numbers cost reading the data again up to them: not while somebody waits for the end.
  if (bad_rows.bad_rows() > 0 && status.ok() && !stop_.load()) log_.Say(bad_rows.Describe());
  PS_RETURN_IF_ERROR(status);
  result_.last_pass_seconds = SecondsSince(start);
  result_.last_pass_rows = result_.rows_learnt;
  result_.train = log_.PassMetrics();
  return absl::OkStatus();
}

absl::Status EmbeddedTrainer::Run::LaterPass(int pass) {
  const auto start = std::chrono::steady_clock::now();
  const std::uint64_t rows_before = result_.rows_learnt;
  log_.BeginPass(pass);
  std::uint64_t learnt = 0;
  const double all = static_cast<double>(rows_.rows());
  PS_RETURN_IF_ERROR(SpoolPass(rows_, stop_, [&](const ResolvedBlock& block) {
    result_.rows_read += block.rows();
    learnt += block.rows();
    return LearnAgain(block, {static_cast<double>(learnt) / all, all});
  }));
  PS_RETURN_IF_ERROR(EndBlocks());
  result_.last_pass_seconds = SecondsSince(start);
  result_.last_pass_rows = result_.rows_learnt - rows_before;
  return absl::OkStatus();
}

}  // namespace ps
