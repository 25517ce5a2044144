#include "trainer/embedded/embedded_trainer.h"

#include <glog/logging.h>

#include <chrono>
#include <cmath>
#include <thread>
#include <utility>

#include "absl/strings/str_format.h"
#include "models/data/bad_rows.h"
#include "models/data/row_split.h"
#include "ps/base/status_macros.h"
#include "trainer/in_order.h"
#include "trainer/embedded/dense_model.h"
#include "trainer/embedded/row_spool.h"
#include "trainer/embedded/text_pass.h"
#include "trainer/pass_log.h"
#include "trainer/warm_start.h"

namespace ps {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Rows for later passes and hold-out rows stay in memory up to this; beyond it they go to a file.
constexpr std::uint64_t kSpoolMemory = 64u << 20;

}  // namespace

// The state of one training run.
class EmbeddedTrainer::Run {
 public:
  Run(const PreparedJob* job, ProgressReporter* reporter, const std::atomic<bool>* stop)
      : job_(*job),
        stop_(*stop),
        parser_(job->extractor->MakeParser()),
        model_({ParamsOf(job->config.model.optimizer), job->config.model.bias,
                job->config.model.min_count}),
        split_(job->config.train.seed, job->config.data.split, job->config.data.keep_negatives),
        offset_(MarginOffset(job->config.data)),
        log_(reporter, job->config.train.passes),
        rows_(CacheDir(), kSpoolMemory),
        valid_(CacheDir(), kSpoolMemory),
        test_(CacheDir(), kSpoolMemory) {}

  absl::StatusOr<JobResult> Train();
  absl::Status Export(BundleWriter* writer, BundleInfo* info);

 private:
  std::string CacheDir() const {
    const TrainConfig& train = job_.config.train;
    return train.row_cache.empty() ? job_.config.output.dir + ".cache" : train.row_cache;
  }
  TextPass::Resolve ResolveNew() {
    return [this](const RowBlock& rows, DenseModel::Scratch* scratch, ResolvedBlock* out) {
      model_.Resolve(rows, scratch, out);
    };
  }
  absl::Status WarmStart();
  absl::Status FirstPass();
  absl::Status LaterPass(int pass);
  // Learns a block and logs what was predicted before.
  absl::Status LearnBlock(const ResolvedBlock& block, double fraction_read);
  absl::Status SpoolFiles(const DataFiles& files, RowSpool* spool);
  absl::StatusOr<Metrics> Evaluate(const RowSpool& spool);
  absl::StatusOr<Metrics> EvaluateFiles(const DataFiles& files);
  void AddScores(const ResolvedBlock& block, MetricState* metrics);
  absl::Status ReportLine();
  // Keeps the best state; true when patience has run out.
  absl::StatusOr<bool> EarlyStop(int pass);

  const PreparedJob& job_;
  const std::atomic<bool>& stop_;
  const std::unique_ptr<RowParser> parser_;
  DenseModel model_;
  const RowSplit split_;
  const double offset_;
  PassLog log_;
  RowSpool rows_, valid_, test_;
  std::vector<float> margins_;
  JobResult result_;

  std::optional<Metrics> last_valid_;
  double best_logloss_ = INFINITY;
  int passes_since_best_ = 0;
  std::vector<float> best_state_;
};

absl::Status EmbeddedTrainer::Run::WarmStart() {
  PS_ASSIGN_OR_RETURN(const std::unique_ptr<Bundle> bundle, OpenWarmStart(job_));
  if (bundle == nullptr) return absl::OkStatus();
  DenseModel::Scratch scratch;
  model_.SetWeights(bundle->keys(), bundle->weights(), &scratch);
  if (job_.config.model.bias) model_.SetBias(static_cast<float>(bundle->info().bias));
  return absl::OkStatus();
}

absl::Status EmbeddedTrainer::Run::ReportLine() {
  if (valid_.rows() > 0) {
    PS_ASSIGN_OR_RETURN(last_valid_, Evaluate(valid_));
    log_.SetValid(*last_valid_);
  }
  log_.Report(model_.features());
  return absl::OkStatus();
}

absl::Status EmbeddedTrainer::Run::LearnBlock(const ResolvedBlock& block, double fraction_read) {
  model_.Learn(block, &margins_);
  log_.Add(margins_, block.labels, block.weights, fraction_read);
  result_.rows_learnt += block.rows();
  if (log_.diverged()) {
    return DivergedError(result_.rows_learnt);
  }
  if (log_.IsDue()) return ReportLine();
  return absl::OkStatus();
}

