#include <algorithm>

#include "absl/strings/str_format.h"
#include "models/gbdt/grower.h"
#include "ps/base/cgroup.h"
#include "ps/base/status_macros.h"
#include "trainer/gbdt/gbdt_trainer.h"
#include "trainer/gbdt/row_loader.h"
#include "trainer/gbdt/setting_space.h"
#include "trainer/job_plan.h"
#include "trainer/progress/progress_line.h"

namespace ps {
namespace {

constexpr std::uint64_t kHeadBytes = 1 << 20;
constexpr double kFixedBytes = 48 << 20;  // program, blocks of text under way, sample of a table
// Of a row while trees are grown: margin, label, node entry, fixed-point gradient.
constexpr double kRowBytes = 4 + 4 + 8 + 8;
constexpr double kNormBytes = 4 + 4;  // softmax, beside a margin for each class
// With a model to start from: their margin, or the leaf of the tree that is fitted.
constexpr double kStartBytes = 4;

}  // namespace

absl::StatusOr<TreesPlan> PlanTrees(const PreparedJob& job) {
  TreesPlan plan;
  plan.memory_limit = static_cast<std::uint64_t>(EffectiveMemory().limit_bytes);
  features::Plan features;
  if (!features.ParseFromString(job.extractor->Serialize()))
    return absl::InternalError("the plan cannot be read back");
  const bool libsvm = features.format() == "libsvm";
  const std::string& objective = job.config.model.gbdt.objective;
  const LabelReading labels{objective == "softmax"   ? LabelRule::kClass
                            : objective == "squared" ? LabelRule::kNumber
                                                     : LabelRule::kBinary,
                            nullptr};
  std::unique_ptr<ValueParser> parser;
  if (libsvm) {
    parser = MakeLibsvmValues(features.index_base(), labels);
  } else {
    PS_ASSIGN_OR_RETURN(const std::vector<ValueColumn> columns, ColumnsOfPlan(features));
    plan.columns = static_cast<double>(columns.size());
    parser = MakeTableValues(features, columns, labels);
  }
  PS_ASSIGN_OR_RETURN(const std::uint64_t bytes, job.train.DecompressedBytes());
  const auto reader = RangeReader::Create(job.train);
  for (std::uint32_t file = 0; file < job.train.files().size() && plan.rows == 0; ++file) {
    std::string text;
    std::uint64_t offset = 0;
    PS_RETURN_IF_ERROR(reader->Read({file, 0, kHeadBytes}, &text, &offset));
    if (text.empty()) continue;
    ValueRows rows;
    parser->Parse(text, {file, offset}, RowSample(), &rows);
    const double share = static_cast<double>(bytes) / static_cast<double>(text.size());
    plan.rows = share * static_cast<double>(rows.rows.rows());
    plan.values = share * static_cast<double>(rows.values.size());
    plan.classes = std::max<double>(1, static_cast<double>(rows.classes.size()));
  }
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
  plan.memory_bytes = static_cast<std::uint64_t>(memory);
  return plan;
}

std::string DescribeTreesPlan(const PreparedJob& job, const TreesPlan& plan) {
  const auto bytes = [](std::uint64_t n) { return FormatBytes(static_cast<std::int64_t>(n)); };
  return absl::StrFormat(
      "%srows: about %s, %.1f values a row%s\nmemory: about %s needed, %s allowed\n",
      DescribeJob(job), FormatShort(plan.rows), plan.rows > 0 ? plan.values / plan.rows : 0.0,
      plan.classes > 1 ? absl::StrFormat(", %.0f classes", plan.classes) : "",
      bytes(plan.memory_bytes), bytes(plan.memory_limit));
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
