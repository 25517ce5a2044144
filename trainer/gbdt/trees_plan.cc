#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "models/data/bad_rows.h"
#include "models/gbdt/grower.h"
#include "ps/base/cgroup.h"
#include "ps/base/status_macros.h"
#include "trainer/front_check.h"
#include "trainer/gbdt/gbdt_trainer.h"
#include "trainer/gbdt/part_stream.h"
#include "trainer/gbdt/row_loader.h"
#include "trainer/gbdt/setting_space.h"
#include "trainer/gbdt/target_planner.h"
#include "trainer/held_out_check.h"
#include "trainer/job_plan.h"
#include "trainer/pass_log.h"
#include "trainer/progress/progress_line.h"

namespace ps {
namespace {

constexpr std::uint64_t kHeadBytes = 1 << 20;
constexpr double kNormBytes = 4 + 4;  // softmax, beside a margin for each class
// With a model to start from: their margin, or the leaf of the tree that is fitted.
constexpr double kStartBytes = 4;

// Tables of target statistics while they are made, before there are rows. `texts`: of a part of the
// rows, 1 in `share`.
double TargetBytes(const GbdtConfig& gbdt, const std::vector<TextCounts>& texts, double share,
                   double rows) {
  const auto most = static_cast<double>(
      MostAutomaticCategories(TargetOptions(), static_cast<std::uint64_t>(rows)));
  double categories = 0;
  for (const TextCounts& column : texts) {
    if (gbdt.target_encoding && column.size() > static_cast<std::size_t>(gbdt.max_bins))
      categories += std::min(most, share * static_cast<double>(column.size()));
  }
  return categories * static_cast<double>(kTargetCategoryBytes);
}

// How trees read rows, as far as that is known before any is read: what is not known is not judged.
struct Reading {
  ClassNumbers classes;  // as declared
  std::unique_ptr<ValueParser> parser;
  double columns = 0;    // of tables
  bool looks_for_classes = false;
};

absl::StatusOr<features::Plan> FeaturesOf(const PreparedJob& job) {
  features::Plan features;
  if (!features.ParseFromString(job.extractor->Serialize())) return absl::InternalError("the plan cannot be read back");
  return features;
}

absl::Status MakeReading(const JobConfig& config, const features::Plan& features, Reading* reading) {
  const GbdtConfig& gbdt = config.model.gbdt;
  const std::vector<std::string>& declared = config.data.label.classes;
  reading->classes = NumberClasses(declared);
  const LabelReading labels{gbdt.objective == "softmax"   ? LabelRule::kClass
                            : gbdt.objective == "squared" ? LabelRule::kNumber
                                                          : LabelRule::kBinary,
                            declared.empty() ? nullptr : &reading->classes};
  reading->looks_for_classes = labels.looks_for_classes();
  if (features.format() == "libsvm") {
    reading->parser = MakeLibsvmValues(features.index_base(), labels);
    return absl::OkStatus();
  }
  PS_ASSIGN_OR_RETURN(std::vector<ValueColumn> columns, ColumnsOfPlan(features));
  // What a column is, trees to start from may know otherwise, and statistics of labels take any text.
  const bool any_text = !config.model.warm_start.empty() || !gbdt.target_columns.empty();
  for (ValueColumn& column : columns) column.text_is_missing |= any_text;
  reading->columns = static_cast<double>(columns.size());
  reading->parser = MakeTableValues(features, std::move(columns), labels);
  return absl::OkStatus();
}

// Labels of classes that are not known yet are not numbered either.
bool HaveOneLabel(const ValueRows& rows) {
  const std::vector<float>& labels = rows.rows.label;
  return !labels.empty() && rows.classes.size() <= 1 &&
         std::all_of(labels.begin(), labels.end(), [&](float label) { return label == labels.front(); });
}

// Errors of reading it only.
absl::Status LookAtFront(const PreparedJob& job, const Reading& reading, TreesPlan* plan) {
  ValueRows rows;
  const auto read = [&](std::string_view text, TextOrigin origin) -> const RowBlock& {
    rows = ValueRows();
    reading.parser->Parse(text, origin, RowSample(), &rows);
    return rows.rows;
  };
  BadRows seen(&job.train, job.config.data.max_bad_rows);
  plan->front = CheckFront(job.train, PartStream::kBlockBytes, read, &seen);
  if (!plan->front.ok() && !absl::IsInvalidArgument(plan->front)) return plan->front;
  plan->bad_rows = DescribeMalformed(seen, "at the front", /*whole=*/false, job.config.data.max_bad_rows);
  return absl::OkStatus();
}

}  // namespace

std::string OneLabelOfTrees(const GbdtConfig& gbdt, bool seen_all) {
  return OneLabelWarning(gbdt.objective == "squared"   ? ""
                         : gbdt.objective == "softmax" ? "data.label.classes"
                                                       : "data.label.positive",
                         seen_all);
}

DistributionShape ShapeOf(const PreparedJob& job, const TreesPlan& plan,
                          const TreeClusterOptions& cluster) {
  const GbdtConfig& gbdt = job.config.model.gbdt;
  DistributionShape shape;
  shape.rows = plan.rows;
  shape.columns = plan.columns;
  shape.values = plan.sparse ? plan.values : plan.rows * plan.columns;
  // As many bins as may be, where there are values enough.
  shape.cells = plan.columns * std::clamp(plan.values / std::max(1.0, plan.columns), 1.0,
                                          static_cast<double>(gbdt.max_bins));
  shape.sparse = plan.sparse;
  shape.text_bytes = plan.text_bytes;
  shape.outputs = plan.classes;
  shape.trees = gbdt.trees * static_cast<int>(plan.classes);
  shape.leaves = gbdt.max_leaves;
  shape.max_depth = gbdt.max_depth;
  shape.servers = cluster.shape.servers;
  shape.workers = cluster.shape.workers;
  const int threads = cluster.listen.empty() ? job.threads / cluster.shape.workers
                                             : job.config.train.threads;
  shape.threads = std::max(1, threads);
  if (!cluster.listen.empty()) shape.rows_only = "workers may not reach each other";
  // What workers by columns do not know of.
  const JobConfig& config = job.config;
  const char* const key = !config.cluster.state.empty()      ? "cluster.state"
                          : !config.checkpoint.dir.empty()   ? "checkpoint"
                          : !config.model.warm_start.empty() ? "model.warm_start"
                          : !gbdt.base_model.empty()         ? "model.gbdt.base_model"
                          : config.device == "cuda"          ? "device: cuda"
                                                             : nullptr;
  if (key != nullptr) shape.rows_only = absl::StrCat(key, " goes with rows only");
  return shape;
}

std::uint64_t WorkerMemory(const TreesPlan& plan, const TreeClusterOptions& cluster) {
  if (!cluster.listen.empty()) return 0;
  return plan.memory_limit / static_cast<std::uint64_t>(cluster.shape.workers);
}

absl::Status CheckHeldOutOfTrees(const PreparedJob& job) {
  PS_ASSIGN_OR_RETURN(const features::Plan features, FeaturesOf(job));
  Reading reading;
  PS_RETURN_IF_ERROR(MakeReading(job.config, features, &reading));
  ValueRows rows;
  const auto read = [&](std::string_view text, TextOrigin origin) -> const RowBlock& {
    rows = ValueRows();
    reading.parser->Parse(text, origin, RowSample(), &rows);
    return rows.rows;
  };
  if (job.valid) PS_RETURN_IF_ERROR(CheckHeldOutFiles("data.valid", *job.valid, read, job.config));
  if (job.test) PS_RETURN_IF_ERROR(CheckHeldOutFiles("data.test", *job.test, read, job.config));
  return absl::OkStatus();
}

absl::StatusOr<TreesPlan> PlanTrees(const PreparedJob& job,
                                    const std::optional<TreeClusterOptions>& cluster, TreesPlanOf of) {
  TreesPlan plan;
  plan.memory_limit = static_cast<std::uint64_t>(EffectiveMemory().limit_bytes);
  PS_ASSIGN_OR_RETURN(const features::Plan features, FeaturesOf(job));
  const bool libsvm = features.format() == "libsvm";
  Reading reading;
  PS_RETURN_IF_ERROR(MakeReading(job.config, features, &reading));
  plan.columns = reading.columns;
  PS_ASSIGN_OR_RETURN(const std::uint64_t bytes, job.train.DecompressedBytes());
  plan.text_bytes = static_cast<double>(bytes);
  const auto reader = RangeReader::Create(job.train);
  double target_bytes = 0;
  BadRows bad_rows(&job.train, job.config.data.max_bad_rows);
  std::uint64_t read = 0;
  TextCounts classes;
  bool one_label = false;
  for (std::uint32_t file = 0; file < job.train.files().size() && plan.rows == 0; ++file) {
    std::string text;
    std::uint64_t offset = 0;
    PS_RETURN_IF_ERROR(reader->Read({file, 0, kHeadBytes}, &text, &offset));
    if (text.empty()) continue;
    ValueRows rows;
    reading.parser->Parse(text, {file, offset}, RowSample(), &rows);
    bad_rows.Add(rows.rows);
    read += text.size();
    const double share = static_cast<double>(bytes) / static_cast<double>(text.size());
    plan.rows = share * static_cast<double>(rows.rows.rows());
    plan.values = share * static_cast<double>(rows.values.size());
    if (libsvm) {
      absl::flat_hash_set<std::uint32_t> indices(rows.index.begin(), rows.index.end());
      plan.columns = static_cast<double>(indices.size());
      plan.sparse = indices.size() > kMostDenseColumns ||
                    static_cast<double>(rows.index.size()) <
                        kDenseShare * plan.columns * static_cast<double>(rows.rows.rows());
    }
    one_label = HaveOneLabel(rows);
    classes = std::move(rows.classes);
    plan.classes = std::max<double>(1, static_cast<double>(classes.size()));
    if (plan.classes == 1)
      target_bytes = TargetBytes(job.config.model.gbdt, rows.texts, share, plan.rows);
  }
  // What is wrong whatever comes behind the front: no row takes less than two bytes, and there are hardly more than
  // twice as many as those in front let expect.
  const auto seen = static_cast<double>(bad_rows.rows() + bad_rows.bad_rows());
  const double behind = static_cast<double>(bytes - std::min(bytes, read));
  const double expected = read == 0 ? behind / 2 : behind * seen / static_cast<double>(read);
  const double most = seen + std::min(behind / 2, 2 * expected);
  if (static_cast<double>(bad_rows.bad_rows()) > job.config.data.max_bad_rows * most)
    PS_RETURN_IF_ERROR(bad_rows.Check(read >= bytes));
  if (read >= bytes && bad_rows.rows() == 0) return NoRowsError(bad_rows);
  // Trees to start from bring their classes. Of the front alone too many are enough to know.
  const bool own_classes = reading.looks_for_classes && job.config.model.warm_start.empty();
  if (own_classes && (read >= bytes || classes.size() > kMostClasses)) PS_RETURN_IF_ERROR(CheckClasses(classes));
  if (of == TreesPlanOf::kDryRun && read >= bytes) {
    plan.bad_rows = DescribeMalformed(bad_rows, "that were looked at", /*whole=*/true, job.config.data.max_bad_rows);
  } else if (of == TreesPlanOf::kDryRun) {
    PS_RETURN_IF_ERROR(LookAtFront(job, reading, &plan));
  }
  if (one_label) plan.one_label = OneLabelOfTrees(job.config.model.gbdt, read >= bytes);
  plan.classes = std::max(plan.classes, static_cast<double>(job.config.data.label.classes.size()));
  const bool starts =
      !job.config.model.warm_start.empty() || !job.config.model.gbdt.base_model.empty();
  const double row_bytes = kRowBytes + (starts ? kStartBytes : 0);
  double memory = kFixedBytes + plan.rows * row_bytes;
  if (plan.classes > 1) memory += plan.rows * (4 * (plan.classes - 1) + kNormBytes);
  if (libsvm) {
    // The sample and its values by column come first, then the cells; histograms that are kept have
    // a limit.
    const double sample =
        std::min(plan.values, 1.5 * static_cast<double>(LoadOptions().sample_values));
    memory += std::max(sample * 12, plan.values * 4 + plan.rows * 40 +
                                        static_cast<double>(GrowParams().memory_bytes));
  } else {
    memory += plan.rows * static_cast<double>(DenseStride(static_cast<int>(plan.columns)));
    const int leaves = job.config.tune ? kMostTunedLeaves : job.config.model.gbdt.max_leaves;
    memory += plan.columns * 256 *
              (8.0 * (leaves + job.threads) + 4.0 * job.threads);
  }
  plan.memory_bytes = static_cast<std::uint64_t>(std::max(memory, kFixedBytes + target_bytes));
  if (!cluster) return plan;
  plan.distribution = ChooseDistribution(job.config.model.gbdt.distribution,
                                         ShapeOf(job, plan, *cluster), WorkerMemory(plan, *cluster));
  // Workers of this machine have all rows each; the parts of rows are as large as the whole.
  if (plan.distribution->by_columns && cluster->listen.empty()) {
    plan.memory_bytes = static_cast<std::uint64_t>(
        kFixedBytes +
        std::max(target_bytes, cluster->shape.workers * plan.distribution->columns.worker_bytes));
  }
  return plan;
}

std::string DescribeTreesPlan(const PreparedJob& job, const TreesPlan& plan) {
  const auto bytes = [](std::uint64_t n) { return FormatBytes(static_cast<std::int64_t>(n)); };
  return absl::StrFormat(
      "%srows: about %s, %.1f values a row%s\n%s%s%smemory: about %s needed, %s allowed\n",
      DescribeJob(job), FormatShort(plan.rows), plan.rows > 0 ? plan.values / plan.rows : 0.0,
      plan.classes > 1 ? absl::StrFormat(", %.0f classes", plan.classes) : "",
      plan.one_label.empty() ? "" : plan.one_label + "\n", plan.bad_rows, plan.distribution ? plan.distribution->text + "\n" : "", bytes(plan.memory_bytes),
      bytes(plan.memory_limit));
}

absl::Status CheckTreesPlan(const TreesPlan& plan) {
  if (plan.memory_limit == 0 || plan.memory_bytes <= plan.memory_limit) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrFormat(
      "trees on about %s rows need about %s of memory, and this process may use %s: use more "
      "memory or fewer rows",
      FormatShort(plan.rows), FormatBytes(static_cast<std::int64_t>(plan.memory_bytes)),
      FormatBytes(static_cast<std::int64_t>(plan.memory_limit))));
}

}  // namespace ps