absl::Status EmbeddedTrainer::Run::FirstPass() {
  const auto start = Clock::now();
  BadRows bad_rows(&job_.train, job_.config.data.max_bad_rows);
  const double stored_bytes = static_cast<double>(job_.train.stored_bytes());
  const bool keep_rows = job_.config.train.passes > 1;
  log_.BeginPass(1);
  // Which appearance of a key is its min_count-th depends on the order, so counting takes its turn.
  const bool admission = job_.config.model.min_count > 1;
  absl::Status status = TextPass::Run(
      job_.train, *parser_, &split_, &bad_rows,
      {.threads = job_.threads, .resolve_in_order = admission, .stop = &stop_},
      [this, admission](const RowBlock& rows, DenseModel::Scratch* scratch, ResolvedBlock* out) {
        admission ? model_.ResolveAdmitted(rows, scratch, out) : model_.Resolve(rows, scratch, out);
      },
      ResolveNew(),
      [&](const PassBlock& block) -> absl::Status {
        result_.rows_read += block.train.rows();
        result_.rows_dropped += block.dropped_rows;
        if (keep_rows) PS_RETURN_IF_ERROR(rows_.Append(block.train));
        PS_RETURN_IF_ERROR(valid_.Append(block.valid));
        PS_RETURN_IF_ERROR(test_.Append(block.test));
        return LearnBlock(block.train, stored_bytes > 0 ? block.stored_bytes_read / stored_bytes : 1);
      });
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
  const auto start = Clock::now();
  const std::uint64_t rows_before = result_.rows_learnt;
  log_.BeginPass(pass);
  struct Item {
    ResolvedBlock storage;
    const ResolvedBlock* in_memory = nullptr;  // null: the rows are in storage
  };
  absl::Status failure;  // written by consumers, who exclude each other, read after the threads ended
  std::atomic<bool> failed{false};
  std::atomic<std::size_t> next{0};
  std::uint64_t learnt = 0;
  InOrder<Item> in_order(8, [&](Item& item) {
    if (failed.load()) return;
    const ResolvedBlock* block = item.in_memory != nullptr ? item.in_memory : &item.storage;
    result_.rows_read += block->rows();
    learnt += block->rows();
    failure = LearnBlock(*block, static_cast<double>(learnt) / static_cast<double>(rows_.rows()));
    if (!failure.ok()) failed.store(true);
  });
  std::mutex error_mutex;
  absl::Status read_error;
  const auto work = [&] {
    while (!failed.load() && !stop_.load()) {
      const std::size_t number = next.fetch_add(1);
      if (number >= rows_.blocks()) return;
      Item item = in_order.Spare();
      const ResolvedBlock* block = nullptr;
      if (absl::Status status = rows_.Read(number, &item.storage, &block); !status.ok()) {
        std::lock_guard<std::mutex> lock(error_mutex);
        read_error.Update(status);
        failed.store(true);
      }
      item.in_memory = block == &item.storage ? nullptr : block;
      in_order.Offer(number, std::move(item));
    }
  };
  std::thread reader(work);  // learning is serial: one thread reads while the other learns
  work();
  reader.join();
  PS_RETURN_IF_ERROR(read_error);
  PS_RETURN_IF_ERROR(failure);
  result_.last_pass_seconds = SecondsSince(start);
  result_.last_pass_rows = result_.rows_learnt - rows_before;
  return absl::OkStatus();
}

absl::Status EmbeddedTrainer::Run::SpoolFiles(const DataFiles& files, RowSpool* spool) {
  BadRows bad_rows(&files, job_.config.data.max_bad_rows);
  PS_RETURN_IF_ERROR(TextPass::Run(
      files, *parser_, nullptr, &bad_rows, {.threads = job_.threads, .stop = &stop_}, ResolveNew(),
      ResolveNew(), [&](const PassBlock& block) { return spool->Append(block.train); }));
  if (bad_rows.bad_rows() > 0) log_.Say(bad_rows.Describe());
  return absl::OkStatus();
}

void EmbeddedTrainer::Run::AddScores(const ResolvedBlock& block, MetricState* metrics) {
  model_.Score(block, &margins_);
  for (float& margin : margins_) margin += static_cast<float>(offset_);
  metrics->AddRows(margins_, block.labels, block.weights);
}

absl::StatusOr<Metrics> EmbeddedTrainer::Run::Evaluate(const RowSpool& spool) {
  MetricState metrics;
  ResolvedBlock storage;
  for (std::size_t i = 0; i < spool.blocks(); ++i) {
    const ResolvedBlock* block = nullptr;
    PS_RETURN_IF_ERROR(spool.Read(i, &storage, &block));
    AddScores(*block, &metrics);
  }
  return metrics.Finish();
}

absl::StatusOr<Metrics> EmbeddedTrainer::Run::EvaluateFiles(const DataFiles& files) {
  MetricState metrics;
  BadRows bad_rows(&files, job_.config.data.max_bad_rows);
  const TextPass::Resolve find = [this](const RowBlock& rows, DenseModel::Scratch* scratch,
                                        ResolvedBlock* out) { model_.Find(rows, scratch, out); };
  PS_RETURN_IF_ERROR(TextPass::Run(
      files, *parser_, nullptr, &bad_rows, {.threads = job_.threads}, find, find,
      [&](const PassBlock& block) {
        AddScores(block.train, &metrics);
        return absl::OkStatus();
      }));
  if (bad_rows.bad_rows() > 0) log_.Say(bad_rows.Describe());
  return metrics.Finish();
}

