#include "trainer/gbdt/tree_progress.h"

#include <algorithm>
#include <bit>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "models/data/row_split.h"
#include "models/features/extractor_digest.h"
#include "ps/base/status_macros.h"
#include "models/gbdt/histogram_source.h"
#include "ps/wire/message.h"
#include "trainer/gbdt/part_loader.h"
#include "trainer/gbdt/tree_log_store.h"

namespace ps {
namespace {

// Of the bins, in a store that holds a few megabytes.
constexpr std::size_t kMostBinsInState = 512 << 10;
constexpr int kSessionBits = 16;
// Of how trees are grown. Raise it whenever the same settings, bins and rows give other trees than
// before (another gain, rounding, sampling, order of ties): trees of two versions are no model.
constexpr int kGrowingRules = 2;

std::string TextOf(const std::vector<ColumnRef>& columns) {
  std::string text;
  for (const ColumnRef& column : columns)
    absl::StrAppend(&text, " ", column.index, ":", column.name.size(), ":", column.name);
  return text;
}

// Of all that decides the trees but the bins and rows that the files give: with the same digest and
// the same bins and rows trees are the same. How many there shall be, and when it is enough, may
// change.
std::string DigestOf(const PreparedJob& job, const TreeModel* start, const BaseModel* base) {
  const JobConfig& config = job.config;
  const GbdtConfig& gbdt = config.model.gbdt;
  const RowSplit split(config.train.seed, config.data.split, config.data.keep_negatives);
  std::string text = absl::StrCat("rules ", kGrowingRules, " steps ", kGradientSteps, " ", kHessianSteps, " features ", ExtractorDigest(job.extractor->Serialize()),
                                  " split ", split.Text(), " seed ", config.train.seed, "\n");
  for (const DataFile& file : job.train.files())
    absl::StrAppend(&text, "file ", file.path, " ", file.stored_bytes, "\n");
  for (const std::string& name : config.data.label.classes)
    absl::StrAppend(&text, "class ", name.size(), " ", name, "\n");
  const auto number = [&](const char* name, double value) {
    absl::StrAppend(&text, name, " ", absl::Hex(std::bit_cast<std::uint64_t>(value)), "\n");
  };
  number("learning_rate", gbdt.learning_rate);
  number("min_hessian", gbdt.min_hessian);
  number("l1", gbdt.l1);
  number("l2", gbdt.l2);
  number("min_gain", gbdt.min_gain);
  number("row_sample", gbdt.row_sample);
  number("column_sample", gbdt.column_sample);
  number("category_smooth", gbdt.category_smooth);
  number("target_encoding", gbdt.target_encoding ? 1 : 0);
  number("target_smooth", gbdt.target_smooth);
  absl::StrAppend(&text, "objective ", gbdt.objective, " leaves ", gbdt.max_leaves, " depth ",
                  gbdt.max_depth, " bins ", gbdt.max_bins, gbdt.level_wise ? " by level" : "",
                  gbdt.absent_is_zero ? " absent is zero" : "", "\nincreasing",
                  TextOf(gbdt.increasing), "\ndecreasing", TextOf(gbdt.decreasing), "\ntargets", TextOf(gbdt.target_columns), "\n");
  if (start != nullptr) absl::StrAppend(&text, "start ", ExtractorDigest(start->Serialize()), "\n");
  if (base != nullptr) absl::StrAppend(&text, "base ", base->Digest(), "\n");
  return ExtractorDigest(text);
}

}  // namespace

absl::StatusOr<std::unique_ptr<TreeProgress>> TreeProgress::Open(
    const PreparedJob& job, const TreeModel* start, const BaseModel* base,
    const std::function<void(const std::string&)>& say, Where where) {
  auto progress = std::make_unique<TreeProgress>();
  const JobConfig& config = job.config;
  TreeLog::Options options;
  options.name = config.job;
  options.say = say;
  options.digest = DigestOf(job, start, base);
  if (!config.cluster.state.empty() && where == Where::kAll) {
    PS_ASSIGN_OR_RETURN(auto store, OpenStateLogStore(config.cluster.state));
    TreeLog::Options in_state = options;
    in_state.most_bins_bytes = kMostBinsInState;
    PS_ASSIGN_OR_RETURN(progress->logs_.emplace_back(),
                        TreeLog::Open(std::move(store), std::move(in_state)));
  }
  if (!config.checkpoint.dir.empty()) {
    options.resume = config.checkpoint.resume;
    PS_ASSIGN_OR_RETURN(auto store, OpenCheckpointLogStore(config.checkpoint));
    PS_ASSIGN_OR_RETURN(progress->logs_.emplace_back(),
                        TreeLog::Open(std::move(store), std::move(options)));
  }
  return progress;
}

std::size_t TreeProgress::trees() const {
  std::size_t trees = 0;
  for (const auto& log : logs_) trees = std::max(trees, log->trees());
  return trees;
}

std::string TreeProgress::HowToBeginAnew() const {
  std::string text;
  for (const auto& log : logs_) {
    if (log->trees() > 0) absl::StrAppend(&text, text.empty() ? "" : "; and ", log->HowToBeginAnew());
  }
  return text;
}

TreeSession TreeProgress::session() const {
  TreeSession session;
  if (!logs_.empty() && logs_.front()->has_nodes()) {
    const TreeLog& log = *logs_.front();
    session.run = log.run();
    session.leader = log.leadership_term();
    session.returns = log.nodes_wait();
    session.first_attempt = (log.sessions_before() << kSessionBits) + 1;
  } else {
    std::random_device device;
    session.run = (std::uint64_t{device()} << 32 | device()) | 1;
  }
  return session;
}

absl::StatusOr<std::unique_ptr<BinPlan>> TreeProgress::ReadBins(
    const features::Plan& features) const {
  for (const auto& log : logs_) {
    if (!log->goes_on() || log->bins().empty()) continue;
    wire::TreePlan kept;
    if (!kept.ParseFromString(log->bins()))
      return absl::DataLossError("the bins that are kept of the job are malformed");
    return BinPlanOf(kept, features);
  }
  return nullptr;
}

absl::StatusOr<std::vector<Tree>> TreeProgress::Begin(const BinPlan& bins) {
  std::vector<Tree> trees;
  if (logs_.empty()) return trees;
  wire::TreePlan plan;
  SetBinPlan(bins, &plan);
  constexpr std::size_t kMostBytes = std::size_t{1} << 30;  // that are read back
  if (plan.ByteSizeLong() > kMostBytes - (std::size_t{1} << 20)) {
    return absl::ResourceExhaustedError(
        "the bins of all columns are too many to be kept: train without checkpoint.dir and "
        "cluster.state");
  }
  const std::string bytes = plan.SerializeAsString();
  for (const auto& log : logs_) {
    PS_RETURN_IF_ERROR(log->Begin(bytes));
    PS_ASSIGN_OR_RETURN(std::vector<Tree> kept, log->TakeTrees(bins.columns));
    if (kept.size() > trees.size()) trees = std::move(kept);
  }
  return trees;
}

absl::Status TreeProgress::SetRows(const LabelSums& sums) {
  if (logs_.empty()) return absl::OkStatus();
  std::string text = absl::StrCat(sums.rows, " ", sums.labels.Serialize(), " ",
                                  sums.weights.Serialize(), " ", sums.heaviest);
  for (const ExactSum& weights : sums.of_class) absl::StrAppend(&text, " ", weights.Serialize());
  for (const auto& log : logs_) PS_RETURN_IF_ERROR(log->SetRows(ExtractorDigest(text)));
  return absl::OkStatus();
}

absl::Status TreeProgress::Keep(const std::vector<Tree>& trees, std::uint32_t attempts) {
  for (const auto& log : logs_) PS_RETURN_IF_ERROR(log->Keep(trees, attempts_before() + attempts));
  return absl::OkStatus();
}

absl::Status TreeProgress::KeepAll(const std::vector<Tree>& trees, std::uint32_t attempts) {
  for (const auto& log : logs_)
    PS_RETURN_IF_ERROR(log->KeepAll(trees, attempts_before() + attempts));
  return absl::OkStatus();
}

std::uint32_t TreeProgress::attempts_before() const {
  std::uint32_t attempts = 0;
  for (const auto& log : logs_) attempts = std::max(attempts, log->attempts_before());
  return attempts;
}

bool TreeProgress::lost() const {
  return std::any_of(logs_.begin(), logs_.end(), [](const auto& log) { return log->lost(); });
}

absl::Status TreeProgress::EndSession() {
  for (const auto& log : logs_) PS_RETURN_IF_ERROR(log->EndSession());
  return absl::OkStatus();
}

absl::Status TreeProgress::Clear() {
  for (const auto& log : logs_) PS_RETURN_IF_ERROR(log->Clear());
  return absl::OkStatus();
}

}  // namespace ps