absl::StatusOr<bool> EmbeddedTrainer::Run::EarlyStop(int pass) {
  const auto& early = job_.config.train.early_stopping;
  if (!early || valid_.rows() == 0) return false;
  PS_ASSIGN_OR_RETURN(last_valid_, Evaluate(valid_));
  if (last_valid_->logloss < best_logloss_ - early->min_delta) {
    best_logloss_ = last_valid_->logloss;
    passes_since_best_ = 0;
    result_.best_pass = pass;
    best_state_ = model_.CopyState();
    return false;
  }
  return ++passes_since_best_ >= early->patience;
}

absl::StatusOr<JobResult> EmbeddedTrainer::Run::Train() {
  PS_RETURN_IF_ERROR(WarmStart());
  if (job_.valid) PS_RETURN_IF_ERROR(SpoolFiles(*job_.valid, &valid_));
  const auto start = Clock::now();
  for (int pass = 1; pass <= job_.config.train.passes && !stop_.load(); ++pass) {
    PS_RETURN_IF_ERROR(pass == 1 ? FirstPass() : LaterPass(pass));
    if (result_.rows_learnt == 0 && stop_.load()) break;
    if (result_.rows_learnt == 0) {
      return absl::InvalidArgumentError("data.train: there are no rows to learn from");
    }
    if (stop_.load()) break;
    result_.passes = pass;
    PS_ASSIGN_OR_RETURN(const bool enough, EarlyStop(pass));
    if (enough) {
      log_.Say(absl::StrFormat("early stop after pass %d: pass %d had the best validation log loss",
                               pass, result_.best_pass));
      break;
    }
  }
  if (result_.rows_learnt == 0 && stop_.load()) return StoppedBeforeLearningError();
  if (!best_state_.empty()) model_.RestoreState(best_state_);
  result_.train_seconds = SecondsSince(start);
  PS_RETURN_IF_ERROR(ReportLine());
  result_.complete = !stop_.load();
  if (result_.train.rows > 0 &&
      (result_.train.positives == 0 || result_.train.positives == result_.train.rows)) {
    LOG(WARNING) << "all rows of data.train have the same label: the model can only learn a constant. "
                    "Is data.label.positive right?";
  }
  result_.valid = last_valid_;
  result_.rows_valid = valid_.rows();
  if (job_.test && result_.complete) {
    PS_ASSIGN_OR_RETURN(result_.test, EvaluateFiles(*job_.test));
  } else if (test_.rows() > 0) {
    PS_ASSIGN_OR_RETURN(result_.test, Evaluate(test_));
  }
  if (result_.test) result_.rows_test = static_cast<std::uint64_t>(result_.test->rows);
  result_.features = model_.features();
  result_.table_bytes = model_.memory_bytes();
  return result_;
}

absl::Status EmbeddedTrainer::Run::Export(BundleWriter* writer, BundleInfo* info) {
  // Slots are ranges of keys, so slots in order are keys in order; threads sort them ahead.
  struct Weights {
    std::vector<Key> keys;
    std::vector<float> weights;
  };
  constexpr std::uint32_t kSlotsAtOnce = 4;
  absl::Status status;
  std::atomic<std::uint32_t> next{0};
  const std::uint32_t groups = (model_.slots() + kSlotsAtOnce - 1) / kSlotsAtOnce;
  InOrder<Weights> in_order(16, [&](Weights& part) {
    if (status.ok()) status = writer->AppendWeights(part.keys, part.weights);
    info->features += part.keys.size();
    part.keys.clear();
    part.weights.clear();
  });
  const auto work = [&] {
    for (std::uint32_t g = next.fetch_add(1); g < groups; g = next.fetch_add(1)) {
      Weights part = in_order.Spare();
      const std::uint32_t end = std::min((g + 1) * kSlotsAtOnce, model_.slots());
      for (SlotIndex slot = g * kSlotsAtOnce; slot < end; ++slot) {
        model_.SlotWeights(slot, &part.keys, &part.weights);
      }
      in_order.Offer(g, std::move(part));
    }
  };
  std::vector<std::thread> threads;
  for (int t = 1; t < job_.threads; ++t) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  info->bias = model_.bias();
  info->margin_offset = offset_;
  info->rows_learnt = result_.rows_learnt;
  info->complete = result_.complete;
  return status;
}

EmbeddedTrainer::EmbeddedTrainer(const PreparedJob* job, ProgressReporter* reporter,
                                 const std::atomic<bool>* stop)
    : run_(std::make_unique<Run>(job, reporter, stop)) {}
EmbeddedTrainer::~EmbeddedTrainer() = default;
absl::StatusOr<JobResult> EmbeddedTrainer::Train() { return run_->Train(); }
absl::Status EmbeddedTrainer::Export(BundleWriter* writer, BundleInfo* info) {
  return run_->Export(writer, info);
}

}  // namespace ps
